package tests

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
)

// kerasCase is one layer reference of keras-js: arrays only, without the
// layer's attributes, which are in the tables here. No batch dimension.
type kerasCase struct {
	Input    kerasArray
	Weights  []kerasArray
	Expected kerasArray
}

type kerasArray struct {
	Data  []float32
	Shape []int
}

func (a kerasArray) tensor(dims ...int) tensor.Tensor { return tensor.FromF32(a.Data, dims...) }

// kerasFile reads a file of cases by name.
func kerasFile(t *testing.T, elem ...string) map[string]kerasCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{shared.Path(t, "conformance", "keras-js")}, elem...)...))
	require.NoError(t, err)
	cases := map[string]kerasCase{}
	require.NoError(t, json.Unmarshal(b, &cases))
	return cases
}

// run builds a graph on the case's input with a batch of 1 in front and
// compares its result on both paths, within 1e-5.
func (c kerasCase) run(t *testing.T, build func(b *graph.Builder, x graph.ID) graph.ID) {
	t.Helper()
	c.runWithin(t, 1e-5, build)
}

func (c kerasCase) runWithin(t *testing.T, tol float64, build func(b *graph.Builder, x graph.ID) graph.ID) {
	t.Helper()
	in := c.Input.tensor(append([]int{1}, c.Input.Shape...)...)
	b := graph.NewBuilder("")
	b.Output("y", build(b, b.Input("x", in.Spec, true)))
	g, err := b.Build()
	require.NoError(t, err)
	for how, y := range runBothWays(t, g, in) {
		require.Equal(t, tensor.Of(append([]int{1}, c.Expected.Shape...)...), y.Shape, how)
		for i, w := range c.Expected.Data { // recorded to six places
			require.InDelta(t, w, y.F32()[i], tol*max(1, math.Abs(float64(w))), "%s: element %d", how, i)
		}
	}
}

// kerasActs are Keras's activations as operators here.
var kerasActs = map[string]ops.Op{
	"elu": &ops.Unary{Fn: ops.UnaryElu, A: 1}, "selu": &ops.Unary{Fn: ops.UnarySelu, A: 1.6732632, B: 1.0507010},
	"softplus": &ops.Unary{Fn: ops.UnarySoftplus}, "softsign": &ops.Unary{Fn: ops.UnarySoftsign},
	"relu": &ops.Unary{Fn: ops.UnaryRelu}, "tanh": &ops.Unary{Fn: ops.UnaryTanh}, "sigmoid": &ops.Unary{Fn: ops.UnarySigmoid},
	"hard_sigmoid": &ops.Unary{Fn: ops.UnaryHardSigmoid, A: 0.2, B: 0.5}, "softmax": &ops.Softmax{Axis: -1}, "linear": &ops.Identity{},
}

func TestKerasActivations(t *testing.T) {
	for name, c := range kerasFile(t, "activations.json") {
		t.Run(name, func(t *testing.T) {
			op := kerasActs[strings.Split(name, ".")[1]]
			switch name {
			case "activations.relu.3":
				op = &ops.Unary{Fn: ops.UnaryClip, A: 0, B: 0.5}
			case "activations.relu.4":
				op = &ops.Unary{Fn: ops.UnaryLeakyRelu, A: 0.3}
			case "activations.elu.3":
				op = &ops.Unary{Fn: ops.UnaryElu, A: 0.5}
			}
			require.NotNil(t, op)
			c.run(t, func(b *graph.Builder, x graph.ID) graph.ID { return b.Add("", op, nil, x) })
		})
	}
}

// kernelToOurs turns Keras's [k..., ic, oc] into [oc, k..., ic].
func kernelToOurs(w kerasArray) tensor.Tensor {
	n := len(w.Shape)
	oc, rest := w.Shape[n-1], len(w.Data)/w.Shape[n-1]
	out := tensor.New(tensor.F32Spec(append([]int{oc}, w.Shape[:n-1]...)...))
	for o := range oc {
		for i := range rest {
			out.F32()[o*rest+i] = w.Data[i*oc+o]
		}
	}
	return out
}

// params are the weights of a convolution or dense layer in our layout.
func kerasParams(w []kerasArray) []tensor.Tensor {
	p := []tensor.Tensor{kernelToOurs(w[0])}
	if len(w) > 1 {
		p = append(p, w[1].tensor(w[1].Shape...))
	}
	return p
}

