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
		{[]int{2, 3, 5}, []int{1, 1, 5}, true},
		{[]int{2, 3, 5}, []int{1}, true},
		{[]int{5}, []int{2, 3, 5}, false},
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

// Operands of more than one piece, with gradients that are set and added to.
func TestMulGradPieces(t *testing.T) {
	for _, other := range [][]int{{90, 40, 5}, {5}, {1}} {
		x, y, d := normalTensor(1, 90, 40, 5), normalTensor(2, other...), normalTensor(3, 90, 40, 5)
		for _, sets := range []bool{false, true} {
			k := newMulGrad(0, x.Shape, []tensor.Spec{x.Spec, y.Spec})
			k.sets = sets
			dx := normalTensor(4, 90, 40, 5)
			want := make([]float32, len(dx.F32()))
			for i, v := range d.F32() {
				want[i] = v * y.F32()[i%len(y.F32())]
				if !sets {
					want[i] += dx.F32()[i]
				}
			}
			k.Run(&Grads{In: []tensor.Tensor{x, y}, DOut: d, DIn: []tensor.Tensor{dx, {}}, Pool: closing(t, 3)})
			require.InDeltaSlice(t, want, dx.F32(), 1e-6)
		}
	}
}
