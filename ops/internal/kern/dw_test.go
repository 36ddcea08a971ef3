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

func TestDWLayout(t *testing.T) {
	skipUnless64(t)
	var x dwTile
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 124, 144, 152, 160, 168, 176, 184, 192, 200, 208, 216, 224}, []uintptr{
		unsafe.Offsetof(x.in), unsafe.Offsetof(x.rowStride), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.cols), unsafe.Offsetof(x.colStride),
		unsafe.Offsetof(x.w), unsafe.Offsetof(x.wRow), unsafe.Offsetof(x.wTap), unsafe.Offsetof(x.out), unsafe.Offsetof(x.outStride),
		unsafe.Offsetof(x.bias), unsafe.Offsetof(x.channels), unsafe.Offsetof(x.tiles), unsafe.Offsetof(x.inStep),
		unsafe.Offsetof(x.outStep), unsafe.Offsetof(x.min), unsafe.Offsetof(x.max), unsafe.Offsetof(x.left), unsafe.Offsetof(x.right), unsafe.Offsetof(x.back),
		unsafe.Offsetof(x.outRows), unsafe.Offsetof(x.inRow), unsafe.Offsetof(x.outRow), unsafe.Offsetof(x.pair), unsafe.Offsetof(x.both), unsafe.Offsetof(x.last),
		unsafe.Offsetof(x.top), unsafe.Offsetof(x.bottom)})
}

func dwRandom(r *rand.Rand, h, w, c, k, s, d, p int) *DWF32Args {
	a := &DWF32Args{H: h, W: w, C: c, Pixel: c + r.IntN(3), KH: k, KW: k, SH: s, SW: s, DH: d, DW: d, PT: p, PL: p, OutPixel: c + r.IntN(3),
		Min: noMin, Max: noMax}
	a.OH, a.OW = (h+2*p-(k-1)*d-1)/s+1, (w+2*p-(k-1)*d-1)/s+1
	a.In, a.Weights = randF32(r, (h*w-1)*a.Pixel+c), randF32(r, k*k*c)
	if r.IntN(3) > 0 {
		a.Bias = randF32(r, c)
	}
	if r.IntN(2) > 0 {
		a.Min, a.Max = 0, 6
	}
	return a
}

// dwNaive is one output by the formula, rounding like the assembly.
func (a *DWF32Args) naive(y, x, c int) float32 {
	var sum float32
	if a.Bias != nil {
		sum = a.Bias[c]
	}
	for ky := range a.KH {
		for kx := range a.KW {
			iy, ix := y*a.SH-a.PT+ky*a.DH, x*a.SW-a.PL+kx*a.DW
			if iy >= 0 && ix >= 0 && iy < a.H && ix < a.W {
				sum = fma32(a.In[(iy*a.W+ix)*a.Pixel+c], a.Weights[(ky*a.KW+kx)*a.C+c], sum)
			}
		}
	}
	return min(max(sum, a.Min), a.Max)
}

func TestDWF32(t *testing.T) {
	cputest.ForEachPath(t, "dw/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range []int{1, 3, 8, 16, 17, 32, 63, 64, 70, 130} {
			for _, g := range [][4]int{{3, 1, 1, 1}, {3, 2, 1, 1}, {5, 1, 1, 2}, {5, 2, 1, 2}, {3, 1, 1, 0}, {3, 1, 2, 2}, {7, 1, 1, 3}, {3, 3, 1, 1}, {2, 2, 1, 0},
				{1, 1, 1, 0}, {5, 1, 1, 4}, {3, 1, 1, 3}, {5, 1, 1, 1}, {5, 2, 1, 1}, {3, 2, 1, 0}, {7, 1, 1, 0}, {7, 1, 1, 2}, {7, 1, 1, 3}} {
				h, w := 5+r.IntN(4), 5+r.IntN(10)
				if g[0] == 7 { // tiles of seven outputs and pairs of rows
					h, w = 7+r.IntN(8), 8+r.IntN(22)
				}
				if g[0] == 3 && c == 70 { // more than passes before the next channels
					h, w = 21, 18+r.IntN(4)
				}
				a := dwRandom(r, h, w, c, g[0], g[1], g[2], g[3])
				if g[0] == 7 && r.IntN(3) == 0 { // fewer rows than columns
					a.KH = 1 + r.IntN(4)
					a.PT = min(a.PT, a.KH-1)
					a.OH = h + 2*a.PT - a.KH + 1
				}
				guard, out := newGuarded[float32]((a.OH*a.OW-1)*a.OutPixel+c, r.IntN(3), -77)
				a.Out = out
				a.In, a.Weights, a.Bias = atEdge(t, a.In), atEdge(t, a.Weights), atEdge(t, a.Bias)
				cut := r.IntN(a.OH + 1)
				for _, rows := range [][2]int{{cut, a.OH}, {0, cut}} {
					if p := a.Plan(rows[0], rows[1]); p != nil && r.IntN(2) > 0 {
						p.Run(a.In, a.Out)
					} else {
						a.Run(rows[0], rows[1])
					}
				}
				guard.check(t, out)
				for i, got := range out {
					y, x, ch := i/a.OutPixel/a.OW, i/a.OutPixel%a.OW, i%a.OutPixel
					if ch >= c {
						require.Equal(t, float32(-77), got)
						continue
					}
					if want := a.naive(y, x, ch); math.Abs(float64(got-want)) > 1e-5 || dwAsm() && got != want {
						t.Fatalf("c=%d k,s,d,p=%v %dx%d: out[%d][%d][%d] = %v, want %v", c, g, h, w, y, x, ch, got, want)
					}
				}
			}
		}
	})
}

func BenchmarkDWF32(b *testing.B) {
	for _, g := range [][4]int{{112, 32, 3, 1}, {56, 144, 3, 1}, {56, 144, 3, 2}, {14, 512, 3, 1}, {7, 960, 3, 1}, {14, 480, 5, 1}, {24, 64, 3, 1}, {5, 64, 3, 1}, {14, 384, 3, 1}, {28, 192, 3, 1}, {28, 192, 3, 2}, {24, 32, 3, 1}, {48, 8, 3, 1}, {6, 256, 3, 1}, {56, 96, 7, 1}, {28, 192, 7, 1}, {14, 384, 7, 1}, {7, 768, 7, 1}} {
		b.Run(fmt.Sprintf("%dx%d/k%ds%d", g[0], g[1], g[2], g[3]), func(b *testing.B) {
			cputest.ForEachPathB(b, "dw/", func(b *testing.B) {
				a := dwRandom(rand.New(rand.NewPCG(1, 1)), g[0], g[0], g[1], g[2], g[3], 1, g[2]/2)
				a.Pixel, a.OutPixel = a.C, a.C
				a.In, a.Out = make([]float32, a.H*a.W*a.C), make([]float32, a.OH*a.OW*a.C)
				for b.Loop() {
					a.Run(0, a.OH)
				}
				b.ReportMetric(2*float64(a.OH*a.OW*a.C*a.KH*a.KW)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		})
	}
}