func TestKerasConv(t *testing.T) {
	same, valid := ops.PadSameUpper, ops.PadValid
	table := map[string][]struct {
		auto             ops.AutoPad
		stride, dilation []int
		act              string
	}{
		"Conv1D": {
			{valid, []int{1}, []int{1}, "linear"}, {valid, []int{1}, []int{1}, "linear"}, {same, []int{2}, []int{1}, "sigmoid"},
			{same, []int{1}, []int{1}, "tanh"}, {same, []int{1}, []int{2}, "tanh"},
		},
		"Conv2D": {
			{valid, []int{1, 1}, []int{1, 1}, "linear"}, {valid, []int{1, 1}, []int{1, 1}, "linear"}, {valid, []int{2, 2}, []int{1, 1}, "relu"},
			{valid, []int{2, 1}, []int{1, 1}, "relu"}, {same, []int{1, 1}, []int{1, 1}, "relu"}, {same, []int{2, 2}, []int{1, 1}, "relu"},
			{same, []int{3, 2}, []int{1, 1}, "relu"}, {valid, []int{1, 1}, []int{2, 2}, "linear"}, {valid, []int{1, 1}, []int{2, 2}, "linear"},
			{valid, []int{1, 1}, []int{3, 3}, "relu"}, {same, []int{1, 1}, []int{2, 2}, "relu"}, {same, []int{1, 1}, []int{4, 4}, "relu"},
		},
	}
	for layer, rows := range table {
		cases := kerasFile(t, "layers", "convolutional", layer+".json")
		require.Len(t, cases, len(rows))
		for i, r := range rows {
			name := "convolutional." + layer + "." + string(rune('0'+i%10))
			if i >= 10 {
				name = "convolutional." + layer + ".1" + string(rune('0'+i-10))
			}
			t.Run(name, func(t *testing.T) {
				c, ok := cases[name]
				require.True(t, ok)
				c.run(t, func(b *graph.Builder, x graph.ID) graph.ID {
					win := ops.Window{Stride: r.stride, Dilation: r.dilation, Auto: r.auto}
					x = b.Add("", &ops.Conv{Window: win}, kerasParams(c.Weights), x)
					return b.Add("", kerasActs[r.act], nil, x)
				})
			})
		}
	}
}

func TestKerasPooling(t *testing.T) {
	rows := []struct {
		size, stride []int // a nil stride is the size
		auto         ops.AutoPad
		first        bool // channels first
	}{
		{[]int{2, 2}, nil, ops.PadValid, false}, {[]int{2, 2}, []int{1, 1}, ops.PadValid, false}, {[]int{2, 2}, []int{2, 1}, ops.PadValid, false},
		{[]int{3, 3}, nil, ops.PadValid, false}, {[]int{3, 3}, []int{3, 3}, ops.PadValid, false}, {[]int{2, 2}, nil, ops.PadSameUpper, false},
		{[]int{2, 2}, []int{1, 1}, ops.PadSameUpper, false}, {[]int{2, 2}, []int{2, 1}, ops.PadSameUpper, false}, {[]int{3, 3}, nil, ops.PadSameUpper, false},
		{[]int{3, 3}, []int{3, 3}, ops.PadSameUpper, false}, {[]int{3, 3}, []int{2, 2}, ops.PadValid, true}, {[]int{3, 3}, []int{1, 1}, ops.PadSameUpper, true},
		{[]int{2, 2}, nil, ops.PadValid, true},
	}
	for layer, fn := range map[string]ops.PoolFn{"MaxPooling2D": ops.PoolMax, "AveragePooling2D": ops.PoolAvg} {
		cases := kerasFile(t, "layers", "pooling", layer+".json")
		require.Len(t, cases, len(rows))
		for i, r := range rows {
			name := "pooling." + layer + "." + []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}[i]
			t.Run(name, func(t *testing.T) {
				c, ok := cases[name]
				require.True(t, ok)
				c.run(t, func(b *graph.Builder, x graph.ID) graph.ID {
					if r.first {
						x = b.Add("", &ops.Transpose{Perm: []int{0, 2, 3, 1}}, nil, x)
					}
					win := ops.Window{Kernel: r.size, Stride: r.stride, Auto: r.auto}
					if r.stride == nil {
						win.Stride = r.size
					}
					x = b.Add("", &ops.Pool{Window: win, Fn: fn}, nil, x)
					if r.first {
						x = b.Add("", &ops.Transpose{Perm: []int{0, 3, 1, 2}}, nil, x)
					}
					return x
				})
			})
		}
	}
}

