package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestWinoFlyLayout(t *testing.T) {
	skipUnless64(t)
	var x winoFly
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 60, 64}, []uintptr{
		unsafe.Offsetof(x.v), unsafe.Offsetof(x.vPlane), unsafe.Offsetof(x.weights), unsafe.Offsetof(x.m), unsafe.Offsetof(x.mPlane),
		unsafe.Offsetof(x.ahead), unsafe.Offsetof(x.scale), unsafe.Offsetof(x.g1), unsafe.Offsetof(x.g2), unsafe.Offsetof(x.add)})
}

// Weights that are transformed while they are used give the convolution, by every path, whatever lies in the scratch; parts
// of the columns, and of the tiles, give the same bits.
func TestWinogradFly(t *testing.T) {
	cputest.ForEachPath(t, "winofly/", func(t *testing.T) {
		if !useWinoAVX512 {
			t.Skip("the input's transform has no such layout")
		}
		r := rand.New(rand.NewPCG(5, 3))
		for i, c := range [][6]int{{1, 7, 7, 64, 48, 1}, {1, 5, 4, 32, 16, 1}, {2, 5, 11, 96, 32, 0}, {1, 13, 9, 32, 16, 1}, {3, 4, 4, 64, 80, 1}, {2, 9, 9, 64, 32, 1}} {
			t.Run(fmt.Sprint(c), func(t *testing.T) {
				k, a, weights := winoRandom(r, 4, c[0], c[1], c[2], c[3], c[4], c[5])
				k.Fly, k.Tiles = true, []int{3, 7, 14, 5}[i%4]
				k.Plan()
				a.Packed = make([]float32, k.PackedSize())
				for n := 0; n < k.OC; n += flyNR {
					k.Pack(a.Packed, weights[n*9*k.IC:], n, flyNR, nil)
				}
				guardF, form := newGuarded[float32](k.FlySize(), i, -77)
				a.Form = form
				if i%3 == 0 {
					a.Res = atEdge(t, randF32(r, (k.N*k.OH*k.OW-1)*k.ResPixel+k.OC))
				}
				if a.Packed = atEdge(t, a.Packed); i%2 == 0 {
					a.Bias = atEdge(t, randF32(r, k.OC))
				}
				guard, out := newGuarded[float32]((k.N*k.OH*k.OW-1)*k.OutPixel+k.OC, i, -77)
				guardS, scratch := newGuarded[float32](k.ScratchSize(), i, -77)
				for _, x := range [][]float32{scratch, form} {
					for i := range x {
						x[i] = float32(math.NaN())
					}
				}
				a.Out = out
				k.Run(a, scratch, 0, k.Blocks())
				guard.check(t, out)
				guardS.check(t, scratch)
				guardF.check(t, form)
				require.Less(t, k.relativeError(a, weights), 1e-5)

				want := append([]float32(nil), out...)
				for b := range k.Blocks() {
					n := k.BlockTiles(b)
					k.Input(a, scratch, b, n/2, n)
					k.Input(a, scratch, b, 0, n/2)
					k.Multiply(a, scratch, b, 1, k.Products())
					k.Multiply(a, scratch, b, 0, 1)
					k.Output(a, scratch, b, 0, n)
				}
				require.Equal(t, want, out)
				require.Zero(t, testing.AllocsPerRun(2, func() { k.Run(a, scratch, 0, 1) }))
			})
		}
	})
}
