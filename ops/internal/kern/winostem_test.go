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

func TestStemLayout(t *testing.T) {
	skipUnless64(t)
	var x stemTiles
	require.Equal(t, []uintptr{0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 84}, []uintptr{
		unsafe.Offsetof(x.v), unsafe.Offsetof(x.w), unsafe.Offsetof(x.bias), unsafe.Offsetof(x.out), unsafe.Offsetof(x.room), unsafe.Offsetof(x.places),
		unsafe.Offsetof(x.line), unsafe.Offsetof(x.pixel), unsafe.Offsetof(x.k), unsafe.Offsetof(x.n), unsafe.Offsetof(x.min), unsafe.Offsetof(x.max)})
	var y stemPlace
	require.Equal(t, []uintptr{0, 8, 12, 16}, []uintptr{unsafe.Offsetof(y.at), unsafe.Offsetof(y.rows), unsafe.Offsetof(y.cols), unsafe.Sizeof(y)})
}

// TestStem compares with sums in float64, and runs that start at any tile with one over all rows.
func TestStem(t *testing.T) {
	cputest.ForEachPath(t, "winostem/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, s := range []StemF32{
			{H: 32, W: 32, C: 3, OH: 16, OW: 16, OC: 64, KH: 7, KW: 7, PT: 3, PL: 3},
			{H: 33, W: 29, C: 3, OH: 17, OW: 15, OC: 17, KH: 7, KW: 7, PT: 3, PL: 3},
			{H: 27, W: 41, C: 1, OH: 11, OW: 18, OC: 33, KH: 6, KW: 7, PT: 0, PL: 0},
			{H: 20, W: 19, C: 4, OH: 9, OW: 10, OC: 16, KH: 8, KW: 8, PT: 4, PL: 5},
			{H: 9, W: 8, C: 2, OH: 5, OW: 2, OC: 31, KH: 6, KW: 6, PT: 1, PL: 0},
			{H: 3, W: 5, C: 3, OH: 1, OW: 1, OC: 5, KH: 7, KW: 7, PT: 2, PL: 6},
		} {
			t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
				s.Plan()
				weights := randF32(r, s.OC*s.KH*s.KW*s.C)
				packed := make([]float32, s.PackedSize())
				s.Pack(packed, weights)
				a := StemArgs{In: atEdge(t, randF32(r, s.H*s.W*s.C)), Packed: atEdge(t, packed), OutPixel: s.OC + s.OC%3, Min: negInf, Max: posInf}
				if s.OC > 16 {
					a.Bias, a.Min, a.Max = atEdge(t, randF32(r, s.OC)), 0, 5
				}
				size := (s.OH*s.OW-1)*a.OutPixel + s.OC
				guard, out := newGuarded[float32](size, s.OW%5, -77)
				guardS, scratch := newGuarded[float32](s.ScratchSize(), 1, -77)
				a.Out = out
				s.Run(&a, scratch, 0, s.OH)
				guard.check(t, out)
				guardS.check(t, scratch)
				require.Less(t, s.relativeError(&a, weights), 1e-5)
				for y := 0; y < s.OH; y += StemTile {
					b := a
					guard, part := newGuarded[float32]((min(StemTile, s.OH-y)*s.OW-1)*a.OutPixel+s.OC, 3, -77)
					b.Out = part
					s.Run(&b, scratch, y, min(s.OH, y+StemTile))
					guard.check(t, part)
					require.Equal(t, out[y*s.OW*a.OutPixel:][:len(part)], part)
				}
			})
		}
	})
}

// relativeError is |got - exact| / |exact| in the 2-norm; what is between pixels must be as it was.
func (s *StemF32) relativeError(a *StemArgs, weights []float32) float64 {
	var err, norm float64
	for p := range s.OH * s.OW {
		for o := range s.OC {
			sum := 0.0
			for t := range s.KH * s.KW {
				y, x := 2*(p/s.OW)+t/s.KW-s.PT, 2*(p%s.OW)+t%s.KW-s.PL
				if uint(y) >= uint(s.H) || uint(x) >= uint(s.W) {
					continue
				}
				for c := range s.C {
					sum += float64(weights[(o*s.KH*s.KW+t)*s.C+c]) * float64(a.In[(y*s.W+x)*s.C+c])
				}
			}
			if a.Bias != nil {
				sum += float64(a.Bias[o])
			}
			sum = min(max(sum, float64(a.Min)), float64(a.Max))
			d := sum - float64(a.Out[p*a.OutPixel+o])
			err += d * d
			norm += sum * sum
		}
		for o := s.OC; o < a.OutPixel && p < s.OH*s.OW-1; o++ {
			if a.Out[p*a.OutPixel+o] != -77 {
				return math.Inf(1)
			}
		}
	}
	return math.Sqrt(err / norm)
}
