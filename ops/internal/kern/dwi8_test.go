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

func TestDWI8Layout(t *testing.T) {
	skipUnless64(t)
	var x dwTileI8
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 124, 128, 136, 140, 144, 152, 160,
		168, 176, 184, 192, 200, 208, 212, 216, 220}, []uintptr{
		unsafe.Offsetof(x.in), unsafe.Offsetof(x.rowStride), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.cols), unsafe.Offsetof(x.colStride),
		unsafe.Offsetof(x.w), unsafe.Offsetof(x.wRow), unsafe.Offsetof(x.wTap), unsafe.Offsetof(x.out), unsafe.Offsetof(x.outStride),
		unsafe.Offsetof(x.bias), unsafe.Offsetof(x.channels), unsafe.Offsetof(x.tiles), unsafe.Offsetof(x.inStep),
		unsafe.Offsetof(x.outStep), unsafe.Offsetof(x.min), unsafe.Offsetof(x.max), unsafe.Offsetof(x.scale), unsafe.Offsetof(x.inZero),
		unsafe.Offsetof(x.outZero), unsafe.Offsetof(x.left), unsafe.Offsetof(x.right), unsafe.Offsetof(x.back),
		unsafe.Offsetof(x.outRows), unsafe.Offsetof(x.inRow), unsafe.Offsetof(x.outRow), unsafe.Offsetof(x.second), unsafe.Offsetof(x.third),
		unsafe.Offsetof(x.pairMask), unsafe.Offsetof(x.thirdMask), unsafe.Offsetof(x.inZeros), unsafe.Offsetof(x.outZeros)})
}

func TestDWQuadLayout(t *testing.T) {
	skipUnless64(t)
	var x dwQuadTile
	require.Equal(t, []uintptr{0, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 116, 120, 124}, []uintptr{
		unsafe.Offsetof(x.rows), unsafe.Offsetof(x.step), unsafe.Offsetof(x.tap), unsafe.Offsetof(x.out), unsafe.Offsetof(x.outRow),
		unsafe.Offsetof(x.outStep), unsafe.Offsetof(x.steps), unsafe.Offsetof(x.channels), unsafe.Offsetof(x.w), unsafe.Offsetof(x.cols),
		unsafe.Offsetof(x.mask), unsafe.Offsetof(x.zero), unsafe.Offsetof(x.lo), unsafe.Offsetof(x.hi), unsafe.Offsetof(x.outXor)})
	var r dwRow
	require.Equal(t, []uintptr{0, 8, 16, 24}, []uintptr{unsafe.Offsetof(r.dst), unsafe.Offsetof(r.src), unsafe.Offsetof(r.n), unsafe.Offsetof(r.flip)})
}

func TestDWI8(t *testing.T) {
	cputest.ForEachPath(t, "dwi8/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for i, c := range []int{1, 3, 4, 8, 16, 17, 32, 63, 70} {
			for j, g := range [][4]int{{3, 1, 1, 1}, {3, 2, 1, 1}, {5, 1, 1, 2}, {5, 2, 1, 2}, {3, 1, 1, 0}, {3, 1, 2, 2}, {7, 1, 1, 3}, {2, 2, 1, 0}, {3, 1, 1, 3}, {5, 1, 1, 1}, {5, 2, 1, 1}, {3, 2, 1, 0}} {
				testDWI8(t, r, c, g, (i+j)%2 == 0, (i+j/2)%2 == 0, false)
				testDWI8(t, r, c, g, (i+j)%2 == 0, (i+j/2)%2 == 0, true)
			}
		}
	})
}

