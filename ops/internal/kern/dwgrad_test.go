package kern

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestTapLayout(t *testing.T) {
	skipUnless64(t)
	var x tapArgs
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72}, []uintptr{
		unsafe.Offsetof(x.a), unsafe.Offsetof(x.b), unsafe.Offsetof(x.dst), unsafe.Offsetof(x.n), unsafe.Offsetof(x.lines),
		unsafe.Offsetof(x.pitchA), unsafe.Offsetof(x.pitchB), unsafe.Offsetof(x.pitchDst),
		unsafe.Offsetof(x.tapB), unsafe.Offsetof(x.tapDst)})
}

// Both loops against their definition, for all tails, few and many lines, and pitches of their own; between lines
// nothing is written.
func TestTapLines(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 1; n <= 150; n += 1 + n/20 {
			for _, lines := range []int{1, 2, 3, 4, 5, 9} {
				pa, pb, pd := n+r.IntN(3), n+r.IntN(40), n+r.IntN(3)
				size := func(pitch int) int { return (lines-1)*pitch + n }
				l := TapLines{A: atEdge(t, randF32(r, size(pa))), B: atEdge(t, randF32(r, size(pb))), N: n, Lines: lines, PitchA: pa, PitchB: pb, PitchDst: pd}
				for _, dot := range []bool{true, false} {
					want, start := l, randF32(r, size(pd))
					want.Dst = slices.Clone(start)
					want.runGeneric(dot)
					var guard *guarded[float32]
					guard, l.Dst = newGuarded[float32](size(pd), n, -77)
					copy(l.Dst, start)
					l.run(dot)
					guard.check(t, l.Dst)
					require.InDeltaSlice(t, want.Dst, l.Dst, 1e-5, "%v %d %d", dot, n, lines)
				}
				require.Zero(t, testing.AllocsPerRun(2, l.Dot))
			}
		}
		require.Panics(t, func() {
			(&TapLines{A: make([]float32, 3), B: make([]float32, 4), Dst: make([]float32, 4), N: 2, Lines: 2, PitchA: 2}).Dot()
		})
	})
}

// Three taps at a time against the definition of each.
func TestTapLinesSide(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for n := 1; n <= 150; n += 1 + n/20 {
			for _, lines := range []int{1, 2, 3, 9} {
				pa, pb, tapB, tapDst := n+r.IntN(3), n+r.IntN(40), r.IntN(2*n), n+r.IntN(3)
				l := TapLines{A: atEdge(t, randF32(r, (lines-1)*pa+n)), B: atEdge(t, randF32(r, (lines-1)*pb+2*tapB+n)), N: n, Lines: lines, PitchA: pa, PitchB: pb}
				start := randF32(r, 2*tapDst+n)
				want := slices.Clone(start)
				for i := range tapsSide {
					one := l
					one.B, one.Dst = l.B[i*tapB:], want[i*tapDst:]
					one.runGeneric(true)
				}
				guard, dst := newGuarded[float32](len(start), n, -77)
				copy(dst, start)
				l.Dst = dst
				l.DotTaps(tapB, tapDst)
				guard.check(t, dst)
				require.InDeltaSlice(t, want, dst, 1e-5, "%d %d", n, lines)
				require.Zero(t, testing.AllocsPerRun(2, func() { l.DotTaps(tapB, tapDst) }))
			}
		}
		require.Panics(t, func() {
			(&TapLines{A: make([]float32, 4), B: make([]float32, 5), Dst: make([]float32, 6), N: 2, Lines: 2, PitchA: 2, PitchB: 2}).DotTaps(1, 2)
		})
	})
}
