package ops

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// Operators along the first dimension, and weights made from images, do not keep samples apart.
func TestApart(t *testing.T) {
	x := tensor.Spec{DType: tensor.F32, Shape: tensor.Of(3, 4, 4)}
	m := tensor.Spec{DType: tensor.F32, Shape: tensor.Of(3, 4)}
	w := tensor.New(tensor.Spec{DType: tensor.F32, Shape: tensor.Of(4, 4)})
	for _, c := range []struct {
		name   string
		op     Op
		in     []tensor.Spec
		params []tensor.Tensor
		apart  []bool
		want   bool
	}{
		{"softmax of a row", &Softmax{Axis: -1}, []tensor.Spec{x}, nil, []bool{true}, true},
		{"softmax over the batch", &Softmax{Axis: 0}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"softmax over the batch from the end", &Softmax{Axis: -3}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"a norm over all", &LayerNorm{Axis: 0}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"a sum along the batch", &CumSum{Axis: 0}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"one range of all", &DynamicQuantize{}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"statistics of the batch", &BatchNorm{Training: true}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"statistics that ran", &BatchNorm{}, []tensor.Spec{x}, nil, []bool{true}, true},
		{"what is dropped goes by the place", &Dropout{Rate: .5, Training: true}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"places in the whole batch", &Pool{Output: 1}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"the batch turned round", &Slice{Starts: []int{-1}, Ends: []int{-9}, Steps: []int{-1}}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"columns turned round", &Slice{Starts: []int{-1}, Ends: []int{-9}, Axes: []int{1}, Steps: []int{-1}}, []tensor.Spec{x}, nil, []bool{true}, true},
		{"the batch moved", &Pad{Lo: []int{1, 0, 0}, Hi: []int{-1, 0, 0}}, []tensor.Spec{x}, nil, []bool{true}, false},
		{"a batch of products", &MatMul{}, []tensor.Spec{x, x}, nil, []bool{true, true}, true},
		{"all with all", &MatMul{TransB: true}, []tensor.Spec{m, m}, nil, []bool{true, true}, false},
		{"rows by weights", &MatMul{}, []tensor.Spec{m}, []tensor.Tensor{w}, []bool{true}, true},
		{"rows by weights", &Dense{}, []tensor.Spec{m}, []tensor.Tensor{w}, []bool{true}, true},
		{"weights of the batch", &Dense{}, []tensor.Spec{m, m}, nil, []bool{true, true}, false},
		{"another dimension's", &Binary{}, []tensor.Spec{x, m}, nil, []bool{true, true}, false},
		{"a constant's", &Binary{}, []tensor.Spec{x, m}, nil, []bool{true, false}, true},
		{"places of the batch", &Gather{Axis: 0}, []tensor.Spec{x, m}, nil, []bool{true, false}, false},
	} {
		require.Equal(t, c.want, Apart(c.op, c.in, c.params, c.apart, c.in[0]), c.name)
	}
}

// checkApart holds Apart to what it says of an operator: the first sample of the result is the same when the others change.
func checkApart(t *testing.T, op Op, in, params []tensor.Tensor) {
	t.Helper()
	if len(in) == 0 || in[0].Shape.Rank() == 0 || in[0].Shape.Dim(0) < 2 {
		return
	}
	n := in[0].Shape.Dim(0)
	apart, specs, one, other := make([]bool, len(in)), Specs(in), Specs(in), cloneAll(in)
	for i, x := range in {
		if apart[i] = x.Shape.Rank() > 0 && x.Shape.Dim(0) == n; apart[i] {
			one[i].Shape = x.Shape.With(0, 1)
			first := len(x.Data) / n
			for j := n - 1; j > 0; j-- { // values that suit the operator: the first's
				copy(other[i].Data[j*first:], x.Data[:first])
			}
		}
	}
	out, err := op.Infer(specs, Specs(params))
	require.NoError(t, err)
	single, err := op.Infer(one, Specs(params))
	if err != nil || out.Shape.Rank() == 0 || out.Shape.Dim(0) != n || single.Shape.Rank() == 0 || single.Shape.Dim(0) != 1 ||
		out.Shape.Elems() != n*single.Shape.Elems() || !Apart(op, specs, params, apart, out) {
		return
	}
	want, err := Run(op, in, params)
	require.NoError(t, err)
	got, err := Run(op, other, params)
	require.NoError(t, err)
	first := len(want.Data) / n
	require.Equal(t, want.Data[:first], got.Data[:first], "%v: %v does not keep samples apart", op.Kind(), op)
	for j := 1; j < n; j++ {
		require.Equal(t, got.Data[:first], got.Data[j*first:][:first], "%v: %v: sample %d", op.Kind(), op, j)
	}
}
