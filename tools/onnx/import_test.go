package onnx

import (
	"bytes"
	"math"
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
			transposes := 0
			for i := range g.Len() {
				k := g.Node(graph.ID(i)).Op.Kind()
				require.NotContains(t, []ops.Kind{ops.KindGather, ops.KindConcat, ops.KindCast}, k, "shape arithmetic is left")
				if k == ops.KindTranspose {
					transposes++
				}
			}
			require.LessOrEqual(t, transposes, 1, "layouts meet at the input only")
			g, err = g.WithBatch(4)
			require.NoError(t, err)
			x := npy(t, filepath.Join(dir, "resnet20", "input.npy"))
			want := npy(t, filepath.Join(dir, "resnet20", "logits.npy"))
			got := eval(t, g, tensor.FromF32(x, 4, 3, 32, 32))[0]
			require.InDeltaSlice(t, want, got.F32(), 1e-3)
		})
	}
}

func TestBatchArithmetic(t *testing.T) {
	g, err := ImportBytes(small(t))
	require.NoError(t, err)
	require.True(t, g.Batched())
	for _, n := range []int{1, 5, 1009} {
		h, err := g.WithBatch(n)
		require.NoError(t, err)
		require.Equal(t, tensor.Of(n, 256), h.Node(h.Outputs()[0].ID).Out.Shape)
	}
	g, err = ImportBytes(small(t), WithBatch(3))
	require.NoError(t, err)
	require.False(t, g.Batched())
	require.Equal(t, tensor.Of(3, 256), g.Node(g.Outputs()[0].ID).Out.Shape)
}

// TestBakedBatch: a result that is the batch itself cannot be a constant.
func TestBakedBatch(t *testing.T) {
	b := newModel(17).input("x", -1, 4).output("y")
	b.node("Shape", []string{"x"}, []string{"y"}, nil)
	_, err := ImportBytes(b.bytes())
	var ue *UnsupportedError
	require.ErrorAs(t, err, &ue)
	require.ErrorContains(t, err, "--batch")
	g, err := ImportBytes(b.bytes(), WithBatch(7))
	require.NoError(t, err)
	require.Equal(t, []int64{7, 4}, eval(t, g, tensor.New(tensor.F32Spec(7, 4)))[0].I64())
}

func TestOpenShapes(t *testing.T) {
	b := newModel(17).input("image", -1, 3, -1, -1).output("y")
	b.node("GlobalAveragePool", []string{"image"}, []string{"y"}, nil)
	_, err := ImportBytes(b.bytes())
	var se *ShapeError
	require.ErrorAs(t, err, &se)
	require.Equal(t, "image", se.Input)
	require.ErrorContains(t, err, "--shape image=")
	g, err := ImportBytes(b.bytes(), WithShape("image", []int{0, 3, 5, 6}))
	require.NoError(t, err)
	require.True(t, g.Batched())
	require.Equal(t, tensor.Of(1, 3, 1, 1), g.Node(g.Outputs()[0].ID).Out.Shape)
	g, err = ImportBytes(b.bytes(), WithShape("image", []int{2, 3, 5, 6}))
	require.NoError(t, err)
	require.Equal(t, tensor.Of(2, 3, 1, 1), g.Node(g.Outputs()[0].ID).Out.Shape)
	_, err = ImportBytes(b.bytes(), WithShape("image", []int{2, 4, 5, 6}))
	require.Error(t, err)
	_, err = ImportBytes(b.bytes(), WithShape("imag", []int{2, 3, 5, 6}))
	require.ErrorContains(t, err, "no input")
}

// TestUnsupportedWhole: one report has every node, and no more than those.
func TestUnsupportedWhole(t *testing.T) {
	b := newModel(17).input("x", 2, 4).output("y")
	b.node("NonZero", []string{"x"}, []string{"a"}, nil)
	b.node("Relu", []string{"a"}, []string{"b"}, nil)
	b.node("Bernoulli", []string{"b"}, []string{"c"}, nil)
	b.node("Relu", []string{"x"}, []string{"d"}, nil)
	b.node("Softmax", []string{"d"}, []string{"e"}, func(a *attrs) { a.int("axis", 9) })
	b.node("Add", []string{"c", "e"}, []string{"y"}, nil)
	_, err := ImportBytes(b.bytes())
	var ue *UnsupportedError
	require.ErrorAs(t, err, &ue)
	require.Len(t, ue.Nodes, 3)
	require.Equal(t, "NonZero", ue.Nodes[0].Op)
	require.NotEmpty(t, ue.Nodes[0].Hint)
	require.Equal(t, "Bernoulli", ue.Nodes[1].Op)
	require.Equal(t, "Softmax", ue.Nodes[2].Op)
}

