package tune_test

import (
	"context"
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/tune"
)

// What is measured once is kept as bytes, and used when a model is opened. On another
// machine, or for another network, it is stale and changes nothing.
func Example() {
	b := graph.NewBuilder("one layer")
	x := b.Input("image", tensor.F32Spec(1, 14, 14, 16), true)
	b.Output("y", b.Add("conv", &ops.Conv{}, []tensor.Tensor{tensor.New(tensor.F32Spec(16, 3, 3, 16))}, x))
	g, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	setting := tune.Setting{Threads: 1, Batch: 1, Precision: "f32"}
	found, err := tune.Measure(context.Background(), g, setting, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var f tune.File
	f.Set(found)
	bytes, err := f.Encode()
	if err != nil {
		fmt.Println(err)
		return
	}

	again, err := tune.Parse(bytes)
	if err != nil {
		fmt.Println(err)
		return
	}
	choices, err := again.Choices(g, setting)
	if err != nil { // tune.ErrStale elsewhere
		fmt.Println(err)
		return
	}
	m, err := runtime.New(g, runtime.WithThreads(1), runtime.WithChoices(choices))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	fmt.Println(m.Outputs()[0])
	// Output: f32[1x12x12x16]
}
