package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

var matMulShapes = []struct {
	a, b   []int
	ta, tb bool
	want   []int
}{
	{[]int{3, 4}, []int{4, 5}, false, false, []int{3, 5}},
	{[]int{4, 3}, []int{4, 5}, true, false, []int{3, 5}},
	{[]int{3, 4}, []int{5, 4}, false, true, []int{3, 5}},
	{[]int{4, 3}, []int{5, 4}, true, true, []int{3, 5}},
	{[]int{4}, []int{4, 5}, false, false, []int{5}},
	{[]int{3, 4}, []int{4}, false, false, []int{3}},
	{[]int{4}, []int{4}, false, false, []int{}},
	{[]int{2, 3, 4}, []int{4, 5}, false, false, []int{2, 3, 5}},
	{[]int{2, 1, 3, 4}, []int{3, 4, 5}, false, false, []int{2, 3, 3, 5}},
	{[]int{2, 1, 4, 3}, []int{3, 5, 4}, true, true, []int{2, 3, 3, 5}},
	{[]int{3, 4}, []int{2, 4, 5}, false, false, []int{2, 3, 5}},
}

func TestMatMul(t *testing.T) {
	for _, s := range matMulShapes {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			a, b := normalTensor(1, s.a...), normalTensor(2, s.b...)
			for _, alpha := range []float32{0, 0.5} {
				op := &MatMul{TransA: s.ta, TransB: s.tb, Alpha: alpha, Act: Relu}
				out, err := op.Infer([]tensor.Spec{a.Spec, b.Spec}, nil)
				require.NoError(t, err)
				require.Equal(t, tensor.Of(s.want...), out.Shape)
				checkFast(t, op, []tensor.Tensor{a, b}, nil, 1e-6)
				checkFast(t, op, []tensor.Tensor{a}, []tensor.Tensor{b}, 1e-6)
				checkFast(t, op, nil, []tensor.Tensor{a, b}, 1e-6)
				op.Act = Act{}
				checkGrad(t, op, []tensor.Tensor{a, b}, nil)
				checkGrad(t, op, []tensor.Tensor{a}, []tensor.Tensor{b})
			}
		})
	}
}

func TestMatMulValues(t *testing.T) {
	a := tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2)
	b := tensor.FromF32([]float32{5, 6, 7, 8}, 2, 2)
	out, err := Run(&MatMul{}, []tensor.Tensor{a, b}, nil)
	require.NoError(t, err)
	require.Equal(t, []float32{19, 22, 43, 50}, out.F32())
	out, err = Run(&MatMul{TransB: true, Alpha: 2}, []tensor.Tensor{a, b}, nil)
	require.NoError(t, err)
	require.Equal(t, []float32{34, 46, 78, 106}, out.F32())
}

func TestMatMulLarge(t *testing.T) {
	for _, s := range [][3]int{{130, 600, 300}, {1, 2000, 500}, {300, 33, 70}} {
		a, b := normalTensor(1, 2, s[0], s[1]), normalTensor(2, 2, s[1], s[2])
		checkFast(t, &MatMul{}, []tensor.Tensor{a, b}, nil, 2e-4)
		checkFast(t, &MatMul{}, []tensor.Tensor{a}, []tensor.Tensor{b}, 2e-4)
	}
}

func TestMatMulErrors(t *testing.T) {
	f := tensor.F32Spec
	_, err := (&MatMul{}).Infer([]tensor.Spec{f(2, 3), f(4, 5)}, nil)
	require.ErrorContains(t, err, "depth of 3")
	_, err = (&MatMul{}).Infer([]tensor.Spec{f(2, 3, 3), f(3, 3, 5)}, nil)
	require.ErrorContains(t, err, "broadcast")
	_, err = (&MatMul{}).Infer([]tensor.Spec{f(), f(3, 5)}, nil)
	require.ErrorContains(t, err, "scalar")
}
