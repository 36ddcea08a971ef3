package tests

import (
	"math"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
)

// window is a case's window over an input of h x w for an output of oh x ow;
// the file gives the padding before, the sizes give the padding after.
func (c *cmsisCase) window(h, w, oh, ow int) ops.Window {
	win := ops.Window{
		Kernel:   []int{c.n("FILTER_Y", "FILTER_H"), c.n("FILTER_X", "FILTER_W")},
		Stride:   []int{c.n("STRIDE_Y", "STRIDE_H"), c.n("STRIDE_X", "STRIDE_W")},
		Dilation: []int{c.n("DILATION_Y", "DILATION_H"), c.n("DILATION_X", "DILATION_W")},
		PadLo:    []int{c.pad("PAD_Y", "PADDING_H"), c.pad("PAD_X", "PADDING_W")},
	}
	for i, in := range []int{h, w} {
		out := []int{oh, ow}[i]
		win.PadHi = append(win.PadHi, max(0, (out-1)*win.Stride[i]+(win.Kernel[i]-1)*win.Dilation[i]+1-in-win.PadLo[i]))
	}
	return win
}

func (c *cmsisCase) conv(b *graph.Builder) graph.ID {
	data := c.array("input_data", "input")
	h, w, ic, oc := c.n("INPUT_H"), c.n("INPUT_W"), c.n("IN_CH"), c.n("OUT_CH")
	x := c.input(b, c.tensor(data, -c.pad("INPUT_OFFSET"), len(data)/(h*w*ic), h, w, ic))
	op := &ops.Conv{Window: c.window(h, w, c.n("OUTPUT_H"), c.n("OUTPUT_W")), Act: c.clip(), Out: c.out()}
	kh, kw := op.Kernel[0], op.Kernel[1]
	var wt tensor.Tensor
	if c.num("CH_MULT", 0) > 0 { // [1, kh, kw, oc] to [oc, kh, kw, 1]
		op.Groups = ic
		src := c.weights(0, 1, kh, kw, oc)
		wt = tensor.New(tensor.Spec{DType: src.DType, Shape: tensor.Of(oc, kh, kw, 1)})
		if !c.float {
			wt.Quant = tensor.PerChannel(c.multipliers(oc), 0)
		}
		for i := range kh * kw {
			for o := range oc {
				if c.float {
					wt.F32()[o*kh*kw+i] = src.F32()[i*oc+o]
				} else {
					wt.I8()[o*kh*kw+i] = src.I8()[i*oc+o]
				}
			}
		}
	} else {
		icg := c.n("FILTER_CH", "IN_CH")
		op.Groups = ic / icg
		wt = c.weights(0, oc, kh, kw, icg)
	}
	op.Kernel = nil
	return b.Add("y", op, c.bias([]tensor.Tensor{wt}), x)
}

func (c *cmsisCase) transposeConv(b *graph.Builder) graph.ID {
	data := c.array("input")
	h, w, ic, oc := c.n("INPUT_H"), c.n("INPUT_W"), c.n("IN_CH"), c.n("OUT_CH")
	x := c.input(b, c.tensor(data, -c.pad("INPUT_OFFSET"), len(data)/(h*w*ic), h, w, ic))
	kh, kw := c.n("FILTER_Y", "FILTER_H"), c.n("FILTER_X", "FILTER_W")
	op := &ops.ConvTranspose{Act: c.clip(), Out: c.out()}
	op.Stride = []int{c.n("STRIDE_Y", "STRIDE_H"), c.n("STRIDE_X", "STRIDE_W")}
	op.PadLo = []int{c.pad("PAD_Y", "PADDING_H"), c.pad("PAD_X", "PADDING_W")}
	for i, out := range []int{c.n("OUTPUT_H"), c.n("OUTPUT_W")} {
		cut := ([]int{h, w}[i]-1)*op.Stride[i] + []int{kh, kw}[i] - op.PadLo[i] - out
		op.PadHi, op.OutputPad = append(op.PadHi, max(0, cut)), append(op.OutputPad, max(0, -cut))
	}
	src := c.weights(0, oc, kh, kw, ic) // to [ic, kh, kw, oc]
	wt := tensor.New(tensor.Spec{DType: src.DType, Shape: tensor.Of(ic, kh, kw, oc)})
	if !c.float {
		wt.Quant = tensor.PerChannel(c.multipliers(oc), 3)
	}
	for o := range oc {
		for k := range kh * kw {
			for i := range ic {
				from, to := (o*kh*kw+k)*ic+i, (i*kh*kw+k)*oc+o
				if c.float {
					wt.F32()[to] = src.F32()[from]
				} else {
					wt.I8()[to] = src.I8()[from]
				}
			}
		}
	}
	return b.Add("y", op, c.bias([]tensor.Tensor{wt}), x)
}

