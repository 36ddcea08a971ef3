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

func TestGroupedLayout(t *testing.T) {
	skipUnless64(t)
	var x groupedTile
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 92, 96, 100}, []uintptr{
		unsafe.Offsetof(x.in), unsafe.Offsetof(x.back), unsafe.Offsetof(x.rowStride), unsafe.Offsetof(x.rows), unsafe.Offsetof(x.colStride), unsafe.Offsetof(x.w),
		unsafe.Offsetof(x.out), unsafe.Offsetof(x.outStride), unsafe.Offsetof(x.bias), unsafe.Offsetof(x.order), unsafe.Offsetof(x.steps),
		unsafe.Offsetof(x.left), unsafe.Offsetof(x.right), unsafe.Offsetof(x.min), unsafe.Offsetof(x.max)})
}

// groupedRandom is a convolution of groups of ic inputs and oc outputs.
func groupedRandom(r *rand.Rand, h, w, groups, ic, oc, stride, pad, kh int) *GroupedF32Args {
	a := &GroupedF32Args{H: h, W: w, IC: ic, OC: oc, Channels: groups * oc, Pixel: groups*ic + r.IntN(3), OutPixel: groups*oc + r.IntN(3), KH: kh,
		SH: stride, SW: stride, PT: pad * (kh / 2), PL: pad, Min: noMin, Max: noMax}
	a.OH, a.OW = (h+2*a.PT-kh)/stride+1, (w+2*pad-3)/stride+1
	a.In, a.Bias = randF32(r, (h*w-1)*a.Pixel+groups*ic), randF32(r, a.Channels)
	a.Plan()
	a.Weights = make([]float32, a.Blocks()*a.Packed())
	a.Pack(a.Weights, randF32(r, a.Channels*kh*3*ic))
	if r.IntN(2) > 0 {
		a.Min, a.Max = 0, 6
	}
	return a
}

func TestGroupedF32(t *testing.T) {
	cputest.ForEachPath(t, "grouped/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, g := range [][3]int{{8, 2, 2}, {16, 2, 2}, {4, 4, 4}, {12, 4, 4}, {2, 8, 8}, {6, 8, 8}, {1, 16, 16}, {3, 16, 16}, {2, 32, 32}, {3, 5, 16}, {2, 24, 48},
			{32, 1, 2}, {40, 1, 2}, {16, 1, 4}, {20, 1, 8}, {24, 1, 16}, {12, 2, 4}, {10, 2, 8}, {12, 3, 4}, {8, 1, 2}, {2, 4, 8}, {2, 24, 24}, {4, 7, 24}} {
			for _, s := range [][3]int{{1, 1, 3}, {2, 1, 3}, {1, 0, 3}, {2, 0, 3}, {1, 1, 1}, {1, 1, 5}} {
				for w := 7; w < 38; w += 1 + r.IntN(7) + g[0]*g[1]*g[2]/100 { // the definition is slow: fewer widths of many channels
					a := groupedRandom(r, 5+r.IntN(3), w, g[0], g[1], g[2], s[0], s[1], s[2])
					guard, out := newGuarded[float32]((a.OH*a.OW-1)*a.OutPixel+a.Channels, r.IntN(3), -77)
					a.Out = out
					a.In, a.Weights, a.Bias = atEdge(t, a.In), atEdge(t, a.Weights), atEdge(t, a.Bias)
					cut, block := r.IntN(a.OH+1), r.IntN(a.Blocks()+1)
					for _, rows := range [][2]int{{cut, a.OH}, {0, cut}} {
						for _, blocks := range [][2]int{{block, a.Blocks()}, {0, block}} {
							if a.Plan() {
								a.Run(rows[0], rows[1], blocks[0], blocks[1])
							} else {
								a.runGeneric(rows[0], rows[1], blocks[0], blocks[1])
							}
						}
					}
					guard.check(t, out)
					for i, got := range out {
						y, x, ch := i/a.OutPixel/a.OW, i/a.OutPixel%a.OW, i%a.OutPixel
						if ch >= a.Channels {
							require.Equal(t, float32(-77), got)
							continue
						}
						want := min(max(a.value(y, x, ch, fma32), a.Min), a.Max)
						if math.Abs(float64(got-want)) > 1e-5*(1+math.Abs(float64(want))) || a.Plan() && got != want {
							t.Fatalf("groups %v stride, pad, rows %v width %d: out[%d][%d][%d] = %v, want %v", g, s, w, y, x, ch, got, want)
						}
					}
				}
			}
		}
	})
}

func BenchmarkGroupedF32(b *testing.B) {
	for _, g := range [][4]int{{56, 32, 4, 1}, {56, 64, 4, 2}, {28, 32, 8, 1}, {14, 32, 16, 1}, {28, 10, 16, 1}} {
		b.Run(fmt.Sprintf("%d/%dx%d/s%d", g[0], g[1], g[2], g[3]), func(b *testing.B) {
			a := groupedRandom(rand.New(rand.NewPCG(1, 1)), g[0], g[0], g[1], g[2], g[2], g[3], 1, 3)
			a.Pixel, a.OutPixel = a.Channels, a.Channels
			a.In = make([]float32, a.H*a.W*a.Pixel)
			a.Out = make([]float32, a.OH*a.OW*a.OutPixel)
			for b.Loop() {
				a.Run(0, a.OH, 0, a.Blocks())
			}
			b.ReportMetric(float64(a.OH*a.OW*a.Channels*9*a.IC)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
		})
	}
}
