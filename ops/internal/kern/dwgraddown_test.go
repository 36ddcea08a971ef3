package kern

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestTapRowsLayout(t *testing.T) {
	skipUnless64(t)
	var x tapDownArgs
	require.Equal(t, []uintptr{0, 8, 32, 56, 64, 72, 80, 88, 96}, []uintptr{
		unsafe.Offsetof(x.d), unsafe.Offsetof(x.x), unsafe.Offsetof(x.dst), unsafe.Offsetof(x.n), unsafe.Offsetof(x.columns),
		unsafe.Offsetof(x.rows), unsafe.Offsetof(x.pixel), unsafe.Offsetof(x.rowD), unsafe.Offsetof(x.rowX)})
}

// Nine taps at once against their definition, for all tails, few and many rows and columns, and pixels wider than what is
// summed; beside the taps nothing is written, and no input is read that is not there.
func TestTapRows(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for n := 1; n <= 50; n += 1 + n/9 {
			for _, size := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {2, 3}, {3, 2}, {5, 7}} {
				for stride := 1; stride <= 2; stride++ {
					a := TapRows{N: n, Pixel: n + r.IntN(2)*r.IntN(20), Stride: stride, Rows: size[0], Columns: size[1]}
					line := stride * a.Columns * a.Pixel
					a.D = atEdge(t, randF32(r, (a.Rows*a.Columns-1)*a.Pixel+n))
					want := a
					var guards [3]*guarded[float32]
					for i := range 3 {
						a.X[i] = atEdge(t, randF32(r, ((a.Rows-1)*stride+1)*line-a.Pixel+n))
						start := randF32(r, 2*a.Pixel+n)
						want.X[i], want.Dst[i] = a.X[i], slices.Clone(start)
						guards[i], a.Dst[i] = newGuarded[float32](len(start), n, -77)
						copy(a.Dst[i], start)
					}
					want.runGeneric()
					a.Run()
					for i := range 3 {
						guards[i].check(t, a.Dst[i])
						require.InDeltaSlice(t, want.Dst[i], a.Dst[i], 1e-5, "%d channels, stride %d, %v", n, stride, size)
					}
				}
			}
		}
		require.Panics(t, func() { (&TapRows{N: 1, Pixel: 1, Stride: 1, Rows: 1, Columns: 1, D: make([]float32, 1)}).Run() })
	})
}
