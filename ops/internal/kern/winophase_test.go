package kern

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func phaseRandom(r *rand.Rand, w PhaseF32) (*PhaseF32, *WinogradArgs, []float32) {
	k := &w
	k.Plan()
	weights := randF32(r, k.OC*9*k.IC)
	a := &WinogradArgs{In: randF32(r, k.N*k.H*k.W*k.IC), Packed: make([]float32, k.PackedSize()), Min: noMin, Max: noMax}
	for n := 0; n < k.OC; n += k.Gemm.NR {
		k.Pack(a.Packed, weights[n*9*k.IC:], n, min(k.Gemm.NR, k.OC-n))
	}
	return k, a, weights
}

func (w *PhaseF32) run(a *WinogradArgs, v, sums []float32) {
	for b := range w.Blocks() {
		w.Input(a, v, b, 0, w.BlockTiles(b))
		w.Columns(a, v, sums, b, 0, w.OC)
	}
}

// TestPhase compares with sums in float64, and parts of the columns and of the tiles with the whole.
func TestPhase(t *testing.T) {
	cputest.ForEachPath(t, "winophase/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for i, s := range []PhaseF32{
			{N: 1, H: 8, W: 8, IC: 16, OH: 4, OW: 4, OC: 16, PT: 1, PL: 1},
			{N: 2, H: 9, W: 7, IC: 5, OH: 5, OW: 4, OC: 7, PT: 1, PL: 1},
			{N: 1, H: 28, W: 28, IC: 40, OH: 14, OW: 14, OC: 33, PT: 0, PL: 0},
			{N: 1, H: 56, W: 30, IC: 32, OH: 28, OW: 15, OC: 80, PT: 0, PL: 1, Tiles: 51},
			{N: 3, H: 6, W: 5, IC: 17, OH: 2, OW: 2, OC: 8, PT: 0, PL: 0, Tiles: 2},
			{N: 1, H: 3, W: 2, IC: 3, OH: 3, OW: 1, OC: 3, PT: 2, PL: 0},
			{N: 1, H: 11, W: 22, IC: 300, OH: 6, OW: 11, OC: 48, PT: 1, PL: 1},
		} {
			t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
				s.OutPixel = s.OC + r.IntN(2)
				k, a, weights := phaseRandom(r, s)
				if i%2 == 0 {
					a.Bias = atEdge(t, randF32(r, k.OC))
				}
				last := k.N*k.OH*k.OW - 1
				if i%4 == 1 {
					a.Min, a.Max = 0, 6
				}
				guard, out := newGuarded[float32](last*k.OutPixel+k.OC, i, -77)
				a.Out, a.In, a.Packed = out, atEdge(t, a.In), atEdge(t, a.Packed)
				guardV, v := newGuarded[float32](k.InputSize(), i%3, -77)
				guardS, sums := newGuarded[float32](k.SumsSize(k.OC), i%2, -77)
				k.run(a, v, sums)
				guard.check(t, out)
				guardV.check(t, v)
				guardS.check(t, sums)
				require.Less(t, k.relativeError(a, weights), 1e-6)
				want := append([]float32(nil), out...)
				clear(out)
				for b := range k.Blocks() {
					for i := range k.BlockTiles(b) {
						k.Input(a, v, b, i, i+1)
					}
					for n := k.OC - 1; n >= 0; n-- {
						if n%k.Gemm.NR == 0 {
							k.Columns(a, v, sums, b, n, min(k.OC, n+k.Gemm.NR))
						}
					}
				}
				for p := range last + 1 {
					for c := p * k.OutPixel; c < min(len(out), (p+1)*k.OutPixel); c++ {
						if c >= p*k.OutPixel+k.OC {
							require.Equal(t, float32(-77), want[c])
							continue
						}
						require.Equal(t, want[c], out[c])
					}
				}
				require.Zero(t, testing.AllocsPerRun(2, func() { k.run(a, v, sums) }))
			})
		}
	})
}

// relativeError is |got - exact| / |exact| in the 2-norm, exact in float64.
func (w *PhaseF32) relativeError(a *WinogradArgs, weights []float32) float64 {
	like := WinogradF32{N: w.N, H: w.H, W: w.W, IC: w.IC, OH: w.OH, OW: w.OW, OC: w.OC, PT: w.PT, PL: w.PL, InPixel: w.IC, OutPixel: w.OutPixel}
	return like.relativeErrorAt(2, a, weights)
}

func BenchmarkPhase(b *testing.B) {
	for _, c := range [][3]int{{28, 64, 128}, {14, 128, 256}, {28, 128, 128}, {14, 256, 256}, {7, 256, 512}, {16, 16, 32}, {8, 32, 64}} {
		b.Run(fmt.Sprintf("%dx%d-%d", c[0], c[1], c[2]), func(b *testing.B) {
			k, a, _ := phaseRandom(rand.New(rand.NewPCG(1, 1)), PhaseF32{N: 1, H: 2 * c[0], W: 2 * c[0], IC: c[1], OH: c[0], OW: c[0], OC: c[2], PT: 1, PL: 1, OutPixel: c[2]})
			a.Out = make([]float32, k.OH*k.OW*k.OutPixel)
			v, sums := make([]float32, k.InputSize()), make([]float32, k.SumsSize(k.OC))
			for b.Loop() {
				k.run(a, v, sums)
			}
			b.ReportMetric(18*float64(k.OH*k.OW*k.IC*k.OC)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
	}
}
