package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/randgraph"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/tflite"
)

// tfliteGoldens are the folders of ../shared/golden that hold reference
// outputs of TFLite networks, and the inputs to leave out where the engines
// themselves disagree (../shared/golden/INDEX.md).
var tfliteGoldens = []struct {
	dir  string
	only []int // input numbers; nil means all
	tol  float64
}{
	{"coral/mobilenet_v1_0.25_128_quant", nil, 0},
	{"coral/mobilenet_v2_1.0_224_quant", nil, 0},
	{"mlperf-tiny/ic01/pretrainedResnet", nil, 1e-4},
	{"mlperf-tiny/ic01/pretrainedResnet_quant", nil, 0},
	{"mlperf-tiny/kws01/kws_ref_model", nil, 0},
	// Integer weights with float activations: TFLite quantises the activations
	// on the fly, which no other engine does alike; input 0 is real data.
	{"mlperf-tiny/kws01/kws_ref_model_float32", []int{0}, 1e-2},
	{"models/mobilenetv1-0.25-224/mobilenet_v1_0.25_224_1_default_1", nil, 1e-4},
	{"models/mobilenetv1-0.25-224/mobilenet_v1_0.25_224_quant", nil, 0},
	{"models/tinymaix/cifar10_f", nil, 1e-4},
	{"models/tinymaix/cifar10_q", nil, 0},
	{"models/tinymaix/mnist_resnet_f", nil, 1e-4},
	{"models/tinymaix/mnist_resnet_q", nil, 0},
}

// TestTFLiteGolden runs every TFLite network on recorded inputs: integer
// results are the reference engine's bit for bit, float ones within 1e-4.
func TestTFLiteGolden(t *testing.T) {
	root := shared.Path(t, "golden")
	for _, c := range tfliteGoldens {
		t.Run(c.dir, func(t *testing.T) {
			dir := filepath.Join(root, filepath.FromSlash(c.dir))
			g := importTFLite(t, goldenModel(t, dir))
			for _, n := range goldenInputs(t, dir) {
				if c.only != nil && c.only[0] != n {
					continue
				}
				in := readTensor(t, filepath.Join(dir, fmt.Sprintf("input_%d.npy", n)))
				want := readTensor(t, filepath.Join(dir, fmt.Sprintf("output_%d.npy", n)))
				for how, y := range runBothWays(t, g, in) {
					checkGolden(t, fmt.Sprintf("input %d, %s", n, how), y, want, c.tol)
				}
			}
		})
	}
}

// TestTFLiteMemory wants 0 allocations in a run, on any number of threads, and
// for integer networks an arena of at most 1.25 times the most that lives at
// once.
func TestTFLiteMemory(t *testing.T) {
	root := shared.Path(t, "golden")
	for _, c := range tfliteGoldens {
		g := importTFLite(t, goldenModel(t, filepath.Join(root, filepath.FromSlash(c.dir))))
		for _, threads := range []int{1, 2} {
			m, err := runtime.New(g, runtime.WithThreads(threads))
			require.NoError(t, err)
			s, err := m.NewSession()
			require.NoError(t, err)
			mem := s.Memory()
			if c.tol == 0 { // float networks may trade memory for Winograd's speed
				require.LessOrEqual(t, float64(mem.Arena), 1.25*float64(mem.LiveSet), "%s on %d threads: %+v", c.dir, threads, mem)
			}
			require.Zero(t, testing.AllocsPerRun(3, func() { _ = s.Run(context.Background()) }), "%s on %d threads", c.dir, threads)
			require.NoError(t, s.Close())
			require.NoError(t, m.Close())
		}
	}
}

// checkGolden compares a result with a recorded one: exactly where tol is 0.
func checkGolden(t *testing.T, what string, got, want tensor.Tensor, tol float64) {
	t.Helper()
	require.Equal(t, want.DType, got.DType, what)
	require.Equal(t, want.Shape, got.Shape, what)
	if tol == 0 {
		diff, worst := 0, 0
		for i := range want.Data {
			if d := int(rawAt(got, i)) - int(rawAt(want, i)); d != 0 {
				diff++
				worst = max(worst, d, -d)
			}
		}
		require.Zero(t, diff, "%s: %d of %d values differ, by up to %d", what, diff, len(want.Data), worst)
		return
	}
	var worst, scale float64
	for i, w := range want.F32() {
		worst = max(worst, math.Abs(float64(w)-float64(got.F32()[i])))
		scale = max(scale, math.Abs(float64(w)))
	}
	require.LessOrEqual(t, worst, tol*scale, what)
}

func rawAt(t tensor.Tensor, i int) int32 {
	if t.DType == tensor.I8 {
		return int32(t.I8()[i])
	}
	return int32(t.U8()[i])
}

// goldenModel is the path of the model that a folder's meta.json names.
func goldenModel(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	require.NoError(t, err)
	var meta struct{ Model string }
	require.NoError(t, json.Unmarshal(b, &meta))
	return shared.Path(t, filepath.FromSlash(meta.Model))
}

// goldenInputs are the numbers of a folder's recorded inputs.
func goldenInputs(t *testing.T, dir string) (n []int) {
	t.Helper()
	for i := range 100 {
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("input_%d.npy", i))); err == nil {
			n = append(n, i)
		}
	}
	require.NotEmpty(t, n, dir)
	return n
}

func importTFLite(t *testing.T, path string) *graph.Graph {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	g, err := tflite.Import(bytes.NewReader(b))
	require.NoError(t, err)
	return g
}

// evalGraph runs a graph node by node on the plain paths that define the
// operators.
func evalGraph(g *graph.Graph, inputs ...tensor.Tensor) ([]tensor.Tensor, error) {
	in := make([]tensor.Tensor, len(inputs))
	for i, id := range g.Inputs() { // in the graph's layout, whatever the file's is
		in[i] = tensor.Tensor{Spec: g.Node(id).Out, Data: inputs[i].Data}
		if err := in[i].Check(); err != nil {
			return nil, err
		}
	}
	return randgraph.Eval(g, in)
}

// readTensor reads a .npy file of format 1 to 3: little-endian, C order.
func readTensor(t *testing.T, path string) tensor.Tensor {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, len(b) > 10 && string(b[:6]) == "\x93NUMPY", path)
	head := int(b[8]) | int(b[9])<<8
	at := 10
	if b[6] > 1 {
		head |= int(b[10])<<16 | int(b[11])<<24
		at = 12
	}
	text := string(b[at : at+head])
	require.Contains(t, text, "'fortran_order': False", path)
	m := regexp.MustCompile(`'descr': '([^']*)'.*'shape': \(([^)]*)\)`).FindStringSubmatch(text)
	require.NotNil(t, m, path)
	var dims []int
	for _, d := range strings.Split(m[2], ",") {
		if d = strings.TrimSpace(d); d != "" {
			n, err := strconv.Atoi(d)
			require.NoError(t, err)
			dims = append(dims, n)
		}
	}
	types := map[string]tensor.DType{"<f4": tensor.F32, "|i1": tensor.I8, "|u1": tensor.U8, "<i4": tensor.I32, "<i8": tensor.I64}
	d, ok := types[m[1]]
	require.True(t, ok, "%s: type %s", path, m[1])
	x := tensor.New(tensor.Spec{DType: d, Shape: tensor.Of(dims...)})
	require.Equal(t, len(x.Data), len(b)-at-head, path)
	copy(x.Data, b[at+head:])
	return x
}
