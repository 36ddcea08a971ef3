package kern

// Loops of batch norm in training. The rows of a tensor are handled in lines, one row or some side by side, of N floats; what
// belongs to a channel (means, factors, sums) is repeated for each row of a line. Sums run line by line in float32: callers
// keep runs short and sum them in float64. The "vec/..." switches govern them.

// NormLines is what the loops of batch norm read and write. Every slice but X, D and Dst has N elements.
type NormLines struct {
	X, D, Dst          []float32 // Lines lines of N, one after the other
	N, Lines           int
	Mean, Scale, Shift []float32
	A, B, C            []float32
	Sums, Cross        []float32
	// Lo and Hi are the limits of a clamp behind the norm: the gradient D counts where X·Scale + Shift lies between them.
	Lo, Hi float32
}

// normArgs is what a loop is handed; assembly knows the offsets (see TestNormLayout).
type normArgs struct {
	x, d, dst          *float32
	mean, scale, shift *float32
	a, b, c            *float32
	sums, cross        *float32
	n, lines, pitch    int
	lo, hi             float32
}

type normOp uint8

const (
	normSum normOp = iota
	normSquare
	normGradSums
	normGradSet
	normGradAdd
)

// Sum adds each column of X to Sums.
func (l *NormLines) Sum() { l.run(normSum) }

// Squares adds the squares of X - Mean to Sums.
func (l *NormLines) Squares() { l.run(normSquare) }

// GradSums adds D, where it counts, to Sums, and D·(X - Mean) to Cross.
func (l *NormLines) GradSums() { l.run(normGradSums) }

// Grad sets Dst = A·D + B·X + C, with 0 for a D that does not count, or adds it.
func (l *NormLines) Grad(add bool) {
	if add {
		l.run(normGradAdd)
	} else {
		l.run(normGradSet)
	}
}

func (l *NormLines) run(op normOp) {
	n, all := l.N, l.N*l.Lines
	if all <= 0 {
		return
	}
	short := func(want int, s ...[]float32) bool {
		for _, v := range s {
			if len(v) < want {
				return true
			}
		}
		return false
	}
	bad := short(all, l.X)
	switch op {
	case normSum:
		bad = bad || short(n, l.Sums)
	case normSquare:
		bad = bad || short(n, l.Sums, l.Mean)
	case normGradSums:
		bad = bad || short(all, l.D) || short(n, l.Sums, l.Cross, l.Mean, l.Scale, l.Shift)
	default:
		bad = bad || short(all, l.D, l.Dst) || short(n, l.A, l.B, l.C, l.Scale, l.Shift)
	}
	if bad {
		panic("kern: BUG: norm: a slice does not match the sizes")
	}
	if !useVec() || useVecNEON { // NEON has no such loops
		l.runGeneric(op)
		return
	}
	normRun(op, &normArgs{
		x: first(l.X), d: first(l.D), dst: first(l.Dst), mean: first(l.Mean), scale: first(l.Scale), shift: first(l.Shift),
		a: first(l.A), b: first(l.B), c: first(l.C), sums: first(l.Sums), cross: first(l.Cross),
		n: n, lines: l.Lines, pitch: 4 * n, lo: l.Lo, hi: l.Hi,
	})
}

// runGeneric is the definition.
func (l *NormLines) runGeneric(op normOp) {
	for i := range l.Lines {
		x := l.X[i*l.N:][:l.N]
		switch op {
		case normSum:
			for j, v := range x {
				l.Sums[j] += v
			}
			continue
		case normSquare:
			for j, v := range x {
				v -= l.Mean[j]
				l.Sums[j] += v * v
			}
			continue
		}
		d := l.D[i*l.N:][:l.N]
		for j, v := range x {
			g := d[j]
			if inside(v*l.Scale[j]+l.Shift[j], l.Lo, l.Hi) == 0 {
				g = 0
			}
			if op == normGradSums {
				l.Sums[j] += g
				l.Cross[j] += g * (v - l.Mean[j])
				continue
			}
			g = l.A[j]*g + (l.B[j]*v + l.C[j])
			if op == normGradAdd {
				g += l.Dst[i*l.N+j]
			}
			l.Dst[i*l.N+j] = g
		}
	}
}
