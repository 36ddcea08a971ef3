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
		for i, c := range [][6]int{{1, 7, 7, 64, 48, 1}, {1, 5, 4, 32, 16, 1}, {2, 5, 11, 96, 32, 0}, {1, 13, 9, 32, 16, 1}, {3, 4, 4, 64, 80, 1}, {2, 9, 9, 64, 32, 1}, {1, 13, 14, 64, 32, 1}, {2, 20, 13, 32, 64, 1}, {1, 13, 14, 448, 128, 1}} {
			t.Run(fmt.Sprint(c), func(t *testing.T) {
				k, a, weights := winoRandom(r, 4, c[0], c[1], c[2], c[3], c[4], c[5])
				k.Fly, k.Tiles = true, []int{3, 7, 14, 5, 4, 8, 16, 20, 16}[i]
				k.Plan()
				a.Packed = make([]float32, k.PackedSize())
				for n := 0; n < k.OC; n += k.flyPanel() {
					k.Pack(a.Packed, weights[n*9*k.IC:], n, k.flyPanel(), nil)
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
					k.Multiply(a, scratch, b, k.Products()/2, k.Products())
					k.Multiply(a, scratch, b, 0, k.Products()/2)
					k.Output(a, scratch, b, 0, n)
				}
				require.Equal(t, want, out)
				require.Zero(t, testing.AllocsPerRun(2, func() { k.Run(a, scratch, 0, 1) }))
			})
		}
	})
}

func TestWinoManyLayout(t *testing.T) {
	skipUnless64(t)
	var x winoMany
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136, 140}, []uintptr{
		unsafe.Offsetof(x.v), unsafe.Offsetof(x.tile), unsafe.Offsetof(x.nextV), unsafe.Offsetof(x.weights), unsafe.Offsetof(x.column),
		unsafe.Offsetof(x.depth), unsafe.Offsetof(x.u), unsafe.Offsetof(x.m), unsafe.Offsetof(x.nextM), unsafe.Offsetof(x.groups),
		unsafe.Offsetof(x.ahead), unsafe.Offsetof(x.step), unsafe.Offsetof(x.near), unsafe.Offsetof(x.nearColumn), unsafe.Offsetof(x.nearStep),
		unsafe.Offsetof(x.scale), unsafe.Offsetof(x.add), unsafe.Offsetof(x.g1), unsafe.Offsetof(x.g2)})
}

// The kernels of many tiles against their definition, of any depth and number of groups, at the edge of a page.
func TestWinoManyKernels(t *testing.T) {
	if !useWinoFlyAVX512 {
		t.Skip("not here")
	}
	r := rand.New(rand.NewPCG(8, 3))
	for i := range 24 {
		depth := 6 + 2*(i%14)
		x := winoMany{depth: depth, groups: 1 + i%3, step: 64, nearStep: 64, add: i / 2 % 2, g1: -2, g2: 4}
		x.tile = 4 * (depth + r.IntN(3))
		x.nextV, x.nextM = 4*r.IntN(5), 4*r.IntN(5)
		tiles, inner := manyTiles*x.groups, i%4 < 2
		if inner {
			x.column = 4 * (3*depth*manyNR + r.IntN(3))
		}
		weights := atEdge(t, randF32(r, 2*x.column/4+3*depth*manyNR))
		v := atEdge(t, randF32(r, 6*tiles*x.tile/4+5*x.nextV/4-x.tile/4+depth))
		x.ahead, x.near = &weights[0], &weights[0]
		guardU, u := newGuarded[float32](depth*6*manyNR, i, -77)
		guardM, m := newGuarded[float32](6*tiles*manyNR+5*x.nextM/4, i, -77)
		copy(m, randF32(r, len(m)))
		if i%3 == 0 {
			x.scale = &flyScales[i%6]
		}
		wantU, want := make([]float32, len(u)), append([]float32(nil), m...)
		x.transformGeneric(inner, weights, wantU)
		x.rowsGeneric(v, wantU, want)
		x.transform(inner, weights, u)
		x.rows(v, u, m)
		guardU.check(t, u)
		guardM.check(t, m)
		require.InDeltaSlice(t, wantU, u, 1e-4)
		require.InDeltaSlice(t, want, m, 1e-3)
		for p := range 5 { // what lies between planes stays
			at := (p+1)*tiles*manyNR + p*x.nextM/4
			require.Equal(t, want[at:at+x.nextM/4], m[at:at+x.nextM/4])
		}
	}
}
