package tests

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/tools/arch"
)

// noiseSamples is calibration data: normal numbers.
type noiseSamples int

func (n noiseSamples) Len() int { return int(n) }

func (noiseSamples) Fill(i int, in []tensor.Tensor) error {
	rng := rand.New(rand.NewPCG(7, uint64(i)))
	for _, t := range in {
		for j := range t.F32() {
			t.F32()[j] = float32(rng.NormFloat64())
		}
	}
	return nil
}

// TestONNXExportQuantised: a network in integers comes back from ONNX with the
// same numbers. Its biases have no scale of their own; ONNX wants one.
func TestONNXExportQuantised(t *testing.T) {
	for _, name := range []string{"resnet8", "mobilenetv1"} {
		g, err := arch.New(name, arch.Options{Seed: 1})
		require.NoError(t, err)
		q, err := ptq.Calibrate(context.Background(), g, noiseSamples(2), ptq.Options{})
		require.NoError(t, err)
		g, err = q.Graph(nil)
		require.NoError(t, err)
		g, err = g.WithBatch(1)
		require.NoError(t, err)
		x := tensor.New(g.Node(g.Inputs()[0]).Out)
		require.NoError(t, noiseSamples(3).Fill(2, []tensor.Tensor{x}))
		want, err := evalGraph(g, x)
		require.NoError(t, err)
		h, err := exportAndBack(g)
		require.NoError(t, err)
		got, err := evalGraph(h, x)
		require.NoError(t, err)
		require.Equal(t, want[0].F32(), got[0].F32(), name)
	}
}

// TestONNXExportWhole: so do operators that stay in float32 unless asked for.
func TestONNXExportWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	random := func(dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(rng.NormFloat64()) / 4
		}
		return x
	}
	b := graph.NewBuilder("whole")
	x := b.Input("x", tensor.F32Spec(1, 8, 8, 3), false)
	y := b.Add("a", &ops.Conv{}, []tensor.Tensor{random(8, 3, 3, 3), random(8)}, x)
	y = b.Add("t", &ops.ConvTranspose{Window: ops.Window{Stride: []int{2, 2}}}, []tensor.Tensor{random(8, 2, 2, 6), random(6)}, y)
	y = b.Add("p", &ops.PRelu{}, []tensor.Tensor{random(6)}, y)
	y = b.Add("r", &ops.Resize{Mode: ops.ResizeLinear, Scales: []float32{0, 2, 2, 0}}, nil, y)
	z := b.Add("c", &ops.Conv{}, []tensor.Tensor{random(6, 1, 1, 6), random(6)}, y)
	y = b.Add("m", &ops.MatMul{TransB: true}, nil, y, z)
	y = b.Add("mean", &ops.Reduce{Axes: []int{2}, KeepDims: true}, nil, y)
	b.Output("y", y)
	g, err := b.Build()
	require.NoError(t, err)
	q, err := ptq.Calibrate(context.Background(), g, noiseSamples(4), ptq.Options{Whole: true})
	require.NoError(t, err)
	g, err = q.Graph(nil)
	require.NoError(t, err)
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		if k := n.Op.Kind(); k != ops.KindInput && k != ops.KindDequantize {
			require.Equal(t, tensor.I8, n.Out.DType, n.Name)
		}
	}
	in := tensor.New(g.Node(g.Inputs()[0]).Out)
	require.NoError(t, noiseSamples(5).Fill(4, []tensor.Tensor{in}))
	want, err := evalGraph(g, in)
	require.NoError(t, err)
	h, err := exportAndBack(g)
	require.NoError(t, err)
	got, err := evalGraph(h, in)
	require.NoError(t, err)
	require.Equal(t, want[0].F32(), got[0].F32())
	for i := range h.Len() {
		n := h.Node(graph.ID(i))
		// A PRelu comes back between conversions.
		if k := n.Op.Kind(); k != ops.KindInput && k != ops.KindDequantize && k != ops.KindPRelu {
			require.Equal(t, tensor.I8, n.Out.DType, n.Name)
		}
	}
}
