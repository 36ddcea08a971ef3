package kern

// Loops of convolutions in narrow groups going back: what one tap of the kernel has to do with a row of positions, 16
// channels at a time, which are those of one group or of several. The "grouped/..." switches govern them.

// GroupOrder says which channel of its vector each of 16 lanes takes for each of a group's.
type GroupOrder [groupedBlock][groupedBlock]int32

// CanGroupGrad says that the loops are for groups of n channels.
func CanGroupGrad(n int) bool {
	return useGroupedAVX512 && (n == 2 || n == 4 || n == 8 || n == 16)
}

// GroupSums is the floats of a block's sums or weights, of one tap: [GroupRows][16].
func GroupSums(group int) int { return groupRows(group) * groupedBlock }

// groupRows is a group's channels in whole steps of the loops.
func groupRows(group int) int { return (group + groupStep - 1) / groupStep * groupStep }

const groupStep = 4

// NewGroupOrder is that of groups of n channels, 2, 4, 8 or 16.
func NewGroupOrder(n int) *GroupOrder {
	var o GroupOrder
	for i := range o {
		for lane := range o[i] {
			o[i][lane] = int32(lane/n*n + i%n)
		}
	}
	return &o
}

// GroupLines is what the loops read and write: lines of 16 floats, the first at the start of each slice, the others Pitch
// floats after one another.
type GroupLines struct {
	A, B, Dst                []float32
	Order                    *GroupOrder
	Group                    int // channels of one
	Lines                    int
	PitchA, PitchB, PitchDst int
}

// groupLines is what a loop is handed, pitches in bytes; assembly knows the offsets (see TestGroupLinesLayout).
type groupLines struct {
	a, b, dst *float32
	order     *[groupedBlock]int32
	lines     int
	pitchA    int
	pitch     int // of B or Dst
}

// Dot adds to Dst[i][c], for each of a group's channels i, the sum over lines of A[line][c]·B[line][c/Group·Group + i].
// Rows of Dst that fill up a step get sums of no meaning.
func (l *GroupLines) Dot() { l.run(true) }

// Axpy adds to Dst[line][c] the sum over a group's channels i of A[line][c/Group·Group + i]·B[i][c]. Rows of B that fill up
// a step are 0.
func (l *GroupLines) Axpy() { l.run(false) }

func (l *GroupLines) run(dot bool) {
	if l.Lines <= 0 {
		return
	}
	need := func(pitch int) int { return (l.Lines-1)*pitch + groupedBlock }
	b, dst := need(l.PitchB), GroupSums(l.Group)
	if !dot {
		b, dst = GroupSums(l.Group), need(l.PitchDst)
	}
	if !CanGroupGrad(l.Group) || min(l.PitchA, l.PitchB, l.PitchDst) < 0 || len(l.A) < need(l.PitchA) || len(l.B) < b || len(l.Dst) < dst {
		panic("kern: BUG: grouped lines: a slice does not match the sizes")
	}
	t := groupLines{a: &l.A[0], b: &l.B[0], dst: &l.Dst[0], lines: l.Lines, pitchA: 4 * l.PitchA, pitch: 4 * l.PitchB}
	for i := 0; i < l.Group; i += groupStep {
		t.order = &l.Order[i]
		if dot {
			t.dst = &l.Dst[i*groupedBlock]
		} else {
			t.b, t.pitch = &l.B[i*groupedBlock], 4*l.PitchDst
		}
		groupLinesRun(dot, &t)
	}
}

// runGeneric is the definition.
func (l *GroupLines) runGeneric(dot bool) {
	for line := range l.Lines {
		a := l.A[line*l.PitchA:][:groupedBlock]
		for i := range groupRows(l.Group) {
			for c, from := range l.Order[i] {
				if dot {
					l.Dst[i*groupedBlock+c] += a[c] * l.B[line*l.PitchB+int(from)]
				} else {
					l.Dst[line*l.PitchDst+c] += a[from] * l.B[i*groupedBlock+c]
				}
			}
		}
	}
}
