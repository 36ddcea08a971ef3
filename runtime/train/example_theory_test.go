package train_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
)

// taught is g after that many steps on stripes.
func taught(g *graph.Graph, steps int, cfg train.Config) (*graph.Graph, error) {
	t, err := train.New(g, cfg)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	rng := rand.New(rand.NewPCG(11, 12))
	for range steps {
		draw(rng, t.Input(0).F32(), t.Target().I32())
		if _, err := t.StepInPlace(); err != nil {
			return nil, err
		}
	}
	return t.Graph()
}

// The fast gradient sign method (Goodfellow et al. 2015): each pixel is moved a little
// to where the loss grows. The network does not learn, so nothing of it is copied.
func ExampleTrainer_InputGradient() {
	g, err := taught(stripes(), 100, train.Config{Batch: 16, Schedule: train.Constant(0.1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	const n, strength = 64, 0.5
	images, classes := make([]float32, 64*n), make([]int32, n)
	draw(rand.New(rand.NewPCG(13, 14)), images, classes)

	t, err := train.New(g, train.Config{
		Batch: n, Norm: train.NormFrozen, InputGradients: true,
		Trainable: func(*graph.Node, int) bool { return false },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	copy(t.Input(0).F32(), images)
	copy(t.Target().I32(), classes)
	if _, err := t.StepInPlace(); err != nil {
		fmt.Println(err)
		return
	}
	attacked := make([]float32, len(images))
	for i, d := range t.InputGradient(0).F32() {
		switch {
		case d > 0:
			attacked[i] = images[i] + strength
		case d < 0:
			attacked[i] = images[i] - strength
		}
	}
	before, err := right(g, images, classes)
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := right(g, attacked, classes)
	fmt.Println(before > 0.95, after < 0.6, err)
	// Output: true true <nil>
}

// Layers near the input, which know what images have in common, learn slower than the
// head; the first bias not at all.
func ExampleConfig_rates() {
	rates := func(n *graph.Node, param int) float32 {
		switch {
		case n.Name == "norm" && param == 1:
			return 0 // does not learn
		case strings.HasPrefix(n.Name, "head"):
			return 1
		}
		return 0.1
	}
	t, err := train.New(stripes(), train.Config{Schedule: train.Cosine(0.1, 1000), Rates: rates})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	fmt.Println(t.Parameters())
	// Output: [conv.0 norm.0 head.0 head.1]
}

// A search for an architecture: networks of different widths and kernels are built,
// trained shortly and compared, and the smallest that is good enough is taken.
func Example_search() {
	build := func(width, kernel int) (*graph.Graph, error) {
		rng := rand.New(rand.NewPCG(1, uint64(width)))
		random := func(dims ...int) tensor.Tensor {
			t := tensor.New(tensor.F32Spec(dims...))
			for i, v := 0, t.F32(); i < len(v); i++ {
				v[i] = float32(rng.NormFloat64()) / 3
			}
			return t
		}
		b := graph.NewBuilder(fmt.Sprintf("%d channels, kernel %d", width, kernel))
		x := b.Input("image", tensor.F32Spec(1, 8, 8, 1), true)
		x = b.Add("conv", &ops.Conv{}, []tensor.Tensor{random(width, kernel, kernel, 1)}, x)
		x = b.Add("relu", &ops.Unary{Fn: ops.UnaryRelu}, nil, x)
		x = b.Add("pool", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, x)
		x = b.Add("flat", &ops.Reshape{Dims: []int{0, -1}}, nil, x)
		b.Output("direction", b.Add("head", &ops.Dense{}, []tensor.Tensor{random(2, width), tensor.New(tensor.F32Spec(2))}, x))
		return b.Build()
	}
	images, classes := make([]float32, 64*200), make([]int32, 200)
	draw(rand.New(rand.NewPCG(15, 16)), images, classes)
	best, params := "", 0
	for _, width := range []int{2, 8, 16} {
		for _, kernel := range []int{1, 2, 3} { // 1 cannot tell directions apart
			g, err := build(width, kernel)
			if err != nil {
				fmt.Println(err)
				return
			}
			if g, err = taught(g, 200, train.Config{Batch: 16, Schedule: train.Cosine(0.3, 200)}); err != nil {
				continue // it diverged
			}
			share, err := right(g, images, classes)
			if err != nil {
				fmt.Println(err)
				return
			}
			if share > 0.95 && (best == "" || g.ParamCount() < params) {
				best, params = g.Name(), g.ParamCount()
			}
		}
	}
	fmt.Println(best)
	// Output: 2 channels, kernel 2
}
