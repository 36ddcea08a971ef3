package kern

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWinogradPooled holds a pool in the output's transform to the bits of the two one by one, NaNs and both zeros among them.
func TestWinogradPooled(t *testing.T) {
	if !useWinoAVX512 || !useWinoPoolAVX512 {
		t.Skip("no pool in a transform")
	}
	r := rand.New(rand.NewPCG(11, 12))
	for i, c := range [][6]int{{1, 8, 8, 16, 16, 1}, {2, 14, 14, 40, 33, 1}, {1, 13, 11, 5, 7, 1}, {3, 7, 18, 17, 50, 0}, {2, 4, 5, 32, 32, 0}, {1, 28, 26, 32, 64, 1}} {
		for limits := range 3 {
			k, a, _ := winoRandom(r, 4, c[0], c[1], c[2], c[3], c[4], c[5])
			require.True(t, k.CanPool())
			a.Bias = randF32(r, k.OC)
			a.Min, a.Max = [3]float32{noMin, 0, 0}[limits], [3]float32{noMax, noMax, .5}[limits]
			if limits > 0 {
				a.Bias[0] = float32(math.Copysign(0, -1))
				for range 3 {
					a.In[r.IntN(len(a.In))] = float32(math.NaN())
				}
			}
			whole := make([]float32, k.N*k.OH*k.OW*k.OutPixel)
			a.Out = whole
			k.Run(a, make([]float32, k.ScratchSize()), 0, k.Blocks())
			p := PoolF32Args{H: k.OH, W: k.OW, C: k.OC, Pixel: k.OutPixel, KH: 2, KW: 2, SH: 2, SW: 2, DH: 1, DW: 1, OH: k.OH / 2, OW: k.OW / 2, OutPixel: k.OutPixel}
			guardW, want := newGuarded[float32]((k.N*p.OH*p.OW-1)*k.OutPixel+k.OC, i, -77)
			for n := range k.N {
				p.In, p.Out = whole[n*k.OH*k.OW*k.OutPixel:], want[n*p.OH*p.OW*k.OutPixel:]
				p.Run(0, p.OH)
			}
			guardW.check(t, want)
			k.Pooled = true
			guard, got := newGuarded[float32](len(want), i, -77)
			guardS, scratch := newGuarded[float32](k.ScratchSize(), i, -77)
			a.Out = got
			for n := 0; n < k.OC; n += k.Gemm.NR {
				k.Columns(a, scratch, 0, k.Blocks(), n, min(k.OC, n+k.Gemm.NR))
			}
			guard.check(t, got)
			guardS.check(t, scratch)
			for j := range want {
				require.Equal(t, math.Float32bits(want[j]), math.Float32bits(got[j]), "%v: %d", c, j)
			}
		}
	}
}
