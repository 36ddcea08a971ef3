package onnx

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
)

// eval runs a graph on the plain paths that define the operators.
func eval(t *testing.T, g *graph.Graph, inputs ...tensor.Tensor) []tensor.Tensor {
	t.Helper()
	vals := make([]tensor.Tensor, g.Len())
	next := 0
	for i := range vals {
		n := g.Node(graph.ID(i))
		switch n.Op.Kind() {
		case ops.KindInput:
			vals[i] = tensor.Tensor{Spec: n.Out, Data: inputs[next].Data}
			require.NoError(t, vals[i].Check())
			next++
			continue
		case ops.KindConstant:
			vals[i] = n.Params[0]
			continue
		}
		var in []tensor.Tensor
		for _, x := range n.In {
			in = append(in, vals[x])
		}
		v, err := ops.Run(n.Op, in, n.Params)
		require.NoError(t, err, n.Name)
		vals[i] = v
	}
	var out []tensor.Tensor
	for _, o := range g.Outputs() {
		out = append(out, vals[o.ID])
	}
	return out
}

// TestResNet imports the exporter's litter of a real network and compares with
// PyTorch's logits, at the recorded batch of 4.
func TestResNet(t *testing.T) {
	dir := shared.Path(t, "models", "real-onnx")
	for _, name := range []string{"resnet20", "resnet20_bn"} {
		t.Run(name, func(t *testing.T) {
			g, err := ImportFile(filepath.Join(dir, "resnet20", name+".onnx"))
			require.NoError(t, err)
			require.True(t, g.Batched())
			for i := range g.Len() {
				require.NotContains(t, []ops.Kind{ops.KindGather, ops.KindReshape + 1000}, g.Node(graph.ID(i)).Op.Kind(), "shape arithmetic is left")
			}
			g, err = g.WithBatch(4)
			require.NoError(t, err)
			x := npy(t, filepath.Join(dir, "resnet20", "input.npy"))
			want := npy(t, filepath.Join(dir, "resnet20", "logits.npy"))
			got := eval(t, g, tensor.FromF32(x, 4, 3, 32, 32))[0]
			require.InDeltaSlice(t, want, got.F32(), 1e-3)
		})
	}
}

// npy is the data of a float32 .npy file of format 1.
func npy(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "\x93NUMPY\x01", string(b[:7]))
	b = b[10+int(b[8])+int(b[9])<<8:]
	v := make([]float32, len(b)/4)
	copy(tensor.BytesOf(v), b)
	return v
}