func testDWI8(t *testing.T, r *rand.Rand, c int, g [4]int, aSigned, wSigned, small bool) {
	h, w := 5+r.IntN(4), 6+r.IntN(9)
	k := g[0]
	if k == 3 && c == 70 { // more than passes before the next channels
		h, w = 40, 36+r.IntN(4)
	}
	a := &DWI8Args{InSigned: aSigned, InZero: signedByte(byte(r.Uint32()), aSigned), H: h, W: w, C: c, Pixel: c + r.IntN(3), KH: k, KW: k, SH: g[1],
		SW: g[1], DH: g[2], DW: g[2], PT: g[3], PL: g[3], OutPixel: c + r.IntN(3), Lo: 3, Hi: 255, OutZero: 40}
	a.OH, a.OW = (h+2*g[3]-(k-1)*g[2]-1)/g[1]+1, (w+2*g[3]-(k-1)*g[2]-1)/g[1]+1
	if aSigned {
		a.Lo, a.Hi, a.OutZero = -128, 120, -30
	}
	a.In = randBytes(r, (h*w-1)*a.Pixel+c)
	weights, bias, scale, zero := randBytes(r, k*k*c), make([]int32, c), make([]float32, c), make([]int32, c)
	for i := range c {
		bias[i], scale[i], zero[i] = int32(r.IntN(2000)-1000), r.Float32()*0.02, signedByte(byte(r.Uint32()), wSigned)
	}
	if !small && r.IntN(4) == 0 { // past what converts to 32 bits
		scale[r.IntN(c)] = []float32{noMax, float32(math.NaN()), 3e7, -1e38}[r.IntN(4)]
	}
	if small { // weights that fit a byte without their zero point, and pixels without gaps
		a.Pixel, a.In = c, a.In[:h*w*c]
		if r.IntN(2) == 0 {
			a.OutPixel = c
		}
		for i, z := range zero {
			if !wSigned {
				zero[i] = 128
			} else if zero[i] = 0; z > 0 {
				scale[i] *= 3 // beyond the limits
			}
		}
	}
	a.Weights = PackDWI8(weights, k*k, c, wSigned, zero, bias, scale)
	a.Weights.half, a.Weights.pairs = atEdge(t, a.Weights.half), atEdge(t, a.Weights.pairs)
	a.Quads = a.NewQuads()
	if small && k == 3 && g[2] == 1 && useDWI8VBMI {
		require.NotNil(t, a.Quads)
		a.Quads.w, a.Quads.cols = atEdge(t, a.Quads.w), atEdge(t, a.Quads.cols)
	}
	a.Scratch = randBytes(r, a.ScratchSize())
	guard, out := newGuarded[byte]((a.OH*a.OW-1)*a.OutPixel+c, r.IntN(3), 77)
	a.Out = out
	a.In, a.Weights.w, a.Weights.bias, a.Weights.scale = atEdge(t, a.In), atEdge(t, a.Weights.w), atEdge(t, a.Weights.bias), atEdge(t, a.Weights.scale)
	cut := r.IntN(a.OH + 1)
	a.Run(cut, a.OH)
	a.Run(0, cut)
	guard.check(t, out)
	for i, got := range out {
		y, x, ch := i/a.OutPixel/a.OW, i/a.OutPixel%a.OW, i%a.OutPixel
		if ch >= c {
			require.Equal(t, byte(77), got)
			continue
		}
		acc := bias[ch]
		for tap := range k * k {
			iy, ix := y*a.SH-a.PT+tap/k*a.DH, x*a.SW-a.PL+tap%k*a.DW
			if iy >= 0 && ix >= 0 && iy < h && ix < w {
				acc += (signedByte(a.In[(iy*w+ix)*a.Pixel+ch], aSigned) - a.InZero) * (signedByte(weights[tap*c+ch], wSigned) - zero[ch])
			}
		}
		require.Equal(t, requantI8(acc, scale[ch], a.OutZero, a.Lo, a.Hi), got, "c=%d %v [%d][%d][%d]", c, g, y, x, ch)
	}
}

func BenchmarkDWI8(b *testing.B) {
	for _, g := range [][4]int{{112, 32, 3, 1}, {56, 144, 3, 1}, {56, 144, 3, 2}, {14, 512, 3, 1}, {7, 960, 3, 1}} {
		b.Run(fmt.Sprintf("%dx%d/k%ds%d", g[0], g[1], g[2], g[3]), func(b *testing.B) {
			cputest.ForEachPathB(b, "dwi8/", func(b *testing.B) {
				h, c, k, s := g[0], g[1], g[2], g[3]
				a := &DWI8Args{InSigned: true, H: h, W: h, C: c, Pixel: c, KH: k, KW: k, SH: s, SW: s, DH: 1, DW: 1, PT: k / 2, PL: k / 2, OutPixel: c,
					OH: (h-1)/s + 1, OW: (h-1)/s + 1, In: make([]byte, h*h*c), Out: make([]byte, h*h*c), Hi: 127}
				a.Weights = PackDWI8(make([]byte, k*k*c), k*k, c, true, nil, nil, []float32{1})
				a.Quads = a.NewQuads()
				a.Scratch = make([]byte, a.ScratchSize())
				for b.Loop() {
					a.Run(0, a.OH)
				}
				b.ReportMetric(2*float64(a.OH*a.OW*c*k*k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "Gop/s")
			})
		})
	}
}
