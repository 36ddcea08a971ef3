package onnx

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// write has TestMicrosoft write testdata/microsoft.onnx, from which
// testdata/microsoft.js makes testdata/microsoft.json by ONNX Runtime.
var write = flag.Bool("write", false, "write testdata/microsoft.onnx")

// foreign writes networks with operators of com.microsoft.
type foreign struct {
	*builder
	within map[string]float64 // by output: what it may differ by
}

// op adds an operator of com.microsoft.
func (b foreign) op(op string, in []string, out string, set func(a *attrs)) string {
	start := len(b.w.nodes)
	b.node(op, in, []string{out}, set)
	w := wire{b: b.w.nodes[start:], what: "node"}
	w.next()
	m := message(append([]byte(nil), w.raw...))
	m.str(7, "com.microsoft")
	b.w.nodes = b.w.nodes[:start]
	b.w.nodes.bytes(1, m)
	return out
}

// integers is x in integers, with the names of its scale and zero point.
func (b foreign) integers(x string, scale float32, zero tensor.Tensor) []string {
	q := []string{b.w.fresh(x + "_q"), b.w.scalar("scale", scale), b.w.constant("zero", zero)}
	b.node("QuantizeLinear", []string{x, q[1], q[2]}, q[:1], nil)
	return q
}

// float makes y, of this scale and zero point, an output in float32.
func (b foreign) float(y, scale, zero string, within float64) {
	b.node("DequantizeLinear", []string{y, scale, zero}, []string{y + "_f"}, nil)
	b.result(y+"_f", within)
}

func (b foreign) result(name string, within float64) {
	b.output(name)
	b.within[name] = within
}

// weights are n numbers between -1 and 1.
func weights(seed, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(float64(seed*31 + i*7)))
	}
	return x
}

// microsoft has one of each operator of com.microsoft that is read, but those whose
// handlers are those of ONNX's own.
func microsoft() foreign {
	b := foreign{newModel(17), map[string]float64{}}
	var domain message
	domain.str(1, "com.microsoft")
	domain.varint(2, 1)
	b.extra.bytes(8, domain)
	b.input("x", 1, 4, 6, 6).input("s", 1, 6, 8)
	b.floatOps()
	b.composedOps()
	b.integerOps()
	return b
}

func (b foreign) floatOps() {
	w := b.w.constant("w", tensor.FromF32(weights(1, 4*4*9), 4, 4, 3, 3))
	bias := b.w.floats("bias", weights(2, 4)...)
	for _, c := range []struct {
		act    string
		params []float32
		sum    bool
	}{{"Relu", nil, false}, {"Clip", []float32{0, 1.5}, false}, {"LeakyRelu", []float32{0.2}, true}, {"HardSigmoid", []float32{0.3, 0.4}, false}, {"Tanh", nil, true}} {
		in := []string{"x", w, bias}
		if c.sum {
			in = append(in, "x")
		}
		b.result(b.op("FusedConv", in, "conv_"+c.act, func(a *attrs) {
			a.ints("pads", []int{1, 1, 1, 1})
			a.str("activation", c.act)
			if c.params != nil {
				a.add("activation_params", attrFloats, func(m *message) {
					for _, v := range c.params {
						m.float(7, v)
					}
				})
			}
		}), 2e-5)
	}
	b.node("Flatten", []string{"s"}, []string{"flat"}, nil)
	b.result(b.op("FusedGemm", []string{"flat", b.w.constant("gw", tensor.FromF32(weights(3, 5*48), 5, 48)), b.w.floats("gb", weights(4, 5)...)}, "gemm", func(a *attrs) {
		a.int("transB", 1)
		a.float("alpha", 0.5)
		a.str("activation", "LeakyRelu")
		a.float("activation_alpha", 0.1)
	}), 2e-5)
	b.result(b.op("FusedMatMul", []string{"s", "s"}, "matmul", func(a *attrs) { a.int("transA", 1); a.float("alpha", 0.25) }), 2e-5)
	b.result(b.op("FusedMatMul", []string{"s", "s"}, "matmul_b", func(a *attrs) { a.int("transB", 1) }), 2e-5)
	row := b.w.floats("row", weights(5, 8)...)
	b.result(b.op("Gelu", []string{"s"}, "gelu", nil), 1e-5)
	b.result(b.op("BiasGelu", []string{"s", row}, "bias_gelu", nil), 1e-5)
	b.result(b.op("FastGelu", []string{"s", row}, "fast_gelu", nil), 1e-5)
	b.result(b.op("QuickGelu", []string{"s"}, "quick_gelu", nil), 1e-5)
	gamma, beta := b.w.floats("gamma", weights(6, 8)...), b.w.floats("beta", weights(7, 8)...)
	b.result(b.op("SkipLayerNormalization", []string{"s", "gelu", gamma, beta, row}, "skip", nil), 2e-5)
	b.node("SimplifiedLayerNormalization", []string{"s", gamma}, []string{"rms"}, nil)
	b.result("rms", 2e-5)
}

