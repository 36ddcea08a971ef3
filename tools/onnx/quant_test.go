package onnx

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// qdq builds quantise-dequantise networks as exporters write them.
type qdq struct {
	*builder
}

func (q qdq) quantize(x, to string, scale float32, zero uint8) string {
	s, z := q.w.scalar("scale", scale), q.w.constant("zero", tensor.FromU8([]uint8{zero}))
	q.node("QuantizeLinear", []string{x, s, z}, []string{to + "_q"}, nil)
	q.node("DequantizeLinear", []string{to + "_q", s, z}, []string{to}, nil)
	return to
}

// weight is a dequantised int8 weight with a scale for each of the first
// dimension.
func (q qdq) weight(name string, dims ...int) string {
	w := tensor.New(tensor.Spec{DType: tensor.I8, Shape: tensor.Of(dims...)})
	for i := range w.Data {
		w.Data[i] = byte(i*37%255 - 127)
	}
	scale := make([]float32, dims[0])
	for i := range scale {
		scale[i] = 0.01 + 0.002*float32(i)
	}
	s := q.w.constant("ws", tensor.FromF32(scale, len(scale)))
	z := q.w.constant("wz", tensor.FromI8(make([]int8, len(scale)), len(scale)))
	q.node("DequantizeLinear", []string{q.w.constant("w", w), s, z}, []string{name}, func(a *attrs) { a.int("axis", 0) })
	return name
}

// TestQDQ: convolution with ReLU, pooling, a sum, flattening and a dense layer
// become integers, and agree with the float computation to one unit.
func TestQDQ(t *testing.T) {
	q := qdq{newModel(17)}
	q.input("x", -1, 3, 6, 6).output("y")
	x := q.quantize("x", "xd", 0.02, 128)
	bias := q.w.floats("b", 0.5, -0.25, 0, 1)
	q.node("Conv", []string{x, q.weight("w1", 4, 3, 3, 3), bias}, []string{"c"}, func(a *attrs) { a.ints("pads", []int{1, 1, 1, 1}) })
	q.node("Relu", []string{"c"}, []string{"r"}, nil)
	r := q.quantize("r", "rd", 0.1, 0)
	q.node("MaxPool", []string{r}, []string{"p"}, func(a *attrs) { a.ints("kernel_shape", []int{2, 2}); a.ints("strides", []int{2, 2}) })
	p := q.quantize("p", "pd", 0.1, 0)
	q.node("Conv", []string{p, q.weight("w2", 4, 4, 1, 1)}, []string{"c2"}, nil)
	c2 := q.quantize("c2", "c2d", 0.2, 100)
	q.node("Add", []string{p, c2}, []string{"s"}, nil)
	s := q.quantize("s", "sd", 0.25, 90)
	q.node("Flatten", []string{s}, []string{"f"}, nil)
	f := q.quantize("f", "fd", 0.25, 90)
	q.node("Gemm", []string{f, q.weight("w3", 5, 36)}, []string{"g"}, func(a *attrs) { a.int("transB", 1) })
	q.node("Identity", []string{q.quantize("g", "gd", 0.5, 120)}, []string{"y"}, nil)
	g, err := ImportBytes(q.bytes())
	require.NoError(t, err)
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		switch n.Op.Kind() {
		case ops.KindInput, ops.KindQuantize, ops.KindDequantize, ops.KindTranspose:
		default:
			require.Equal(t, tensor.U8, n.Out.DType, "%s", n.Name)
		}
	}
	require.True(t, g.Batched())
	in := tensor.New(tensor.F32Spec(1, 3, 6, 6))
	for i := range in.F32() {
		in.F32()[i] = float32(math.Sin(float64(i))) * 2
	}
	got := eval(t, g, in)[0].F32()
	want := eval(t, floatForm(t, q), in)[0].F32()
	require.InDeltaSlice(t, want, got, 0.5+1e-4, "one unit")
}

// floatForm imports the network without making integer operators of it.
func floatForm(t *testing.T, q qdq) *graph.Graph {
	t.Helper()
	m, err := parseModel(q.bytes())
	require.NoError(t, err)
	g, err := importModel(m, &options{float: true}, 1<<20)
	require.NoError(t, err)
	return g
}