func (c *cmsisCase) dense(b *graph.Builder) graph.ID {
	data := c.array("input_data", "input")
	in := c.n("INPUT_W") * c.n("INPUT_H") * c.n("IN_CH")
	x := c.input(b, c.tensor(data, -c.pad("INPUT_OFFSET"), len(data)/in, in))
	wt := c.weights(-c.pad("FILTER_OFFSET"), c.n("OUT_CH"), in)
	return b.Add("y", &ops.Dense{Act: c.clip(), Out: c.out()}, c.bias([]tensor.Tensor{wt}), x)
}

func (c *cmsisCase) pool(b *graph.Builder) graph.ID {
	data := c.array("input_tensor")
	h, w, ch := c.n("INPUT_H"), c.n("INPUT_W"), c.n("INPUT_C")
	x := c.input(b, c.tensor(data, 0, len(data)/(h*w*ch), h, w, ch))
	op := &ops.Pool{Window: c.window(h, w, c.n("OUTPUT_H"), c.n("OUTPUT_W")), Fn: ops.PoolMax, Act: c.clip()}
	if c.hasPrefix("avg") {
		op.Fn = ops.PoolAvg
	}
	return b.Add("y", op, nil, x)
}

func (c *cmsisCase) binary(b *graph.Builder) graph.ID {
	shape := func(i string, n int) []int {
		if c.num("BATCH_"+i, 0) == 0 {
			return []int{n}
		}
		return []int{c.n("BATCH_" + i), c.n("HEIGHT_" + i), c.n("WIDTH_" + i), c.n("CHANNEL_" + i)}
	}
	var in []graph.ID
	op := &ops.Binary{Act: c.clip()}
	for i, n := range []string{"1", "2"} {
		data := c.array("input"+n, "input_tensor_"+n)
		x := c.tensor(data, -c.pad("INPUT"+n+"_OFFSET"), shape(n, len(data))...)
		switch {
		case c.hasPrefix("maximum"):
			op.Fn = ops.BinaryMax
		case c.hasPrefix("minimum"):
			op.Fn = ops.BinaryMin
		case c.hasPrefix("mul"):
			op.Fn, op.Out = ops.BinaryMul, c.out()
			if i == 0 && !c.float {
				x.Quant.Scale = c.multipliers(1)
			}
		default:
			op.Fn = ops.BinaryAdd
		}
		in = append(in, c.input(b, x))
	}
	if c.hasPrefix("maximum", "minimum") {
		op.Act = ops.Act{}
	}
	return b.Add("y", op, nil, in...)
}

// softmax of integers: the input scale is inside a multiplier of 26 fraction
// bits.
func (c *cmsisCase) softmax(b *graph.Builder) graph.ID {
	data := c.array("input")
	x := c.tensor(data, 0, c.n("NUM_ROWS"), c.n("ROW_SIZE"))
	op := &ops.Softmax{Axis: -1}
	if !c.float {
		x.Quant.Scale[0] = float32(math.Ldexp(c.num("INPUT_MULT", 0), int(c.num("INPUT_LEFT_SHIFT", 0))-31-26))
		op.Out = ops.QuantOut(tensor.I8, 1.0/256, -128)
	}
	return b.Add("y", op, nil, c.input(b, x))
}

func (c *cmsisCase) batchNorm(b *graph.Builder) graph.ID {
	data, n := c.array("input"), c.n("INPUT_C")
	x := c.tensor(data, 0, len(data)/n/c.n("INPUT_H")/c.n("INPUT_W"), c.n("INPUT_H"), c.n("INPUT_W"), n)
	one := tensor.New(tensor.F32Spec(n))
	for i := range one.F32() {
		one.F32()[i] = 1
	}
	return b.Add("y", &ops.BatchNorm{}, []tensor.Tensor{
		c.tensor(c.array("scale"), 0, n), c.tensor(c.array("bias"), 0, n), tensor.New(tensor.F32Spec(n)), one,
	}, c.input(b, x))
}

func (c *cmsisCase) concat(b *graph.Builder) graph.ID {
	var in []graph.ID
	for _, s := range []string{"LHS", "RHS"} {
		data := c.array(map[string]string{"LHS": "lhs_input", "RHS": "rhs_input"}[s])
		in = append(in, c.input(b, c.tensor(data, 0, c.n("INPUT_N"), c.n("INPUT_H"), c.n("INPUT_W"), c.n(s+"_C"))))
	}
	return b.Add("y", &ops.Concat{Axis: -1}, nil, in...)
}

