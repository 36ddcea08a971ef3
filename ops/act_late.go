package ops

// rows applies an activation that kernels do not fuse to n stored numbers at every pitch of y. Rows that follow one another
// are one: each call costs as much as several vectors. A nil activation does nothing.
func (a *Act) rows(y []float32, rows, n, pitch int) {
	if a == nil {
		return
	}
	if n == pitch {
		rows, n = min(rows, 1), rows*n
	}
	for m := range rows {
		actRow(a, y[m*pitch:][:n])
	}
}

// lateAct is that for all of a step's result, where its tasks are no rows of it.
type lateAct struct {
	act             *Act // or nil
	count, n, pitch int  // rows
	each, parts     int  // rows of a part
}

// actMACs multiply-adds take as long as an activation of one number.
const actMACs = 24

func (l *lateAct) plan(count, n, pitch, threads int) {
	l.count, l.n, l.pitch = count, n, pitch
	tasks := parts(actMACs*count*n, taskMACs, threads)
	l.each = max(1, (count+tasks-1)/tasks)
	l.parts = (count + l.each - 1) / l.each
}

func (l *lateAct) run(a *Args) {
	if l.act != nil {
		a.Parallel(l.parts, l)
	}
}

// Do applies it to part i.
func (l *lateAct) Do(a *Args, i, _ int) {
	m := i * l.each
	l.act.rows(f32(&a.Out)[m*l.pitch:], min(l.each, l.count-m), l.n, l.pitch)
}
