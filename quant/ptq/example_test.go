package ptq_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
)

// noise is samples drawn anew each time they are asked for: real ones are a few
// of the network's inputs.
type noise int

func (n noise) Len() int { return int(n) }

func (n noise) Fill(i int, in []tensor.Tensor) error {
	rng := rand.New(rand.NewPCG(1, uint64(i)))
	for j := range in[0].F32() {
		in[0].F32()[j] = rng.Float32()
	}
	return nil
}

// A convolution of floats becomes one of integers.
func Example() {
	b := graph.NewBuilder("blur")
	x := b.Input("image", tensor.F32Spec(1, 8, 8, 1), true)
	weights := tensor.FromF32([]float32{.25, .25, .25, .25}, 1, 2, 2, 1) // [oc, kh, kw, ic]
	b.Output("blurred", b.Add("conv", &ops.Conv{}, []tensor.Tensor{weights}, x))
	g, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	samples := noise(20)
	q, err := ptq.Calibrate(context.Background(), g, samples, ptq.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	integers, err := q.Graph(nil) // for format.WriteFile, or runtime.New
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := q.Report(context.Background(), integers, samples, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range report {
		fmt.Println(l.Name, l.Kind, l.Type, l.SQNR > 30)
	}
	// Output: conv Conv i8 true
}
