package tests

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
)

// cmsisOneOff names the integer vectors that differ from ours by one unit
// somewhere. CMSIS-NN requantises as TFLite's built-in kernels do, with a
// fixed point multiplier and two roundings; our rule is XNNPACK's, one float32
// product rounded half to even. All other vectors are equal.
var cmsisOneOff = []string{
	"conv_1_x_n_7", "conv_2_int4", "depthwise_int4_generic", "kernel1x1_stride_x_int4", "kernel1x1_stride_x_y_int4",
}

// TestCMSISNN runs the kernel vectors of ARM's CMSIS-NN, each as a graph of one
// operator.
func TestCMSISNN(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Path(t, "conformance", "cmsis-nn"), "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	skipped := map[string]string{}
	for _, f := range files {
		c := readCMSIS(t, f)
		if why := c.unsupported(); why != "" {
			skipped[c.Case] = why
			continue
		}
		t.Run(c.Case, func(t *testing.T) {
			b := graph.NewBuilder(c.Case)
			b.Output("y", c.build(t, b))
			g, err := b.Build()
			require.NoError(t, err)
			got := runBothWays(t, g, c.inputs...)
			for how, y := range got {
				c.check(t, how, y)
			}
		})
	}
	var names []string
	for n, why := range skipped {
		names = append(names, n+": "+why)
	}
	sort.Strings(names)
	t.Logf("%d of %d vectors run, %d skipped:\n%s", len(files)-len(skipped), len(files), len(skipped), strings.Join(names, "\n"))
}

// cmsisCase is one file: a case name, numbers by name, arrays by name, all
// prefixed with the case.
type cmsisCase struct {
	Case   string
	Config map[string]any
	Arrays map[string]struct {
		DType string
		Data  []float64
	}
	inputs []tensor.Tensor
	float  bool
}

func readCMSIS(t *testing.T, path string) *cmsisCase {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	c := new(cmsisCase)
	require.NoError(t, json.Unmarshal(b, c), path)
	return c
}

// unsupported says why a case cannot run here.
func (c *cmsisCase) unsupported() string {
	for name, a := range c.Arrays {
		if a.DType == "int16_t" {
			return "16-bit activations (" + strings.TrimPrefix(name, c.Case+"_") + ")"
		}
	}
	if _, ok := c.Config[strings.ToUpper(c.Case)+"_IN_DIM"].(string); ok {
		return "the file does not say the shapes"
	}
	return ""
}

// num is a number of the configuration, def where it is absent.
func (c *cmsisCase) num(name string, def float64) float64 {
	if v, ok := c.Config[strings.ToUpper(c.Case)+"_"+name].(float64); ok {
		return v
	}
	return def
}

// n is the first of several numbers that is there.
func (c *cmsisCase) n(names ...string) int {
	for _, s := range names {
		if v := c.num(s, math.NaN()); v == v {
			return int(v)
		}
	}
	return 1
}

// pad is n with absent paddings 0.
func (c *cmsisCase) pad(names ...string) int {
	for _, s := range names {
		if v := c.num(s, math.NaN()); v == v {
			return int(v)
		}
	}
	return 0
}

// array is the first of several arrays that is there, nil if none is.
func (c *cmsisCase) array(names ...string) []float64 {
	for _, s := range names {
		if a, ok := c.Arrays[c.Case+"_"+s]; ok {
			c.float = strings.HasPrefix(a.DType, "float")
			return a.Data
		}
	}
	return nil
}

// tensor is an array in float32, or in int8 with scale 1 and a zero point.
func (c *cmsisCase) tensor(data []float64, zero int, dims ...int) tensor.Tensor {
	if c.float {
		x := tensor.New(tensor.F32Spec(dims...))
		for i, v := range data {
			x.F32()[i] = float32(v)
		}
		return x
	}
	x := tensor.New(tensor.Spec{DType: tensor.I8, Shape: tensor.Of(dims...), Quant: tensor.Affine(1, zero)})
	for i, v := range data {
		x.I8()[i] = int8(v)
	}
	return x
}

// input declares the next input of the graph.
func (c *cmsisCase) input(b *graph.Builder, x tensor.Tensor) graph.ID {
	c.inputs = append(c.inputs, x)
	return b.Input("x", x.Spec, false)
}

// clip is the activation of a case. Limits of integers are in stored units;
// with an output scale of 1 they are real numbers less the zero point.
func (c *cmsisCase) clip() ops.Act {
	lo, hi := c.num("OUT_ACTIVATION_MIN", c.num("ACTIVATION_MIN", math.Inf(-1))), c.num("OUT_ACTIVATION_MAX", c.num("ACTIVATION_MAX", math.Inf(1)))
	if math.IsInf(lo, 0) {
		return ops.Act{}
	}
	z := 0.0
	if !c.float {
		z = c.num("OUTPUT_OFFSET", 0)
	}
	return ops.Clip(float32(lo-z), float32(hi-z))
}

// out is the output type: int8 with scale 1 and the case's zero point.
func (c *cmsisCase) out() ops.OutType {
	if c.float {
		return ops.OutType{}
	}
	return ops.QuantOut(tensor.I8, 1, int(c.num("OUTPUT_OFFSET", 0)))
}