// composedOps are operators of ONNX's own that are functions of others, as
// SimplifiedLayerNormalization is.
func (b foreign) composedOps() {
	b.node("Hardmax", []string{"s"}, []string{"hardmax"}, nil)
	b.result("hardmax", 0)
	b.node("MeanVarianceNormalization", []string{"x"}, []string{"mvn"}, nil)
	b.result("mvn", 1e-5)
	b.node("Sqrt", []string{"s"}, []string{"root"}, nil)
	b.node("IsNaN", []string{"root"}, []string{"none"}, nil)
	b.node("Cast", []string{"none"}, []string{"negative"}, func(a *attrs) { a.int("to", typeFloat) })
	b.result("negative", 0)
	at := b.w.constant("at", tensor.FromI64([]int64{0, -1, 0, 2, -1, -4}, 3, 2))
	b.node("GatherND", []string{"x", at}, []string{"picked"}, nil)
	b.result("picked", 0)
	at = b.w.constant("at_all", tensor.FromI64([]int64{0, 5, -8}, 1, 3))
	b.node("GatherND", []string{"s", at}, []string{"element"}, nil)
	b.result("element", 0)
}

func (b foreign) integerOps() {
	zu := func(z uint8) tensor.Tensor { return tensor.FromU8([]uint8{z}) }
	zi := func(z int8) tensor.Tensor { return tensor.FromI8([]int8{z}) }
	join := func(lists ...[]string) (all []string) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	out := func(scale float32, zero tensor.Tensor) []string {
		return []string{b.w.scalar("scale", scale), b.w.constant("zero", zero)}
	}
	x, neg := b.integers("x", 0.02, zu(120)), b.integers("x", 0.03, zi(-7))
	half := b.integers("conv_HardSigmoid", 0.004, zu(3))
	for _, c := range []struct {
		op    string
		in    []string
		scale float32
		zero  tensor.Tensor
		set   func(a *attrs)
	}{
		{"QLinearAdd", join(x, half), 0.025, zu(100), nil},
		{"QLinearMul", join(neg, neg), 0.05, zi(-20), nil},
		{"QLinearLeakyRelu", x, 0.02, zu(60), func(a *attrs) { a.float("alpha", 0.3) }},
		{"QLinearSigmoid", neg, 0.004, zi(-128), nil},
		{"QLinearSoftmax", x, 0.004, zu(0), func(a *attrs) { a.int("axis", 1); a.int("opset", 13) }},
		{"QLinearGlobalAveragePool", neg, 0.01, zi(5), func(a *attrs) { a.int("channels_last", 1) }},
		{"QLinearAveragePool", x, 0.015, zu(90), func(a *attrs) { a.ints("kernel_shape", []int{3, 2}); a.ints("strides", []int{2, 1}) }},
	} {
		q, within := out(c.scale, c.zero), 1e-6
		if c.op == "QLinearSoftmax" {
			within += 0.004 // one unit
		}
		b.float(b.op(c.op, join(c.in, q), c.op, c.set), q[0], q[1], within)
	}
	q := out(0.03, zu(110))
	b.float(b.op("QLinearConcat", join(q, x, half, x), "QLinearConcat", func(a *attrs) { a.int("axis", 1) }), q[0], q[1], 1e-6)
	b.node("Greater", []string{"x", b.w.scalar("limit", 0.25)}, []string{"mask"}, nil)
	b.float(b.op("QLinearWhere", join([]string{"mask"}, x, half, q), "QLinearWhere", nil), q[0], q[1], 1e-6)

	s := b.integers("s", 0.02, zu(125))
	w := tensor.New(tensor.Spec{DType: tensor.I8, Shape: tensor.Of(8, 5)})
	for i := range w.Data {
		w.Data[i] = byte(i*37%255 - 127)
	}
	wq := []string{b.w.constant("w8", w), b.w.floats("ws", 0.01, 0.02, 0.015, 0.01, 0.03), b.w.constant("wz", tensor.FromI8(make([]int8, 5), 5))}
	rows := b.w.ints("rows", []int{6, 8})
	b.node("Reshape", []string{s[0], rows}, []string{"s6"}, nil)
	c32 := b.w.constant("c32", tensor.FromI32([]int32{100, -300, 50, 0, 700}, 5))
	q = out(0.1, zu(128))
	b.float(b.op("QGemm", join([]string{"s6"}, s[1:], wq, []string{c32}, q), "QGemm", nil), q[0], q[1], 1e-6)
	b.result(b.op("QGemm", join([]string{"s6"}, s[1:], wq, []string{c32}), "QGemm_float", nil), 1e-4)
	bias := b.w.floats("mb", weights(9, 5)...)
	b.result(b.op("MatMulIntegerToFloat", []string{s[0], wq[0], s[1], wq[1], s[2], wq[2], bias}, "integer_to_float", nil), 1e-4)
	b.result(b.op("DynamicQuantizeMatMul", []string{"s", wq[0], wq[1], wq[2], bias}, "dynamic", nil), 1e-4)

	wc := tensor.New(tensor.Spec{DType: tensor.I8, Shape: tensor.Of(3, 6, 3, 3)})
	for i := range wc.Data {
		wc.Data[i] = byte(i*53%255 - 127)
	}
	cq := []string{b.w.constant("wc8", wc), b.w.scalar("wcs", 0.005), b.w.constant("wcz", zi(0))}
	q = out(0.08, zu(128)) // x with its second dimension as height, its last as channels
	b.float(b.op("QLinearConv", join(x, cq, q), "QLinearConv", func(a *attrs) { a.int("channels_last", 1); a.ints("pads", []int{1, 1, 1, 1}) }), q[0], q[1], 1e-6)
	b.float(b.op("NhwcMaxPool", x[:1], "NhwcMaxPool", func(a *attrs) { a.ints("kernel_shape", []int{2, 3}) }), x[1], x[2], 1e-6)
}

