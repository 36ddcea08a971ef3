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

func TestWinogradLayout(t *testing.T) {
	skipUnless64(t)
	var x winoTile
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 68}, []uintptr{
		unsafe.Offsetof(x.base), unsafe.Offsetof(x.offsets), unsafe.Offsetof(x.spare), unsafe.Offsetof(x.planes), unsafe.Offsetof(x.stride),
		unsafe.Offsetof(x.channels), unsafe.Offsetof(x.res), unsafe.Offsetof(x.resOffs), unsafe.Offsetof(x.min),
		unsafe.Offsetof(x.max)})
	var y winoStrip
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 112, 124, 128, 136, 144, 152, 160, 192}, []uintptr{
		unsafe.Offsetof(y.base), unsafe.Offsetof(y.spare), unsafe.Offsetof(y.planes), unsafe.Offsetof(y.stride), unsafe.Offsetof(y.channels),
		unsafe.Offsetof(y.count), unsafe.Offsetof(y.step), unsafe.Offsetof(y.pixel), unsafe.Offsetof(y.rows), unsafe.Offsetof(y.columns),
		unsafe.Offsetof(y.min), unsafe.Offsetof(y.max), unsafe.Offsetof(y.res), unsafe.Offsetof(y.resStep), unsafe.Offsetof(y.resPixel),
		unsafe.Offsetof(y.resRows), unsafe.Offsetof(y.pitch)})
}

func winoRandom(r *rand.Rand, m, n, h, w, ic, oc, pad int) (*WinogradF32, *WinogradArgs, []float32) {
	k := &WinogradF32{M: m, N: n, H: h, W: w, IC: ic, OC: oc, OH: h + 2*pad - 2, OW: w + 2*pad - 2, PT: pad, PL: pad,
		InPixel: ic + r.IntN(2), OutPixel: oc + r.IntN(2), ResPixel: oc + r.IntN(2)}
	k.Plan()
	weights := randF32(r, oc*9*ic)
	a := &WinogradArgs{In: randF32(r, n*h*w*k.InPixel), Packed: make([]float32, k.PackedSize()), Min: noMin, Max: noMax}
	for n := 0; n < oc; n += k.Gemm.NR {
		k.Pack(a.Packed, weights[n*9*ic:], n, min(k.Gemm.NR, oc-n), make([]float32, k.PackScratch()))
	}
	return k, a, weights
}

func TestWinograd(t *testing.T) {
	cputest.ForEachPath(t, "winograd/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, m := range []int{2, 4} {
			for i, c := range [][6]int{{1, 8, 8, 16, 16, 1}, {2, 7, 9, 5, 7, 1}, {1, 14, 14, 40, 33, 1}, {3, 6, 5, 17, 8, 0}, {1, 3, 3, 64, 3, 1}, {2, 13, 13, 32, 48, 1}} {
				k, a, weights := winoRandom(r, m, c[0], c[1], c[2], c[3], c[4], c[5])
				if i%2 == 0 {
					a.Bias = randF32(r, k.OC)
				}
				if i%3 == 0 {
					a.Res = randF32(r, k.N*k.OH*k.OW*k.ResPixel)
				}
				if i == 2 {
					a.Min = 0
				}
				guard, out := newGuarded[float32]((k.N*k.OH*k.OW-1)*k.OutPixel+k.OC, i, -77)
				a.Out = out
				a.In = atEdge(t, a.In[:(k.N*k.H*k.W-1)*k.InPixel+k.IC])
				a.Packed, a.Bias = atEdge(t, a.Packed), atEdge(t, a.Bias)
				if a.Res != nil {
					a.Res = atEdge(t, a.Res[:(k.N*k.OH*k.OW-1)*k.ResPixel+k.OC])
				}
				guardS, scratch := newGuarded[float32](k.ScratchSize(), 1, -77)
				k.Run(a, scratch, 0, k.Blocks())
				guard.check(t, out)
				guardS.check(t, scratch)
				require.Less(t, k.relativeError(a, weights), 1e-5, "F(%d) %v", m, c)
				for p := range k.N*k.OH*k.OW - 1 {
					for c := k.OC; c < k.OutPixel; c++ {
						require.Equal(t, float32(-77), out[p*k.OutPixel+c])
					}
				}
			}
		}
	})
}

// relativeError is |got - exact| / |exact| in the 2-norm, exact in float64.
func (w *WinogradF32) relativeError(a *WinogradArgs, weights []float32) float64 {
	return w.relativeErrorAt(1, a, weights)
}

