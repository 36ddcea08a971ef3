package ops_test

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// An operator is run once by what defines it; package runtime runs whole networks.
func ExampleRun() {
	pool := &ops.Pool{Fn: ops.PoolAvg, Window: ops.Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}}
	image := tensor.FromF32([]float32{
		1, 3, 0, 0,
		5, 7, 0, 8,
	}, 1, 2, 4, 1) // NHWC
	y, err := ops.Run(pool, []tensor.Tensor{image}, nil)
	fmt.Println(y.Spec, y.F32(), err)
	_, err = pool.Infer([]tensor.Spec{tensor.F32Spec(1, 2)}, nil) // user errors are found here
	fmt.Println(err)
	// Output:
	// f32[1x1x2x1] [4 2] <nil>
	// ops: Pool: input 1x2 has 0 spatial dimensions, want 1 to 3
}
