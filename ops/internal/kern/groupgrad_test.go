package kern

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestGroupLinesLayout(t *testing.T) {
	skipUnless64(t)
	var x groupLines
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48}, []uintptr{
		unsafe.Offsetof(x.a), unsafe.Offsetof(x.b), unsafe.Offsetof(x.dst), unsafe.Offsetof(x.order), unsafe.Offsetof(x.lines),
		unsafe.Offsetof(x.pitchA), unsafe.Offsetof(x.pitch)})
}

// Both loops against their definition, for few and many lines and pitches of their own; between lines nothing is written.
func TestGroupLines(t *testing.T) {
	cputest.ForEachPath(t, "grouped/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, group := range []int{2, 4, 8, 16} {
			for lines := range 9 {
				pa, pb, pd := 16+r.IntN(3), 16+r.IntN(40), 16+r.IntN(3)
				size := func(pitch int) int { return max(0, lines-1)*pitch + 16 }
				for _, dot := range []bool{true, false} {
					b, d := size(pb), GroupSums(group)
					if !dot {
						b, d = GroupSums(group), size(pd)
					}
					l := GroupLines{A: atEdge(t, randF32(r, size(pa))), B: atEdge(t, randF32(r, b)), Order: NewGroupOrder(group), Group: group, Lines: lines, PitchA: pa, PitchB: pb, PitchDst: pd}
					if !dot { // what fills up a step
						clear(l.B[group*16:])
					}
					want, start := l, randF32(r, d)
					want.Dst = slices.Clone(start)
					want.runGeneric(dot)
					var guard *guarded[float32]
					guard, l.Dst = newGuarded[float32](d, group, -77)
					copy(l.Dst, start)
					if CanGroupGrad(group) {
						l.run(dot)
						require.Zero(t, testing.AllocsPerRun(1, func() { x := l; x.Lines = 0; x.run(dot) }))
					} else {
						l.runGeneric(dot)
					}
					guard.check(t, l.Dst)
					require.InDeltaSlice(t, want.Dst, l.Dst, 1e-5, "%v %d %d", dot, group, lines)
				}
			}
		}
	})
}
