package tests

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/npy"
	"github.com/teff-ml/teff/tools/onnx"
)

// trainState is what tests/golden/make.py recorded.
type trainState struct {
	SGD struct {
		LR          float32 `json:"lr"`
		Momentum    float32 `json:"momentum"`
		WeightDecay float32 `json:"weight_decay"`
	} `json:"sgd"`
	Losses []float32 `json:"losses"`
	Grads  []named   `json:"grads"`
	Stats  []named   `json:"stats"`
}

type named struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

// split cuts one long array into the named ones.
func split(t *testing.T, path string, names []named) map[string]tensor.Tensor {
	t.Helper()
	all, err := npy.ReadFile(path)
	require.NoError(t, err)
	v, m := all.F32(), map[string]tensor.Tensor{}
	for _, n := range names {
		s := tensor.Of(n.Shape...)
		m[n.Name] = tensor.FromF32(v[:s.Elems()], n.Shape...)
		v = v[s.Elems():]
	}
	require.Empty(t, v)
	return m
}

// torchName is the name PyTorch has for parameter i of an exported node.
func torchName(node string, i string, norm bool) string {
	parts := strings.Split(strings.Trim(node, "/"), "/")
	parts = parts[:len(parts)-1] // the operator
	last := parts[len(parts)-1]
	if strings.Contains(last, ".") { // "down/down.0" is down.0
		parts = append(parts[:len(parts)-2], last)
	}
	what := map[string]string{"0": "weight", "1": "bias", "2": "running_mean", "3": "running_var"}[i]
	return strings.Join(parts, ".") + "." + what
}

// channelsLast is a PyTorch convolution weight in our order.
func channelsLast(t *testing.T, w tensor.Tensor) tensor.Tensor {
	t.Helper()
	if w.Shape.Rank() != 4 {
		return w
	}
	out, err := ops.Run(&ops.Transpose{Perm: []int{0, 2, 3, 1}}, []tensor.Tensor{w}, nil)
	require.NoError(t, err)
	return out
}

// TestPyTorchTraining reproduces PyTorch's first logits, every gradient, ten
// losses of SGD with momentum and weight decay, and the running statistics
// after them, from the network as it was exported.
func TestPyTorchTraining(t *testing.T) {
	b, err := os.ReadFile("golden/train.json")
	require.NoError(t, err)
	var st trainState
	require.NoError(t, json.Unmarshal(b, &st))
	g, err := onnx.ImportFile("golden/train_init.onnx")
	require.NoError(t, err)
	x, err := npy.ReadFile("golden/train_input.npy")
	require.NoError(t, err)
	y, err := npy.ReadFile("golden/train_labels.npy")
	require.NoError(t, err)
	logits, err := npy.ReadFile("golden/train_logits.npy")
	require.NoError(t, err)
	tr, err := train.New(g, train.Config{
		Batch: 16, Gradients: true, Schedule: train.Constant(st.SGD.LR),
		Optimizer: train.SGD{Momentum: st.SGD.Momentum, WeightDecay: st.SGD.WeightDecay, DecayAll: true},
	})
	require.NoError(t, err)
	defer tr.Close()
	grads := split(t, "golden/train_grads.npy", st.Grads)
	for step, want := range st.Losses {
		loss, err := tr.Step(x, y)
		require.NoError(t, err)
		require.InDelta(t, want, loss, 3e-6*float64(want), "loss of step %d", step)
		if step > 0 {
			continue
		}
		require.Less(t, relative(tr.Scores().F32(), logits.F32()), 3e-6)
		require.Len(t, tr.Parameters(), len(grads))
		for _, p := range tr.Parameters() {
			i := strings.LastIndex(p, ".")
			name := torchName(p[:i], p[i+1:], false)
			want, ok := grads[name]
			require.True(t, ok, "%s is %s", p, name)
			require.Less(t, relative(tr.Gradient(p), channelsLast(t, want).F32()), 2e-5, "gradient of %s", name)
		}
	}
	tuned, err := tr.Graph()
	require.NoError(t, err)
	stats := split(t, "golden/train_stats.npy", st.Stats)
	for i := range tuned.Len() {
		n := tuned.Node(ids(i))
		if n.Op.Kind() != ops.KindBatchNorm {
			continue
		}
		for _, j := range []string{"2", "3"} {
			name := torchName(n.Name, j, true)
			want, ok := stats[name]
			require.True(t, ok, name)
			require.Less(t, relative(n.Params[j[0]-'0'].F32(), want.F32()), 3e-6, name)
			delete(stats, name)
		}
	}
	require.Empty(t, stats)
}

func ids(i int) graph.ID { return graph.ID(i) }

// relative is the norm of a-b over that of b.
func relative(a, b []float32) float64 {
	var d, n float64
	for i, v := range b {
		e := float64(a[i]) - float64(v)
		d += e * e
		n += float64(v) * float64(v)
	}
	return math.Sqrt(d / max(n, 1e-30))
}