// TestFunction expands a function of the file, with an attribute of its caller.
func TestFunction(t *testing.T) {
	var leaky, ref message
	ref.str(1, "alpha")
	ref.varint(20, attrFloat)
	ref.str(21, "slope")
	leaky.str(1, "in")
	leaky.str(2, "mid")
	leaky.str(4, "LeakyRelu")
	leaky.bytes(5, ref)
	var neg, fn message
	neg.str(1, "mid")
	neg.str(2, "out")
	neg.str(4, "Neg")
	fn.str(1, "NegLeaky")
	fn.str(4, "in")
	fn.str(5, "out")
	fn.str(6, "slope")
	fn.bytes(7, leaky)
	fn.bytes(7, neg)
	fn.str(10, "own")
	var call message
	call.str(1, "x")
	call.str(2, "y")
	call.str(4, "NegLeaky")
	call.str(7, "own")
	var a attrs
	a.float("slope", 0.5)
	call.bytes(5, a.m[0])
	b := newModel(17).input("x", 2).output("y")
	b.w.nodes.bytes(1, call)
	b.extra.bytes(25, fn)
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	require.Equal(t, []float32{2, -3}, eval(t, g, tensor.FromF32([]float32{-4, 3}, 2))[0].F32())
}

func TestIf(t *testing.T) {
	branch := func(op string) message {
		s := newModel(17)
		s.node(op, []string{"x"}, []string{"o"}, nil).output("o")
		return s.graph()
	}
	b := newModel(17).input("x", 2).output("y")
	cond := b.w.constant("cond", tensor.Tensor{Spec: tensor.Spec{DType: tensor.Bool}, Data: []byte{0}})
	b.node("If", []string{cond}, []string{"y"}, func(a *attrs) {
		a.add("then_branch", attrGraph, func(m *message) { m.bytes(6, branch("Abs")) })
		a.add("else_branch", attrGraph, func(m *message) { m.bytes(6, branch("Neg")) })
	})
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	require.Equal(t, []float32{4, -3}, eval(t, g, tensor.FromF32([]float32{-4, 3}, 2))[0].F32())
}

// TestHalf: a float16 network is computed in float32 and rounded at the end.
func TestHalf(t *testing.T) {
	half := func(dims ...int) tensor.Tensor {
		x := tensor.New(tensor.Spec{DType: tensor.F16, Shape: tensor.Of(dims...)})
		for i := range x.Bits16() {
			x.Bits16()[i] = 0x3c00 + uint16(i%7)<<6
		}
		return x
	}
	b := newModel(17)
	b.inputs = append(b.inputs, valueProto("x", tensor.Spec{DType: tensor.F16, Shape: tensor.Of(1, 2, 4, 4)}, "n"))
	b.output("y")
	w, bias := b.w.constant("w", half(3, 2, 3, 3)), b.w.constant("b", half(3))
	b.node("Conv", []string{"x", w, bias}, []string{"c"}, nil)
	b.node("Relu", []string{"c"}, []string{"r"}, nil)
	b.node("Flatten", []string{"r"}, []string{"f"}, nil)
	b.node("Softmax", []string{"f"}, []string{"y"}, nil)
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	casts := 0
	for i := range g.Len() {
		if g.Node(graph.ID(i)).Op.Kind() == ops.KindCast {
			casts++
		}
	}
	require.Equal(t, 2, casts, "at the input and at the output")
	y := eval(t, g, half(1, 2, 4, 4))[0]
	require.Equal(t, tensor.Spec{DType: tensor.F16, Shape: tensor.Of(1, 12)}, y.Spec)
	var sum float32
	for _, v := range y.Bits16() {
		sum += halfFloat(v)
	}
	require.InDelta(t, 1, sum, 1e-2)
}

