package kern

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestPoolF32(t *testing.T) {
	cputest.ForEachPath(t, "dw/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range []int{1, 7, 16, 40, 64, 131} {
			for _, g := range [][4]int{{2, 2, 1, 0}, {3, 2, 1, 1}, {3, 1, 1, 1}, {3, 1, 2, 2}, {6, 1, 1, 0}, {2, 1, 1, 3}} {
				for mode := range 3 {
					h, w := 6+r.IntN(4), 6+r.IntN(9)
					a := &PoolF32Args{H: h, W: w, C: c, Pixel: c + r.IntN(3), KH: g[0], KW: g[0], SH: g[1], SW: g[1], DH: g[2], DW: g[2], PT: g[3], PL: g[3],
						OutPixel: c + r.IntN(3), Average: mode > 0, CountPad: mode > 1}
					a.OH, a.OW = (h+2*g[3]-(g[0]-1)*g[2]-1)/g[1]+1, (w+2*g[3]-(g[0]-1)*g[2]-1)/g[1]+1
					a.In = randF32(r, (h*w-1)*a.Pixel+c)
					guard, out := newGuarded[float32]((a.OH*a.OW-1)*a.OutPixel+c, r.IntN(3), -77)
					a.Out, a.In = out, atEdge(t, a.In)
					a.Run(0, 1)
					a.Run(1, a.OH)
					guard.check(t, out)
					for i, got := range out {
						y, x, ch := i/a.OutPixel/a.OW, i/a.OutPixel%a.OW, i%a.OutPixel
						if ch >= c {
							require.Equal(t, float32(-77), got)
							continue
						}
						if want := a.naive(y, x, ch); got != want {
							require.InDelta(t, want, got, 1e-6)
						}
					}
				}
			}
		}
	})
}

// TestPoolF32NaN holds every path to the definition's bits where a maximum meets NaNs and zeros of both signs.
func TestPoolF32NaN(t *testing.T) {
	cputest.ForEachPath(t, "dw/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		special := []float32{float32(math.NaN()), 0, float32(math.Copysign(0, -1)), negInf, posInf, 1}
		for _, c := range []int{3, 20, 39} {
			a := &PoolF32Args{H: 9, W: 8, C: c, Pixel: c, KH: 3, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1, PT: 1, PL: 1, OutPixel: c, OH: 9, OW: 8}
			a.In, a.Out = make([]float32, 9*8*c), make([]float32, 9*8*c)
			for i := range a.In {
				a.In[i] = special[r.IntN(len(special))]
			}
			a.Run(0, 9)
			got := a.Out
			a.Out = make([]float32, len(got))
			for i := range 9 * 8 {
				y, x := i/8, i%8
				a.pixel(y, x, max(0, 1-y), min(3, 10-y), max(0, 1-x), min(3, 9-x))
			}
			for i, want := range a.Out {
				require.Equal(t, math.Float32bits(want), math.Float32bits(got[i]), "c=%d %d: %v and %v", c, i, want, got[i])
			}
		}
	})
}

func (a *PoolF32Args) naive(y, x, c int) float32 {
	sum, m, n := float32(0), float32(math.Inf(-1)), 0
	for ky := range a.KH {
		for kx := range a.KW {
			iy, ix := y*a.SH-a.PT+ky*a.DH, x*a.SW-a.PL+kx*a.DW
			if iy >= 0 && ix >= 0 && iy < a.H && ix < a.W {
				v := a.In[(iy*a.W+ix)*a.Pixel+c]
				sum, m, n = sum+v, max(m, v), n+1
			}
		}
	}
	switch {
	case !a.Average:
		return m
	case a.CountPad:
		return sum / float32(a.KH*a.KW)
	}
	return sum / float32(max(n, 1))
}
