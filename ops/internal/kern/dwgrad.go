package kern

// Loops of depthwise convolutions going back: what one tap of the kernel has to do with a row of positions, each a line of
// N channels. The "vec/..." switches govern them.

// TapLines is what the loops read and write: lines of N floats, the first at the start of each slice, the others Pitch
// floats after one another.
type TapLines struct {
	A, B, Dst                []float32
	N, Lines                 int
	PitchA, PitchB, PitchDst int
}

// tapsSide is how many taps DotTaps takes.
const tapsSide = 3

// tapArgs is what a loop is handed, pitches in bytes; assembly knows the offsets (see TestTapLayout).
type tapArgs struct {
	a, b, dst                *float32
	n, lines                 int
	pitchA, pitchB, pitchDst int
	tapB, tapDst             int
}

// Dot adds to Dst[j] the sum over lines i of A[i][j]·B[i][j]. Lines are summed in float32.
func (l *TapLines) Dot() { l.run(true) }

// TapsPay says that DotTaps is faster than tap after tap: by AVX2 lines of A are loaded once for three.
func TapsPay() bool { return useVecAVX2 && !useVecAVX512 }

// DotTaps is Dot for three taps, the lines of B and those of Dst so many floats after one another.
func (l *TapLines) DotTaps(tapB, tapDst int) {
	if l.N <= 0 || l.Lines <= 0 {
		return
	}
	last := l.Lines - 1
	if min(l.PitchA, l.PitchB, tapB, tapDst) < 0 || len(l.A) < last*l.PitchA+l.N || len(l.B) < last*l.PitchB+2*tapB+l.N || len(l.Dst) < 2*tapDst+l.N {
		panic("kern: BUG: taps: a slice does not match the sizes")
	}
	if TapsPay() {
		tapDots(&tapArgs{&l.A[0], &l.B[0], &l.Dst[0], l.N, l.Lines, 4 * l.PitchA, 4 * l.PitchB, 0, 4 * tapB, 4 * tapDst})
		return
	}
	for i := range tapsSide {
		one := *l
		one.B, one.Dst = l.B[i*tapB:], l.Dst[i*tapDst:]
		one.Dot()
	}
}

// Axpy adds A[i][j]·B[j] to Dst[i][j]; B is one line.
func (l *TapLines) Axpy() { l.run(false) }

func (l *TapLines) run(dot bool) {
	if l.N <= 0 || l.Lines <= 0 {
		return
	}
	last := l.Lines - 1
	need := func(lines, pitch int) int { return lines*pitch + l.N }
	b, dst := need(last, l.PitchB), l.N
	if !dot {
		b, dst = l.N, need(last, l.PitchDst)
	}
	if min(l.PitchA, l.PitchB, l.PitchDst) < 0 || len(l.A) < need(last, l.PitchA) || len(l.B) < b || len(l.Dst) < dst {
		panic("kern: BUG: taps: a slice does not match the sizes")
	}
	if !useVec() || useVecNEON { // NEON has no such loops
		l.runGeneric(dot)
		return
	}
	tapRun(dot, &tapArgs{&l.A[0], &l.B[0], &l.Dst[0], l.N, l.Lines, 4 * l.PitchA, 4 * l.PitchB, 4 * l.PitchDst, 0, 0})
}

// runGeneric is the definition.
func (l *TapLines) runGeneric(dot bool) {
	for i := range l.Lines {
		a := l.A[i*l.PitchA:][:l.N]
		if dot {
			b, to := l.B[i*l.PitchB:][:l.N], l.Dst[:l.N]
			for j, v := range a {
				to[j] += v * b[j]
			}
			continue
		}
		b, to := l.B[:l.N], l.Dst[i*l.PitchDst:][:l.N]
		for j, v := range a {
			to[j] += v * b[j]
		}
	}
}
