package train

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/onnx"
)

// The ONNX suite's preview.training operators and batch norm in training mode
// are not operators of a graph here but what a Trainer does. These tests give a
// Trainer's parts the suite's inputs and expect its outputs, within the suite's
// own tolerance.

// each calls f for every field n of a protobuf message.
func each(t *testing.T, b []byte, n protowire.Number, f func(typ protowire.Type, v []byte)) {
	t.Helper()
	for len(b) > 0 {
		num, typ, size := protowire.ConsumeTag(b)
		require.Positive(t, size)
		b = b[size:]
		size = protowire.ConsumeFieldValue(num, typ, b)
		require.Positive(t, size)
		if v := b[:size]; num == n {
			if typ == protowire.BytesType {
				v, _ = protowire.ConsumeBytes(v)
			}
			f(typ, v)
		}
		b = b[size:]
	}
}

// suiteCase is a case's operator, the attributes that are numbers or strings,
// and its data.
type suiteCase struct {
	op      string
	number  map[string]float32
	word    map[string]string
	in, out []tensor.Tensor
}

func readCase(t *testing.T, op string, elem ...string) *suiteCase {
	t.Helper()
	dir := shared.Path(t, append([]string{"conformance", "onnx"}, elem...)...)
	model, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	require.NoError(t, err)
	c := &suiteCase{number: map[string]float32{}, word: map[string]string{}}
	each(t, model, 7, func(_ protowire.Type, g []byte) { // graph
		each(t, g, 1, func(_ protowire.Type, n []byte) { // node
			kind := ""
			each(t, n, 4, func(_ protowire.Type, v []byte) { kind = string(v) })
			if kind != op {
				return
			}
			c.op = kind
			each(t, n, 5, func(_ protowire.Type, a []byte) { // attribute
				name := ""
				each(t, a, 1, func(_ protowire.Type, v []byte) { name = string(v) })
				each(t, a, 2, func(_ protowire.Type, v []byte) {
					x, _ := protowire.ConsumeFixed32(v)
					c.number[name] = math.Float32frombits(x)
				})
				each(t, a, 3, func(_ protowire.Type, v []byte) {
					x, _ := protowire.ConsumeVarint(v)
					c.number[name] = float32(x)
				})
				each(t, a, 4, func(_ protowire.Type, v []byte) { c.word[name] = string(v) })
			})
		})
	})
	require.Equal(t, op, c.op)
	read := func(kind string) (ts []tensor.Tensor) {
		for i := 0; ; i++ {
			b, err := os.ReadFile(filepath.Join(dir, "test_data_set_0", fmt.Sprintf("%s_%d.pb", kind, i)))
			if err != nil {
				return ts
			}
			_, x, err := onnx.ParseTensor(b)
			require.NoError(t, err)
			ts = append(ts, x)
		}
	}
	c.in, c.out = read("input"), read("output")
	return c
}

func near(t *testing.T, want, got []float32, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	for i, w := range want {
		require.InDelta(t, w, got[i], 1e-7+3e-5*math.Abs(float64(w)), "%s[%d]", what, i)
	}
}

// TestONNXOptimizers: Momentum, Adam and Adagrad, one tensor or two. Inputs are
// the rate R, the count T of updates, then the tensors, their gradients and
// states; outputs the new tensors and states.
func TestONNXOptimizers(t *testing.T) {
	for _, name := range []string{"Momentum test_momentum", "Momentum test_momentum_multiple", "Adam test_adam_multiple", "Adagrad test_adagrad_multiple"} {
		op, dir, _ := strings.Cut(name, " ")
		c := readCase(t, op, "node", dir)
		rate, count := c.in[0].F32()[0], c.in[1].I64()[0]
		u := update{decay: true, rate: rate, scale: 1, n: int(count)}
		var o Optimizer
		l2 := c.number["norm_coefficient"]
		switch op {
		case "Momentum":
			// V_new = alpha*V + beta*G, with beta 1 at the first update: SGD's
			// momentum has no factor beside the gradient.
			require.True(t, count == 0 || c.number["beta"] == 1)
			o = SGD{Momentum: c.number["alpha"], Nesterov: c.word["mode"] == "nesterov", WeightDecay: l2}
		case "Adam":
			// ONNX corrects the rate for T > 0 alone and adds epsilon to what is
			// not corrected: with t = T, or undone at T = 0.
			require.Zero(t, c.number["norm_coefficient_post"])
			a, b := float64(c.number["alpha"]), float64(c.number["beta"])
			c1, c2 := 1-a, math.Sqrt(1-b) // what AdamW's first update corrects by
			require.Zero(t, count)
			u.rate = float32(float64(rate) * c1 / c2)
			o = AdamW{Beta1: c.number["alpha"], Beta2: c.number["beta"], Eps: c.number["epsilon"] / float32(c2), WeightDecay: l2, Coupled: true}
		case "Adagrad":
			o = Adagrad{Eps: c.number["epsilon"], RateDecay: c.number["decay_factor"], WeightDecay: l2}
		}
		require.NoError(t, o.check())
		n := (len(c.in) - 2) / (2 + o.slots())
		require.Len(t, c.out, n*(1+o.slots()), name)
		for i := range n {
			w, g := c.in[2+i].Clone().F32(), c.in[2+n+i].F32()
			var state [2][]float32
			for s := range o.slots() {
				state[s] = c.in[2+(2+s)*n+i].Clone().F32()
			}
			o.update(u, w, g, state)
			near(t, c.out[i].F32(), w, fmt.Sprint(name, " tensor ", i))
			for s := range o.slots() {
				near(t, c.out[(1+s)*n+i].F32(), state[s], fmt.Sprint(name, " state ", s, " of ", i))
			}
		}
	}
}