// relativeErrorAt is that of a convolution of another stride.
func (w *WinogradF32) relativeErrorAt(stride int, a *WinogradArgs, weights []float32) float64 {
	var err, norm float64
	for p := range w.N * w.OH * w.OW {
		img, y, x := p/(w.OH*w.OW), p/w.OW%w.OH, p%w.OW
		for o := range w.OC {
			sum := 0.0
			for t := range 9 {
				iy, ix := stride*y-w.PT+t/3, stride*x-w.PL+t%3
				if iy < 0 || ix < 0 || iy >= w.H || ix >= w.W {
					continue
				}
				in := a.In[((img*w.H+iy)*w.W+ix)*w.InPixel:]
				for c, v := range weights[(o*9+t)*w.IC:][:w.IC] {
					sum += float64(v) * float64(in[c])
				}
			}
			if a.Bias != nil {
				sum += float64(a.Bias[o])
			}
			if a.Res != nil {
				sum += float64(a.Res[p*w.ResPixel+o])
			}
			sum = min(max(sum, float64(a.Min)), float64(a.Max))
			d := sum - float64(a.Out[p*w.OutPixel+o])
			err += d * d
			norm += sum * sum
		}
	}
	return math.Sqrt(err / norm)
}

// Splitting the steps of a block over workers changes no bit.
func TestWinogradSplit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	k, a, _ := winoRandom(r, 4, 1, 20, 20, 32, 32, 1)
	s := make([]float32, k.ScratchSize())
	a.Out = make([]float32, k.OH*k.OW*k.OutPixel)
	k.Run(a, s, 0, k.Blocks())
	want := append([]float32(nil), a.Out...)
	clear(a.Out)
	for b := range k.Blocks() {
		n := k.BlockTiles(b)
		k.Input(a, s, b, n/2, n)
		k.Input(a, s, b, 0, n/2)
		k.Multiply(a, s, b, 7, k.Planes())
		k.Multiply(a, s, b, 0, 7)
		k.Output(a, s, b, n/2, n)
		k.Output(a, s, b, 0, n/2)
	}
	require.Equal(t, want, a.Out)
	require.Zero(t, testing.AllocsPerRun(2, func() { k.Run(a, s, 0, 1) }))
}

// Planes of a round may be multiplied in any order, and lie over those of rounds before.
func TestWinogradRounds(t *testing.T) {
	cputest.ForEachPath(t, "winograd/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 8))
		for _, m := range []int{2, 4} {
			for i, size := range [][2]int{{16, 16}, {24, 40}, {70, 9}, {5, 130}} {
				c := size[1]
				k, a, _ := winoRandom(r, m, 1, 17, 22, size[0], c, 1)
				a.Bias, a.Res, a.Out = randF32(r, c), randF32(r, k.OH*k.OW*k.ResPixel), make([]float32, k.OH*k.OW*k.OutPixel)
				k.Tiles = 11
				k.Plan()
				k.Run(a, make([]float32, k.ScratchSize()), 0, k.Blocks())
				want := append([]float32(nil), a.Out...)
				for _, trail := range []int{1, 2, 3, 5, 8, k.Planes(), k.Planes() + 3} {
					clear(a.Out)
					k.Trail = trail
					guard, s := newGuarded[float32](k.ScratchSize(), i, -77)
					for b := range k.Blocks() {
						k.Input(a, s, b, 0, k.BlockTiles(b))
						for from := 0; from < k.Planes(); from += trail {
							for p := min(from+trail, k.Planes()) - 1; p >= from; p-- {
								k.Multiply(a, s, b, p, p+1)
							}
						}
						k.Output(a, s, b, 0, k.BlockTiles(b))
					}
					guard.check(t, s)
					require.Equal(t, want, a.Out, "rounds of %d", trail)
				}
			}
		}
	})
}