func TestKerasDense(t *testing.T) {
	acts := []string{"linear", "sigmoid", "softplus"}
	for name, c := range kerasFile(t, "layers", "core", "Dense.json") {
		t.Run(name, func(t *testing.T) {
			c.run(t, func(b *graph.Builder, x graph.ID) graph.ID {
				x = b.Add("", &ops.Dense{}, kerasParams(c.Weights), x)
				return b.Add("", kerasActs[acts[int(name[len(name)-1]-'0')%3]], nil, x)
			})
		})
	}
}

func TestKerasActivationLayer(t *testing.T) {
	acts := []string{"softmax", "elu", "selu", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "linear"}
	for name, c := range kerasFile(t, "layers", "core", "Activation.json") {
		t.Run(name, func(t *testing.T) {
			c.run(t, func(b *graph.Builder, x graph.ID) graph.ID {
				x = b.Add("", &ops.Dense{}, kerasParams(c.Weights), x)
				return b.Add("", kerasActs[acts[name[len(name)-1]-'0']], nil, x)
			})
		})
	}
}

func TestKerasFlatten(t *testing.T) {
	for name, c := range kerasFile(t, "layers", "core", "Flatten.json") {
		t.Run(name, func(t *testing.T) {
			c.run(t, func(b *graph.Builder, x graph.ID) graph.ID {
				return b.Add("", &ops.Reshape{Dims: []int{0, -1}}, nil, x)
			})
		})
	}
}

// TestKerasAdd sums dense layers that read one input.
func TestKerasAdd(t *testing.T) {
	for name, c := range kerasFile(t, "layers", "merge", "Add.json") {
		t.Run(name, func(t *testing.T) {
			c.run(t, func(b *graph.Builder, x graph.ID) graph.ID {
				sum := graph.ID(-1)
				for i := 0; i < len(c.Weights); i += 2 {
					y := b.Add("", &ops.Dense{}, kerasParams(c.Weights[i:i+2]), x)
					if sum >= 0 {
						y = b.Add("", &ops.Binary{Fn: ops.BinaryAdd}, nil, sum, y)
					}
					sum = y
				}
				return sum
			})
		})
	}
}

// TestKerasBatchNorm has Keras's weights in order: gamma, beta, mean and
// variance, the first two optional. The operator here works on the last axis.
func TestKerasBatchNorm(t *testing.T) {
	rows := []struct {
		eps         float32
		axis        int // with the batch as 0; 0 means last
		gamma, beta bool
	}{
		{1e-5, 0, true, true}, {1e-2, 0, true, true}, {1e-5, 1, true, true}, {1e-5, 2, true, true},
		{1e-5, 3, false, true}, {1e-5, 0, true, false}, {1e-3, 0, false, false},
	}
	cases := kerasFile(t, "layers", "normalization", "BatchNormalization.json")
	require.Len(t, cases, len(rows))
	for i, r := range rows {
		name := "normalization.BatchNormalization." + string(rune('0'+i))
		t.Run(name, func(t *testing.T) {
			c, ok := cases[name]
			require.True(t, ok)
			w := c.Weights
			n := w[0].Shape[0]
			next := func(given bool, def float32) tensor.Tensor {
				if given {
					p := w[0].tensor(n)
					w = w[1:]
					return p
				}
				p := tensor.New(tensor.F32Spec(n))
				for i := range p.F32() {
					p.F32()[i] = def
				}
				return p
			}
			params := []tensor.Tensor{next(r.gamma, 1), next(r.beta, 0), next(true, 0), next(true, 1)}
			rank := 1 + len(c.Input.Shape)
			perm := make([]int, rank) // swaps the axis with the last; its own inverse
			for i := range perm {
				perm[i] = i
			}
			if r.axis > 0 {
				perm[r.axis], perm[rank-1] = rank-1, r.axis
			}
			c.run(t, func(b *graph.Builder, x graph.ID) graph.ID {
				x = b.Add("", &ops.Transpose{Perm: perm}, nil, x)
				x = b.Add("", &ops.BatchNorm{Eps: r.eps}, params, x)
				return b.Add("", &ops.Transpose{Perm: perm}, nil, x)
			})
		})
	}
}
