package tests

import (
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/switches"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/arch"
)

// TestArenas holds the arenas of the networks that the project builds, and of the
// shared models, to what they were: who makes one larger, by the planner or by a
// kernel's scratch, must say so in the table, and who makes one smaller keeps it so.
// What a network needs depends on the kernels chosen for it, so they are fixed: plain
// ones, which are the same everywhere, and those for AVX-512 as Intel's cores have
// them, where the processor can.
func TestArenas(t *testing.T) {
	graphs := map[string]func(t *testing.T) *graph.Graph{}
	for _, name := range arch.Names() {
		graphs[name] = func(t *testing.T) *graph.Graph {
			if isLarge(name) && testing.Short() {
				t.Skip("large")
			}
			g, err := arch.New(name, arch.Options{Seed: 3})
			require.NoError(t, err)
			return g
		}
	}
	for name, g := range realModels(t) {
		if !strings.Contains(name, "layerwise") {
			graphs[path.Base(path.Dir(name))+"/"+path.Base(name)] = func(*testing.T) *graph.Graph { return g }
		}
	}
	for name := range arenas {
		require.Contains(t, graphs, name, "figures of no network")
	}
	for name, of := range graphs {
		t.Run(name, func(t *testing.T) {
			g := of(t)
			plain, fast := plainArenas(t, g), [2]int{}
			if hasEverything() {
				fast = fastArenas(t, g)
			}
			want, ok := arenas[name]
			t.Logf("%q: {%d, %d, %d, %d},", name, plain[0], plain[1], fast[0], fast[1])
			require.True(t, ok, "no figures of this network")
			for i, got := range [4]int{plain[0], plain[1], fast[0], fast[1]} {
				if got == 0 {
					continue
				}
				require.LessOrEqual(t, got, want[i], "the arena is larger: figure %d of %v", i, want)
				require.GreaterOrEqual(t, 100*got, 98*want[i], "the arena is smaller, write it down: figure %d of %v", i, want)
			}
		})
	}
}

// arenas are the bytes of a session of one row: by plain kernels on one thread and on
// two, and by those for AVX-512 on one and on two.
var arenas = map[string][4]int{
	"autoencoder": {5632, 5632, 5632, 5632},
	"coral/mobilenet_v1_0.25_128_quant.tflite": {147456, 147456, 147456, 147456},
	"coral/mobilenet_v2_1.0_224_quant.tflite":  {1655808, 1655808, 1655808, 1655808},
	"dscnn":                              {65984, 65984, 65984, 78784},
	"glyphnet":                           {25536, 23872, 25536, 23872},
	"ic01/pretrainedResnet.tflite":       {240512, 242176, 240512, 242176},
	"ic01/pretrainedResnet_quant.tflite": {64256, 64256, 63168, 64256},
	"kws01/kws_ref_model.tflite":         {16512, 16512, 19072, 19072},
	"kws01/kws_ref_model_float32.tflite": {65984, 65984, 65984, 78784},
	"mnist-onnx/model.onnx":              {37056, 34496, 34496, 34496},
	"mnist-pytorch-onnx/pytorch.onnx":    {3648, 3648, 3648, 3648},
	"mobilenetv1":                        {331776, 331776, 331776, 368640},
	"mobilenetv1-0.25-224/mobilenet_v1_0.25_224_1_default_1.tflite": {1806336, 1806336, 2107392, 2007040},
	"mobilenetv1-0.25-224/mobilenet_v1_0.25_224_quant.tflite":       {451584, 451584, 451584, 451584},
	"mobilenetv2":                      {6623232, 6623232, 3325952, 3411968},
	"resnet18":                         {4616192, 4616192, 3477312, 3617792},
	"resnet20/resnet20.onnx":           {240512, 224000, 240512, 224000},
	"resnet20/resnet20_bn.onnx":        {240512, 224000, 240512, 224000},
	"resnet32/resnet32.onnx":           {240512, 224000, 240512, 224000},
	"resnet32/resnet32_bn.onnx":        {240512, 224000, 240512, 224000},
	"resnet50":                         {7827456, 7827456, 7827456, 7827456},
	"resnet8":                          {240512, 242176, 240512, 242176},
	"squeezenet":                       {4530688, 4530688, 2801792, 2720960},
	"squeezenet1.1/squeezenet1.1.onnx": {5020736, 4992320, 2801792, 2720960},
	"tinymaix/cifar10_f.tflite":        {59776, 59776, 59776, 59776},
	"tinymaix/cifar10_q.tflite":        {13952, 14208, 16576, 16384},
	"tinymaix/mnist_resnet_f.tflite":   {18176, 19392, 18176, 19392},
	"tinymaix/mnist_resnet_q.tflite":   {4992, 5312, 4992, 5312},
	"vgg11":                            {16658432, 16658432, 6677824, 6728064},
}

// hasEverything says that fastArenas are the same here as anywhere.
func hasEverything() bool {
	for _, path := range []string{"gemm/avx512", "gemmi8/vnni", "dwi8/vbmi"} {
		if !switches.Enabled(path) {
			return false
		}
	}
	return os.Getenv("TEFF_DISABLE") == "" && os.Getenv("TEFF_ENABLE") == ""
}

func plainArenas(t *testing.T, g *graph.Graph) [2]int {
	for _, name := range switches.Names() {
		defer switches.Set(name, false)()
	}
	return arenasOf(t, g)
}

func fastArenas(t *testing.T, g *graph.Graph) [2]int {
	defer switches.As("intel")()
	return arenasOf(t, g)
}

// arenasOf are the arenas on one thread and on two.
func arenasOf(t *testing.T, g *graph.Graph) (bytes [2]int) {
	for i := range bytes {
		m, err := runtime.New(g, runtime.WithThreads(i+1))
		require.NoError(t, err)
		bytes[i], err = m.ArenaSize(1)
		require.NoError(t, err)
		require.NoError(t, m.Close())
	}
	return bytes
}
