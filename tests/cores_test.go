package tests

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/switches"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/arch"
)

// TestCoresChoices: whatever processor tests run on, the kernels that are chosen
// for any give what plain kernels give: every network that the project builds,
// in float32 and in integers of either sign, on one, two and three threads. In
// integers they are the same bits.
func TestCoresChoices(t *testing.T) {
	for _, name := range arch.Names() {
		t.Run(name, func(t *testing.T) {
			if isLarge(name) && testing.Short() {
				t.Skip("large")
			}
			g := oneImage(t, name)
			sameForCores(t, g, 1e-5)
			if name == "vgg11" {
				return // calibrating it takes half a minute, and its layers are like the others'
			}
			for _, unsigned := range []bool{false, true} {
				sameForCores(t, inIntegers(t, g, unsigned), 0)
			}
		})
	}
}

// oneImage is a network that the project builds, at batch 1.
func oneImage(t *testing.T, name string) *graph.Graph {
	g, err := arch.New(name, arch.Options{Seed: 3})
	require.NoError(t, err)
	g, err = g.WithBatch(1)
	require.NoError(t, err)
	return g
}

// inIntegers is g quantized, its activations signed or not.
func inIntegers(t *testing.T, g *graph.Graph, unsigned bool) *graph.Graph {
	q, err := ptq.Calibrate(context.Background(), g, noiseSamples(1), ptq.Options{Nearest: true, Unsigned: unsigned})
	require.NoError(t, err)
	ints, err := q.Graph(nil)
	require.NoError(t, err)
	return ints
}

// sameForCores compares g's results by the choices for any cores with those of plain
// kernels: the largest difference, as a part of the largest number, is most.
func sameForCores(t *testing.T, g *graph.Graph, most float64) {
	want := plainly(t, g)
	for _, core := range []string{"intel", "zen3", "zen4", "zen5", "other"} {
		t.Run(core, func(t *testing.T) {
			defer switches.As(core)()
			first := runNoise(t, g, 1, true)
			for i := range want {
				require.LessOrEqual(t, farthest(want[i], first[i]), most, "output %d", i)
			}
			for threads := 2; threads <= 3; threads++ {
				for i, y := range runNoise(t, g, threads, threads == 2) {
					require.True(t, string(first[i]) == string(y), "output %d: other bits on %d threads", i, threads)
				}
			}
		})
	}
}

// plainly runs g without kernels for AVX-512, and with those alone that round
// like a plain sum.
func plainly(t *testing.T, g *graph.Graph) [][]byte {
	for _, name := range switches.Names() {
		if strings.HasSuffix(name, "/avx512") || strings.HasSuffix(name, "/vnni") {
			defer switches.Set(name, false)()
		}
	}
	return runNoise(t, g, 1, false, runtime.WithExact())
}

// farthest is the largest difference between float32 results, as a part of the
// largest number; more than that where there is none.
func farthest(want, got []byte) float64 {
	diff, size, y := 0.0, 0.0, tensor.CastSlice[float32](got)
	for i, w := range tensor.CastSlice[float32](want) {
		diff, size = max(diff, math.Abs(float64(w-y[i]))), max(size, math.Abs(float64(w)))
	}
	if size == 0 || diff != diff {
		return math.Inf(1)
	}
	return diff / size
}

// TestEachSwitchOff: a kernel that is switched off alone leaves others that do its
// work, which read what is packed for them; results are those of plain kernels.
func TestEachSwitchOff(t *testing.T) {
	if testing.Short() {
		t.Skip("large")
	}
	for _, name := range []string{"resnet18", "mobilenetv2"} {
		t.Run(name, func(t *testing.T) {
			g := oneImage(t, name)
			eachSwitchOff(t, g, 1e-5)
			eachSwitchOff(t, inIntegers(t, g, false), 0)
		})
	}
}

func eachSwitchOff(t *testing.T, g *graph.Graph, most float64) {
	want := plainly(t, g)
	for _, name := range switches.Names() {
		if !switches.Enabled(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			defer switches.Set(name, false)()
			for i, y := range runNoise(t, g, 2, false) {
				require.LessOrEqual(t, farthest(want[i], y), most, "output %d", i)
			}
		})
	}
}