// weights are a product's weights: real multipliers become their scales, for
// the input's and the result's are 1. Four-bit ones are two in a byte, the low
// half first.
func (c *cmsisCase) weights(zero int, dims ...int) tensor.Tensor {
	data := c.array("weights_data", "weights", "input_weights")
	n := tensor.Of(dims...).Elems()
	if len(data) < n {
		var all []float64
		for _, v := range data {
			all = append(all, float64(int8(int(v)<<4)>>4), float64(int8(int(v))>>4))
		}
		data = all[:n]
	}
	w := c.tensor(data, zero, dims...)
	if !c.float {
		w.Quant = tensor.Quant{Scale: c.multipliers(dims[0]), Zero: slices.Repeat([]int32{int32(zero)}, dims[0])}
		if len(w.Quant.Scale) == 1 {
			w.Quant.Zero = w.Quant.Zero[:1]
		}
	}
	return w
}

// multipliers are the requantisation factors, mult * 2^(shift-31).
func (c *cmsisCase) multipliers(n int) []float32 {
	one := func(m, s float64) float32 { return float32(math.Ldexp(m, int(s)-31)) }
	mult, shift := c.array("output_mult", "output_multiplier"), c.array("output_shift")
	if mult == nil {
		return []float32{one(c.num("OUTPUT_MULTIPLIER", c.num("OUTPUT_MULT", 0)), c.num("OUTPUT_SHIFT", 0))}
	}
	var s []float32
	for i := range mult {
		s = append(s, one(mult[i], shift[i]))
	}
	return s[:min(n, len(s))]
}

// bias is a product's bias, or none.
func (c *cmsisCase) bias(params []tensor.Tensor) []tensor.Tensor {
	float := c.float
	data := c.array("biases_data", "biases", "bias", "input_bias")
	c.float = float
	if data == nil {
		return params
	}
	if float {
		return append(params, c.tensor(data, 0, len(data)))
	}
	v := make([]int32, len(data))
	for i := range v {
		v[i] = int32(data[i])
	}
	return append(params, tensor.FromI32(v, len(v)))
}

// check compares a result with the expected one.
func (c *cmsisCase) check(t *testing.T, how string, y tensor.Tensor) {
	t.Helper()
	want := c.array("output_ref_data", "output_ref", "output")
	require.Equal(t, len(want), y.Shape.Elems(), how)
	if !c.float {
		worst := 0
		for i, w := range want {
			worst = max(worst, int(w)-int(y.I8()[i]), int(y.I8()[i])-int(w))
		}
		if slices.Contains(cmsisOneOff, c.Case) {
			require.Equal(t, 1, worst, "%s: equal to CMSIS-NN after all? then the list is wrong", how)
			return
		}
		require.Zero(t, worst, "%s: differs by up to %d", how, worst)
		return
	}
	tol := 1e-5
	if strings.HasSuffix(c.Case, "f16") || strings.Contains(c.Case, "_f16_") { // computed in half precision there
		tol = 1e-2
	}
	var scale float64
	for _, w := range want {
		scale = max(scale, math.Abs(w))
	}
	for i, w := range want {
		require.LessOrEqual(t, math.Abs(w-float64(y.F32()[i])), tol*max(scale, 1), "%s: element %d: want %v, got %v", how, i, w, y.F32()[i])
	}
}

// runBothWays runs a graph on the reference paths and through the runtime.
func runBothWays(t *testing.T, g *graph.Graph, in ...tensor.Tensor) map[string]tensor.Tensor {
	t.Helper()
	ref, err := evalGraph(g, in...)
	require.NoError(t, err)
	return map[string]tensor.Tensor{"reference": ref[0], "runtime": runSession(t, g, in...)[0]}
}

// hasPrefix reports whether a case belongs to one of the families.
func (c *cmsisCase) hasPrefix(p ...string) bool {
	return slices.ContainsFunc(p, func(s string) bool { return strings.HasPrefix(c.Case, s) })
}

// build adds the case's operator and says which value is the result.
func (c *cmsisCase) build(t *testing.T, b *graph.Builder) graph.ID {
	t.Helper()
	switch {
	case c.hasPrefix("activation"):
		t.Skip("four outputs: see TestCMSISNNActivations")
	case c.hasPrefix("ds_cnn"):
		return c.dscnn(b)
	case c.hasPrefix("transpose_conv", "reverse_transpose_conv"):
		return c.transposeConv(b)
	case c.hasPrefix("transpose"):
		return c.transpose(b)
	case c.hasPrefix("fully_connected", "fc_"):
		return c.dense(b)
	case c.hasPrefix("avgpooling", "maxpool"):
		return c.pool(b)
	case c.hasPrefix("add", "mul", "maximum", "minimum"):
		return c.binary(b)
	case c.hasPrefix("softmax"):
		return c.softmax(b)
	case c.hasPrefix("bn_"):
		return c.batchNorm(b)
	case c.hasPrefix("concat"):
		return c.concat(b)
	case c.hasPrefix("pad_"):
		return c.padding(b)
	case c.array("weights_data", "weights", "input_weights") != nil:
		return c.conv(b)
	}
	t.Fatal(fmt.Sprint("no family for ", c.Case))
	return -1
}