// TestONNXGradient: the gradient of a sum by its terms, as a Trainer's graph
// differentiation finds it: the terms are parameters, and the loss falls by as
// much as the sum grows.
func TestONNXGradient(t *testing.T) {
	c := readCase(t, "Gradient", "simple", "test_gradient_of_add")
	b := graph.NewBuilder("sum")
	x := b.Input("x", tensor.F32Spec(1, 1), true)
	for i, name := range []string{"a", "b"} {
		x = b.Add(name, &ops.Binary{Fn: ops.BinaryAdd}, []tensor.Tensor{tensor.FromF32(c.in[i].F32(), 1, 1)}, x)
	}
	b.Output("c", x)
	g, err := b.Build()
	require.NoError(t, err)
	tr, err := New(g, Config{Batch: 1, Loss: MeanSquares, Schedule: Constant(0), Gradients: true, Trainable: func(*graph.Node, int) bool { return true }})
	require.NoError(t, err)
	defer tr.Close()
	sum := c.out[0].F32()[0]
	tr.Target().F32()[0] = sum - 0.5 // (c - target)² has the derivative 1
	_, err = tr.StepInPlace()
	require.NoError(t, err)
	near(t, c.out[0].F32(), tr.Scores().F32(), "c")
	near(t, c.out[1].F32(), tr.Gradient("a.0"), "dc/da")
	near(t, c.out[2].F32(), tr.Gradient("b.0"), "dc/db")
}

// TestONNXBatchNormTraining: output and running statistics of batch norm in
// training mode are those of a Trainer's forward run.
func TestONNXBatchNormTraining(t *testing.T) {
	c := readCase(t, "BatchNormalization", "node", "test_batchnorm_example_training_mode")
	require.Equal(t, float32(1), c.number["training_mode"])
	last := func(x tensor.Tensor) tensor.Tensor {
		y, err := ops.Run(&ops.Transpose{Perm: []int{0, 2, 3, 1}}, []tensor.Tensor{x}, nil)
		require.NoError(t, err)
		return y
	}
	x, want := last(c.in[0]), last(c.out[0])
	bn := &ops.BatchNorm{Eps: 1e-5, Momentum: 0.9}
	if v, ok := c.number["epsilon"]; ok {
		bn.Eps = v
	}
	if v, ok := c.number["momentum"]; ok {
		bn.Momentum = v
	}
	b := graph.NewBuilder("norm")
	in := b.Input("x", x.Spec, true)
	b.Output("y", b.Add("bn", bn, c.in[1:5], in))
	g, err := b.Build()
	require.NoError(t, err)
	tr, err := New(g, Config{Batch: x.Shape.Dim(0), Loss: MeanSquares, Schedule: Constant(0)})
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Step(x, tensor.New(want.Spec))
	require.NoError(t, err)
	near(t, want.F32(), tr.Scores().F32(), "y")
	tuned, err := tr.Graph()
	require.NoError(t, err)
	near(t, c.out[1].F32(), tuned.Node(1).Params[2].F32(), "running mean")
	near(t, c.out[2].F32(), tuned.Node(1).Params[3].F32(), "running variance")
}
