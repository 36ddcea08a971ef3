package train_test

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
)

// A dense layer learns which of two numbers is larger.
func Example() {
	b := graph.NewBuilder("larger")
	x := b.Input("x", tensor.F32Spec(1, 2), true)
	b.Output("class", b.Add("fc", &ops.Dense{}, []tensor.Tensor{tensor.New(tensor.F32Spec(2, 2)), tensor.New(tensor.F32Spec(2))}, x))
	g, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	t, err := train.New(g, train.Config{Batch: 4, Optimizer: train.SGD{Momentum: 0.9}, Schedule: train.Constant(0.5)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	pairs := tensor.FromF32([]float32{1, 2, 3, -1, 0, 4, 2, 1}, 4, 2)
	larger := tensor.FromI32([]int32{1, 0, 1, 0}, 4)
	var loss float32
	for range 100 {
		if loss, err = t.Step(pairs, larger); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("learned:", loss < 0.05)
	// Output: learned: true
}