// TestBlocks quantises with a scale for each two elements, and back.
func TestBlocks(t *testing.T) {
	b := newModel(21).input("x", 1, 3).output("y")
	scale := b.w.constant("s", tensor.FromF32([]float32{0.5, 2}, 1, 2))
	zero := b.w.constant("z", tensor.FromU8([]uint8{10, 100}, 1, 2))
	block := func(a *attrs) { a.int("block_size", 2) }
	b.node("QuantizeLinear", []string{"x", scale, zero}, []string{"q"}, block)
	b.node("DequantizeLinear", []string{"q", scale, zero}, []string{"y"}, block)
	b.output("q")
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	got := eval(t, g, tensor.FromF32([]float32{1.25, 500, -7}, 1, 3))
	require.Equal(t, []float32{1, 122.5, -8}, got[0].F32())
	require.Equal(t, []uint8{12, 255, 96}, got[1].U8())
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

// TestComputedTwice: a value has one node that computes it, and is no input or
// constant besides.
func TestComputedTwice(t *testing.T) {
	for _, twice := range []string{"x", "w", "y"} {
		b := newModel(17).input("x", 2, 4).output("y")
		b.w.constant("w", tensor.New(tensor.F32Spec(4)))
		b.node("Relu", []string{"x"}, []string{"y"}, nil)
		b.node("Neg", []string{"x"}, []string{twice}, nil)
		_, err := ImportBytes(b.bytes())
		require.ErrorIs(t, err, ErrFormat)
		require.ErrorContains(t, err, "twice")
	}
}

// TestExportNames: each name of a written model is one value's, also where an
// output is an input or has the name of one.
func TestExportNames(t *testing.T) {
	b := graph.NewBuilder("names")
	x := b.Input("x", tensor.F32Spec(1, 2), true)
	neg := b.Add("neg", &ops.Unary{Fn: ops.UnaryNeg}, nil, x)
	for _, o := range []struct {
		name string
		id   graph.ID
	}{{"x", x}, {"y", x}, {"x", neg}, {"y", neg}, {"x", x}} {
		b.Output(o.name, o.id)
	}
	g, err := b.Build()
	require.NoError(t, err)
	var w bytes.Buffer
	require.NoError(t, Export(&w, g))
	h, err := ImportBytes(w.Bytes())
	require.NoError(t, err)
	names := map[string]bool{}
	for _, o := range h.Outputs() {
		names[o.Name] = true
	}
	require.Len(t, names, 5)
	for i, out := range eval(t, h, tensor.FromF32([]float32{1, -2}, 1, 2)) {
		want := []float32{1, -2}
		if i == 2 || i == 3 {
			want = []float32{-1, 2}
		}
		require.Equal(t, want, out.F32(), i)
	}
}

// TestSquare: a power of 2 is a product, to the bit.
func TestSquare(t *testing.T) {
	for _, two := range []tensor.Tensor{tensor.FromF32([]float32{2}), tensor.FromF32([]float32{2}, 1), tensor.FromI64([]int64{2})} {
		b := newModel(13).input("x", -1, 9).output("y")
		b.node("Pow", []string{"x", b.w.constant("two", two)}, []string{"y"}, nil)
		g, err := ImportBytes(b.bytes())
		require.NoError(t, err)
		last := g.Node(g.Outputs()[0].ID).Op
		require.Equal(t, ops.BinaryMul, last.(*ops.Binary).Fn)
		x := []float32{0, -1.5, 3e-23, -3e-30, 1.0000001, 3.3e19, 1e-20, float32(math.Inf(-1)), 123456.78}
		y := eval(t, g, tensor.FromF32(x, 1, 9))[0].F32()
		for i, v := range x {
			require.Equal(t, math.Float32bits(float32(math.Pow(float64(v), 2))), math.Float32bits(y[i]), "%v", v)
		}
	}
}

// TestPowers: small powers go by products, roots and reciprocals, within an ulp or two.
func TestPowers(t *testing.T) {
	for e, kind := range map[float32]ops.Kind{3: ops.KindBinary, 0.5: ops.KindUnary, 0.75: ops.KindBinary, -1: ops.KindUnary, 1.5: ops.KindBinary} {
		b := newModel(13).input("x", -1, 7).output("y")
		b.node("Pow", []string{"x", b.w.constant("e", tensor.FromF32([]float32{e}))}, []string{"y"}, nil)
		g, err := ImportBytes(b.bytes())
		require.NoError(t, err)
		last := g.Node(g.Outputs()[0].ID).Op
		require.Equal(t, kind, last.Kind())
		require.Equal(t, e == 1.5, len(g.Node(g.Outputs()[0].ID).Params) == 1)
		x := []float32{0, -1.5, 3e-12, -3e-30, 1.0000001, 3.3e12, 123456.78}
		y := eval(t, g, tensor.FromF32(x, 1, 7))[0].F32()
		for i, v := range x {
			want := float32(math.Pow(float64(v), float64(e)))
			if want != want || math.IsInf(float64(want), 0) {
				require.Equal(t, math.IsNaN(float64(want)), math.IsNaN(float64(y[i])), "%v", v)
				continue
			}
			bound := 1.5e-7
			if e == 0.75 {
				bound = 2.1e-7 // three roundings of half a unit and one of a quarter
			}
			require.InDelta(t, want, y[i], bound*math.Abs(float64(want)), "%v to the %v", v, e)
		}
	}
}

// TestLargeOpenInput: an input that is too large at the batch that stands for an open
// one, as photographs are on 32-bit processors, is refused with what helps, and read
// where the batch is fixed.
func TestLargeOpenInput(t *testing.T) {
	n := math.MaxInt / 16 / nominalBatch
	dims := []int{-1, 1}
	for ; n > 1<<20; n >>= 20 {
		dims = append(dims, 1<<20)
	}
	dims = append(dims, n+1)
	m := newModel(13).input("x", dims...).output("y").node("Relu", []string{"x"}, []string{"y"}, nil).bytes()
	_, err := ImportBytes(m)
	require.ErrorContains(t, err, "--batch")
	_, err = ImportBytes(m, WithBatch(1))
	require.NoError(t, err)
}
