package kern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

// gelu64 is the definition.
func gelu64(tanh bool, x float64) float64 {
	if tanh {
		return x / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}
	return 0.5 * x * math.Erfc(-x/math.Sqrt2)
}

func TestGeluAccuracy(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		var x []float32
		for b := uint64(0); b < 1<<32; b += 4099 {
			x = append(x, math.Float32frombits(uint32(b)))
		}
		for v := float32(-16); v < 16; v += 0.00037 {
			x = append(x, v)
		}
		dst := make([]float32, len(x))
		for _, tanh := range []bool{false, true} {
			if !GeluF32(tanh, dst, x) {
				return
			}
			floor := 1e-36 // below which only the absolute error counts
			if tanh {
				floor = 1e-7
			}
			most := int64(0) // ulp
			for i, v := range x {
				want := float32(gelu64(tanh, float64(v)))
				d := ulps(want, dst[i])
				switch {
				case v != v:
					require.True(t, dst[i] != dst[i], "a NaN is hidden")
				case math.IsInf(float64(v), 0) || math.Abs(float64(want)-float64(dst[i])) < floor:
				default:
					most = max(most, d)
				}
			}
			require.LessOrEqual(t, most, int64(6), "tanh: %v", tanh)
		}
	})
}

// Lengths, places and memory behind the ends; an element's bits depend on itself only.
func TestGeluEdges(t *testing.T) {
	cputest.ForEachPath(t, "vec/", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 70 {
			x := atEdge(t, randF32(r, n))
			for _, tanh := range []bool{false, true} {
				guard, dst := newGuarded[float32](n, n%3, -77)
				if !GeluF32(tanh, dst, x) {
					return
				}
				if n > 0 {
					guard.check(t, dst)
				}
				for i, v := range x {
					var one [1]float32
					GeluF32(tanh, one[:], []float32{v})
					require.Equal(t, one[0], dst[i], fmt.Sprint(n, i))
				}
			}
		}
	})
}

func BenchmarkGelu(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	x, d := randF32(r, 4096), make([]float32, 4096)
	for _, tanh := range []bool{false, true} {
		b.Run(fmt.Sprint("tanh=", tanh), func(b *testing.B) {
			cputest.ForEachPathB(b, "vec/", func(b *testing.B) {
				for b.Loop() {
					GeluF32(tanh, d, x)
				}
				b.ReportMetric(4096*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "Gelem/s")
			})
		})
	}
}