func (c *cmsisCase) padding(b *graph.Builder) graph.ID {
	data := c.array("input_tensor")
	op := &ops.Pad{Mode: ops.PadConstant, Value: float32(c.num("PAD_VALUE", 0))}
	var dims []int
	for _, d := range []string{"N", "H", "W", "C"} {
		dims = append(dims, c.n("INPUT_"+d))
		op.Lo, op.Hi = append(op.Lo, c.pad("PRE_PAD_"+d)), append(op.Hi, c.pad("POST_PAD_"+d))
	}
	return b.Add("y", op, nil, c.input(b, c.tensor(data, 0, dims...)))
}

func (c *cmsisCase) transpose(b *graph.Builder) graph.ID {
	data := c.array("input_tensor")
	var dims, perm []int
	for i, d := range []string{"N", "H", "W", "C"} {
		if i >= c.n("NUM_DIMS") {
			break
		}
		dims = append(dims, c.n("INPUT_"+d))
		perm = append(perm, c.pad("PERM_"+strconv.Itoa(i)))
	}
	return b.Add("y", &ops.Transpose{Perm: perm}, nil, c.input(b, c.tensor(data, 0, dims...)))
}

// dscnn is the body of a keyword network: four depthwise and pointwise pairs,
// average, dense, softmax.
func (c *cmsisCase) dscnn(b *graph.Builder) graph.ID {
	h, w, ch := c.n("INPUT_H"), c.n("INPUT_W"), c.n("CHANNELS")
	x := c.input(b, c.tensor(c.array("input_data"), 0, 1, h, w, ch))
	relu := ops.Clip(float32(c.num("RELU_MIN", 0)), float32(c.num("RELU_MAX", 0)))
	get := func(name string, dims ...int) tensor.Tensor { return c.tensor(c.array(name), 0, dims...) }
	for i := range c.n("NUM_BLOCKS") {
		n := strconv.Itoa(i)
		src := get("dwconv"+n+"_weights_data", 9, ch)
		dw := tensor.New(tensor.F32Spec(ch, 3, 3, 1))
		for k := range 9 {
			for o := range ch {
				dw.F32()[o*9+k] = src.F32()[k*ch+o]
			}
		}
		pads := []int{1, 1}
		x = b.Add("dw", &ops.Conv{Window: ops.Window{PadLo: pads, PadHi: pads}, Groups: ch, Act: relu},
			[]tensor.Tensor{dw, get("dwconv"+n+"_biases_data", ch)}, x)
		x = b.Add("pw", &ops.Conv{Act: relu}, []tensor.Tensor{get("pwconv"+n+"_weights_data", ch, 1, 1, ch), get("pwconv"+n+"_biases_data", ch)}, x)
	}
	x = b.Add("pool", &ops.Pool{Window: ops.Window{Kernel: []int{c.n("AVGPOOL_FILTER_H"), c.n("AVGPOOL_FILTER_W")}}, Fn: ops.PoolAvg}, nil, x)
	x = b.Add("flat", &ops.Reshape{Dims: []int{1, -1}}, nil, x)
	n := c.n("NUM_CLASSES")
	x = b.Add("fc", &ops.Dense{}, []tensor.Tensor{get("fc_weights_data", n, c.n("POOLED_SIZE")), get("fc_biases_data", n)}, x)
	return b.Add("softmax", &ops.Softmax{Axis: -1}, nil, x)
}

// TestCMSISNNActivations runs the activation vectors, which have four results.
func TestCMSISNNActivations(t *testing.T) {
	for _, name := range []string{"activation_f32", "activation_f16"} {
		c := readCMSIS(t, filepath.Join(shared.Path(t, "conformance", "cmsis-nn"), name+".json"))
		tol := 1e-5
		if name == "activation_f16" {
			tol = 1e-2
		}
		for suffix, op := range map[string]*ops.Unary{
			"hardswish": {Fn: ops.UnaryHardSwish}, "leaky_relu": {Fn: ops.UnaryLeakyRelu, A: float32(c.num("LEAKY_RELU_PARAM", 0))},
			"sigmoid": {Fn: ops.UnarySigmoid}, "tanh": {Fn: ops.UnaryTanh},
		} {
			x := c.array("input")
			b := graph.NewBuilder(name)
			in := c.tensor(x, 0, len(x))
			b.Output("y", b.Add("y", op, nil, b.Input("x", in.Spec, false)))
			g, err := b.Build()
			require.NoError(t, err)
			for how, y := range runBothWays(t, g, in) {
				for i, w := range c.array("output_ref_" + suffix) {
					require.InDelta(t, w, float64(y.F32()[i]), tol*max(1, math.Abs(w)), "%s %s %s", name, suffix, how)
				}
			}
		}
	}
}
