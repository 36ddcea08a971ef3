package kern

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

// Slopes over all sizes of numbers, with the definition's as the measure.
func TestSlopeAccuracy(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		var x []float32
		for b := uint64(0); b < 1<<32; b += 40993 {
			v := math.Float32frombits(uint32(b))
			if v == v && math.Abs(float64(v)) < 1e6 {
				x = append(x, v)
			}
		}
		for v := float32(-16); v < 16; v += 0.00037 {
			x = append(x, v)
		}
		x = append(x, -3, 3, 0, -88, 88, -1e6, 1e6)
		d, dst := make([]float32, len(x)), make([]float32, len(x))
		for i := range d {
			d[i] = 2
		}
		for f := SlopeHardSwish; f <= SlopeGeluTanh; f++ {
			if !SlopeF32(f, dst, d, x) {
				return
			}
			worst := 0.0
			for i, v := range x {
				worst = max(worst, math.Abs(float64(dst[i])/2-slopeGeneric(f, v)))
			}
			bound := 1e-6
			if f == SlopeGeluTanh {
				bound = 2.5e-6
			}
			require.LessOrEqual(t, worst, bound, "function %d", f)
		}
	})
}

// Lengths, places, memory behind the ends and in place; a NaN shows.
func TestSlopeEdges(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for f := SlopeHardSwish; f <= SlopeGeluTanh; f++ {
			for n := 1; n < 100; n++ {
				x, d := atEdge(t, randF32(r, n)), atEdge(t, randF32(r, n))
				guard, dst := newGuarded[float32](n, n, -77)
				if !SlopeF32(f, dst, d, x) {
					return
				}
				guard.check(t, dst)
				for i, v := range x {
					require.InDelta(t, float64(d[i])*slopeGeneric(f, v), dst[i], 1e-6)
				}
				SlopeF32(f, d, d, x)
				require.Equal(t, dst, d)
			}
			nan := []float32{float32(math.NaN())}
			dst := make([]float32, 1)
			SlopeF32(f, dst, []float32{1}, nan)
			require.True(t, dst[0] != dst[0], "function %d hides a NaN", f)
			require.Zero(t, testing.AllocsPerRun(2, func() { SlopeF32(f, dst, dst, nan) }))
		}
	})
}
