//go:build cuda

package cuda

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/npy"
	"github.com/teff-ml/teff/tools/onnx"
	"github.com/teff-ml/teff/tools/tflite"
)

// golden are trained networks with reference outputs of other engines, by their
// folders below golden.
var golden = []string{
	"models/mnist-onnx/model", "models/mnist-pytorch-onnx/pytorch", "models/cifar-resnet/resnet20", "models/tinymaix/cifar10_f",
	"models/tinymaix/mnist_resnet_f", "mlperf-tiny/ic01/pretrainedResnet", "models/mobilenetv1-0.25-224/mobilenet_v1_0.25_224_1_default_1",
	"models/squeezenet1.1-nchw/squeezenet1.1",
}

// goldenWithin is how far outputs may be off, of the largest one: those of a network's
// first two inputs. Of the others, pictures that a network is less sure of, 2.5 times
// as far.
func goldenWithin() map[ops.Precision]float64 {
	return map[ops.Precision]float64{ops.PrecisionF32: 1e-4, ops.PrecisionTF32: 1e-3, ops.PrecisionF16: 1e-3, ops.PrecisionBF16: 2e-2}
}

// goldenNetworks runs trained networks in every precision.
func goldenNetworks(t *testing.T) {
	dir := shared.Dir(t)
	b, err := Open()
	require.NoError(t, err)
	for _, name := range golden {
		from := filepath.Join(dir, "golden", name)
		g, err := passes.Infer(goldenGraph(t, dir, from))
		require.NoError(t, err)
		for p, within := range goldenWithin() {
			t.Run(fmt.Sprint(name, " ", p), func(t *testing.T) {
				m, s := sessionOf(t, b, g, 1, runtime.WithPrecision(p))
				worst, inputs := [2]float64{}, 4
				macs := int64(0)
				for id := range g.Len() {
					macs += g.MACs(graph.ID(id))
				}
				if macs > 100e6 { // it takes seconds
					inputs = 2
				}
				for i := range inputs {
					x, err := npy.ReadFile(filepath.Join(from, fmt.Sprintf("input_%d.npy", i)))
					if os.IsNotExist(err) {
						break
					}
					require.NoError(t, err)
					want, err := npy.ReadFile(filepath.Join(from, fmt.Sprintf("output_%d.npy", i)))
					require.NoError(t, err)
					require.Equal(t, len(s.Input(0).Data), len(x.Data))
					copy(s.Input(0).Data, x.Data)
					require.NoError(t, s.Run(t.Context()))
					top, off := 0.0, 0.0
					for j, v := range want.F32() {
						top = max(top, math.Abs(float64(v)))
						off = max(off, math.Abs(float64(v)-float64(s.Output(0).F32()[j])))
					}
					worst[i/2] = max(worst[i/2], off/top)
				}
				t.Logf("error %.1e of the largest output, %.1e with other inputs", worst[0], worst[1])
				require.LessOrEqual(t, worst[0], within)
				require.LessOrEqual(t, worst[1], 2.5*within)
				require.NoError(t, s.Close())
				require.NoError(t, m.Close())
			})
		}
	}
	require.NoError(t, b.(*backend).Close())
}

// goldenInts are integer networks, whose outputs agree in every bit.
var goldenInts = []string{
	"models/tinymaix/cifar10_q", "models/tinymaix/mnist_resnet_q", "mlperf-tiny/kws01/kws_ref_model", "mlperf-tiny/ic01/pretrainedResnet_quant",
	"models/mobilenetv1-0.25-224/mobilenet_v1_0.25_224_quant", "coral/mobilenet_v1_0.25_128_quant", "coral/mobilenet_v2_1.0_224_quant",
}

func goldenIntegers(t *testing.T) {
	dir := shared.Dir(t)
	b, err := Open()
	require.NoError(t, err)
	for _, name := range goldenInts {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(dir, "golden", name)
			g, err := passes.Infer(goldenGraph(t, dir, from))
			require.NoError(t, err)
			m, s := sessionOf(t, b, g, 1)
			x, err := npy.ReadFile(filepath.Join(from, "input_0.npy"))
			require.NoError(t, err)
			want, err := npy.ReadFile(filepath.Join(from, "output_0.npy"))
			require.NoError(t, err)
			require.Equal(t, len(s.Input(0).Data), len(x.Data))
			copy(s.Input(0).Data, x.Data)
			require.NoError(t, s.Run(t.Context()))
			require.Equal(t, want.Data, s.Output(0).Data)
			require.NoError(t, s.Close())
			require.NoError(t, m.Close())
		})
	}
	require.NoError(t, b.(*backend).Close())
}

func goldenGraph(t *testing.T, dir, from string) *graph.Graph {
	t.Helper()
	var meta struct{ Model string }
	text, err := os.ReadFile(filepath.Join(from, "meta.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &meta))
	model, err := os.ReadFile(filepath.Join(dir, meta.Model))
	require.NoError(t, err)
	var g *graph.Graph
	if strings.HasSuffix(meta.Model, ".onnx") {
		g, err = onnx.ImportBytes(model)
	} else {
		g, err = tflite.Import(bytes.NewReader(model))
	}
	require.NoError(t, err)
	return g
}
