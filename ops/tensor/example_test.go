package tensor_test

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// A tensor is a spec and a view of bytes, of floats or of integers that stand for them.
func Example() {
	image := tensor.FromF32([]float32{0, 1, 2, 3, 4, 5}, 1, 2, 3, 1) // NHWC, shares the slice
	fmt.Println(image.Spec, image.Bytes(), "bytes,", image.Shape.Dim(-2), "wide")

	q := tensor.New(tensor.Spec{DType: tensor.I8, Shape: tensor.Of(2), Quant: tensor.Affine(0.5, -3)})
	copy(q.I8(), []int8{-3, 1})
	scale, zero := q.Quant.At(0)
	for _, v := range q.I8() {
		fmt.Println(scale * float32(int32(v)-zero))
	}
	// Output:
	// f32[1x2x3x1] 24 bytes, 3 wide
	// 0
	// 2
}
