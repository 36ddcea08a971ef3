package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

// Products of equal shapes, of a gate on either side, and of shapes that go the long way.
func TestMulGrad(t *testing.T) {
	for _, c := range []struct {
		x, y []int
		fast bool
	}{
		{[]int{2, 3, 5, 7}, []int{2, 3, 5, 7}, true},
		{[]int{2, 3, 5, 7}, []int{2, 1, 1, 7}, true},
		{[]int{2, 1, 1, 19}, []int{2, 2, 2, 19}, true},
		{[]int{1, 15, 20, 3}, []int{1, 1, 1, 3}, true}, // more lines than one sum takes
		{[]int{2, 6, 3}, []int{2, 1, 3}, true},
		{[]int{2, 3, 5}, []int{1, 1, 5}, false},
		{[]int{2, 3, 5}, []int{2, 3, 1}, false},
	} {
		t.Run(fmt.Sprint(c.x, c.y), func(t *testing.T) {
			x, y := normalTensor(1, c.x...), normalTensor(2, c.y...)
			out, err := (&Binary{Fn: BinaryMul}).Infer([]tensor.Spec{x.Spec, y.Spec}, nil)
			require.NoError(t, err)
			require.Equal(t, c.fast, newMulGrad(0, out.Shape, []tensor.Spec{x.Spec, y.Spec}) != nil)
			checkGrad(t, &Binary{Fn: BinaryMul}, []tensor.Tensor{x, y}, nil)
			checkGrad(t, &Binary{Fn: BinaryMul}, []tensor.Tensor{x}, []tensor.Tensor{y})
		})
	}
}
