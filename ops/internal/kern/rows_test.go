package kern

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestRowsLayout(t *testing.T) {
	skipUnless64(t)
	var x rowsArgs
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40}, []uintptr{
		unsafe.Offsetof(x.dst), unsafe.Offsetof(x.src), unsafe.Offsetof(x.dstPitch), unsafe.Offsetof(x.srcPitch), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.n)})
}

// Rows that overlap, touch and lie apart, of all lengths of a tail.
func TestRows(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := 1; n <= 100; n += 1 + n/20 {
			for _, pitch := range []int{0, 1, n/2 + 1, n, n + 5} {
				a := Rows{DstPitch: pitch, SrcPitch: n + r.IntN(4), Rows: 1 + r.IntN(6), N: n}
				a.Src = atEdge(t, randF32(r, (a.Rows-1)*a.SrcPitch+n))
				start := randF32(r, (a.Rows-1)*pitch+n)
				want := a
				want.Dst = slices.Clone(start)
				for _, add := range []bool{true, false} {
					if !add && pitch < n {
						continue
					}
					copy(want.Dst, start)
					want.runGeneric(add)
					var guard *guarded[float32]
					guard, a.Dst = newGuarded[float32](len(start), n, -77)
					copy(a.Dst, start)
					a.run(add)
					guard.check(t, a.Dst)
					require.InDeltaSlice(t, want.Dst, a.Dst, 2e-6)
				}
			}
		}
	})
}
