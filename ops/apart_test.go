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