// TestMicrosoft compares with what ONNX Runtime gives.
func TestMicrosoft(t *testing.T) {
	b := microsoft()
	if *write {
		require.NoError(t, os.WriteFile("testdata/microsoft.onnx", b.bytes(), 0o644))
	}
	file, err := os.ReadFile("testdata/microsoft.onnx")
	require.NoError(t, err)
	require.Equal(t, file, b.bytes(), "the reference is of another network: -write, then microsoft.js")
	var ref struct {
		Inputs, Outputs map[string][]float32
	}
	text, err := os.ReadFile("testdata/microsoft.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &ref))
	g, err := ImportBytes(b.bytes())
	require.NoError(t, err)
	var in []tensor.Tensor
	for _, id := range g.Inputs() {
		n := g.Node(id)
		in = append(in, tensor.FromF32(ref.Inputs[n.Name], n.Out.Shape.Dims()...))
	}
	got := eval(t, g, in...)
	require.Len(t, got, len(ref.Outputs))
	for i, o := range g.Outputs() {
		want, y := ref.Outputs[o.Name], got[i].F32()
		require.Len(t, y, len(want), o.Name)
		require.Contains(t, b.within, o.Name)
		for k := range want {
			require.InDelta(t, want[k], y[k], b.within[o.Name], "%s[%d]", o.Name, k)
		}
	}
}

// TestMicrosoftRefused: what such operators cannot do here is said, not guessed.
func TestMicrosoftRefused(t *testing.T) {
	for what, set := range map[string]func(b foreign){
		"activation is \"Swish\"": func(b foreign) {
			b.op("FusedConv", []string{"x", "w"}, "y", func(a *attrs) { a.str("activation", "Swish") })
		},
		"no input 1": func(b foreign) { b.op("QLinearAdd", []string{"x"}, "y", nil) },
		"transBatchA": func(b foreign) {
			b.op("FusedMatMul", []string{"x", "x"}, "y", func(a *attrs) { a.int("transBatchA", 1) })
		},
		"com.microsoft.Attention":  func(b foreign) { b.op("Attention", []string{"x"}, "y", nil) },
		"before ONNX Runtime":      func(b foreign) { b.op("Attention", []string{"x"}, "y", nil) },
		"the input has no spatial": func(b foreign) { b.op("NhwcMaxPool", []string{"row"}, "y", nil) },
	} {
		b := foreign{newModel(17), map[string]float64{}}
		b.input("x", 1, 4, 6, 6).input("row", 1, 4).output("y")
		b.w.constant("w", tensor.FromF32(weights(1, 4*4*9), 4, 4, 3, 3))
		set(b)
		_, err := ImportBytes(b.bytes())
		require.ErrorContains(t, err, what)
	}
}
