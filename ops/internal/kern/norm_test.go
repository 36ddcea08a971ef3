package kern

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestNormLayout(t *testing.T) {
	skipUnless64(t)
	var x normArgs
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 116}, []uintptr{
		unsafe.Offsetof(x.x), unsafe.Offsetof(x.d), unsafe.Offsetof(x.dst), unsafe.Offsetof(x.mean), unsafe.Offsetof(x.scale),
		unsafe.Offsetof(x.shift), unsafe.Offsetof(x.a), unsafe.Offsetof(x.b), unsafe.Offsetof(x.c), unsafe.Offsetof(x.sums),
		unsafe.Offsetof(x.cross), unsafe.Offsetof(x.n), unsafe.Offsetof(x.lines), unsafe.Offsetof(x.pitch), unsafe.Offsetof(x.lo), unsafe.Offsetof(x.hi)})
}

// Every loop against its definition, for all tails and some clamps.
func TestNormLines(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 1; n <= 150; n += 1 + n/20 {
			for _, clamp := range [][2]float32{{negInf, posInf}, {0, posInf}, {0, 0.5}} {
				lines := 1 + r.IntN(4)
				edge := func(n int) []float32 { return atEdge(t, randF32(r, n)) }
				l := NormLines{X: edge(n * lines), D: edge(n * lines), N: n, Lines: lines, Mean: edge(n), Scale: edge(n), Shift: edge(n),
					A: edge(n), B: edge(n), C: edge(n), Lo: clamp[0], Hi: clamp[1]}
				for op := normSum; op <= normGradAdd; op++ {
					what := fmt.Sprint(op, n, lines, clamp)
					start := randF32(r, n*lines)
					want := l
					want.Sums, want.Cross, want.Dst = slices.Clone(start[:n]), slices.Clone(start[:n]), slices.Clone(start)
					want.runGeneric(op)
					var guards [3]*guarded[float32]
					guards[0], l.Sums = newGuarded[float32](n, n, -77)
					guards[1], l.Cross = newGuarded[float32](n, n+1, -77)
					guards[2], l.Dst = newGuarded[float32](n*lines, n+2, -77)
					copy(l.Sums, start)
					copy(l.Cross, start)
					copy(l.Dst, start)
					l.run(op)
					guards[0].check(t, l.Sums)
					guards[1].check(t, l.Cross)
					guards[2].check(t, l.Dst)
					require.InDeltaSlice(t, want.Sums, l.Sums, 1e-5, what)
					require.InDeltaSlice(t, want.Cross, l.Cross, 1e-5, what)
					require.InDeltaSlice(t, want.Dst, l.Dst, 1e-5, what)
				}
				l.Dst = l.D // the gradient may take the place of D
				require.NotPanics(t, func() { l.Grad(false) })
				require.Zero(t, testing.AllocsPerRun(2, func() { l.Grad(true) }))
			}
		}
	})
}