// Neither the columns at a time nor products in place of what came before them change a bit.
func TestWinogradColumnsTrail(t *testing.T) {
	cputest.ForEachPath(t, "winograd/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, m := range []int{2, 4} {
			for i, size := range [][2]int{{16, 16}, {8, 8}, {24, 40}, {33, 32}, {70, 70}, {70, 9}, {5, 130}} {
				c := size[1]
				k, a, _ := winoRandom(r, m, 1, 17, 22, size[0], c, 1)
				a.Bias, a.Res = randF32(r, c), randF32(r, k.OH*k.OW*k.ResPixel)
				k.Tiles = 11
				k.Plan()
				want, got := make([]float32, k.OH*k.OW*k.OutPixel), make([]float32, k.OH*k.OW*k.OutPixel)
				a.Out = want
				k.Run(a, make([]float32, k.ScratchSize()), 0, k.Blocks())
				a.Out = got
				for n := 0; n < c; n += k.Gemm.NR {
					k.Columns(a, make([]float32, k.ScratchSize()), 0, k.Blocks(), n, min(c, n+k.Gemm.NR))
				}
				require.Equal(t, want, got)
				whole := k.ScratchSize()
				k.Trail = 1
				require.Less(t, k.ScratchSize(), whole)
				for way := range 2 { // whole, or by columns
					clear(got)
					guard, scratch := newGuarded[float32](k.ScratchSize(), i, -77)
					width := c
					if way > 0 {
						width = k.Gemm.NR
					}
					for n := 0; n < c; n += width {
						k.Columns(a, scratch, 0, k.Blocks(), n, min(c, n+width))
					}
					guard.check(t, scratch)
					require.Equal(t, want, got)
				}
			}
		}
	})
}

// Products by pairs round like the others but for a small factor, and splitting changes no bit.
func TestWinogradPairs(t *testing.T) {
	if !takes(t, "pairs/avx512") {
		t.Skip("no products by pairs")
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, m := range []int{2, 4} {
		for i, c := range [][3]int{{14, 64, 64}, {13, 50, 33}, {9, 131, 16}, {10, 16, 70}} {
			k, a, weights := winoRandom(r, m, 2, c[0], c[0]+i, c[1], c[2], 1)
			k.Pairs = newPairF32(1, k.IC)
			a.Packed = make([]float32, k.PackedSize())
			for n := 0; n < k.OC; n += k.Gemm.NR {
				size := k.PackScratch()
				guard, tmp := newGuarded[float32](size, i, -77)
				k.Pack(a.Packed, weights[n*9*k.IC:], n, min(k.Gemm.NR, k.OC-n), tmp)
				guard.check(t, tmp)
			}
			a.Packed, a.Bias = atEdge(t, a.Packed), randF32(r, k.OC)
			guard, out := newGuarded[float32]((k.N*k.OH*k.OW-1)*k.OutPixel+k.OC, i, -77)
			guardF, form := newGuarded[float32](k.Pairs.ScratchSize(k.Tiles, k.OC), i, -77)
			guardS, scratch := newGuarded[float32](k.ScratchSize(), i, -77)
			a.Out, a.Form = out, form
			k.Run(a, scratch, 0, k.Blocks())
			guard.check(t, out)
			guardF.check(t, form)
			guardS.check(t, scratch)
			require.Less(t, k.relativeError(a, weights), 1e-5, "F(%d) %v", m, c)

			want := append([]float32(nil), out...)
			a.Form = make([]float32, k.Pairs.ScratchSize(1, 1))
			for b := range k.Blocks() {
				n := k.BlockTiles(b)
				k.Input(a, scratch, b, 0, n)
				k.Multiply(a, scratch, b, 3, k.Planes())
				k.Multiply(a, scratch, b, 0, 3)
				k.Output(a, scratch, b, 0, n)
			}
			require.Equal(t, want, out)
			require.Zero(t, testing.AllocsPerRun(2, func() { k.Run(a, scratch, 0, 1) }))
		}
	}
}

func BenchmarkWinograd(b *testing.B) {
	for _, c := range [][2]int{{56, 64}, {28, 128}, {14, 256}, {7, 512}, {32, 16}, {112, 128}} {
		for _, m := range []int{2, 4} {
			b.Run(fmt.Sprintf("%dx%d/F%d", c[0], c[1], m), func(b *testing.B) {
				k, a, _ := winoRandom(rand.New(rand.NewPCG(1, 1)), m, 1, c[0], c[0], c[1], c[1], 1)
				a.Out = make([]float32, k.OH*k.OW*k.OutPixel)
				s := make([]float32, k.ScratchSize())
				for b.Loop() {
					k.Run(a, s, 0, k.Blocks())
				}
				// Counted as the direct algorithm's, so that it compares with BenchmarkGemmF32.
				b.ReportMetric(18*float64(k.OH*k.OW*k.IC*k.OC)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
