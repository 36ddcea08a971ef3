package train_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/train"
)

// stripes is a network with a convolution, batch norm and a head of two classes,
// its weights drawn at random.
func stripes() *graph.Graph {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(dims ...int) tensor.Tensor {
		t := tensor.New(tensor.F32Spec(dims...))
		for i, v := 0, t.F32(); i < len(v); i++ {
			v[i] = float32(rng.NormFloat64()) / 3
		}
		return t
	}
	ones := func(n int) tensor.Tensor {
		t := tensor.New(tensor.F32Spec(n))
		for i, v := 0, t.F32(); i < n; i++ {
			v[i] = 1
		}
		return t
	}
	zeros := func(n int) tensor.Tensor { return tensor.New(tensor.F32Spec(n)) }
	b := graph.NewBuilder("stripes")
	x := b.Input("image", tensor.F32Spec(1, 8, 8, 1), true)
	x = b.Add("conv", &ops.Conv{}, []tensor.Tensor{random(8, 3, 3, 1)}, x) // [oc, kh, kw, ic]
	x = b.Add("norm", &ops.BatchNorm{Eps: 1e-5, Momentum: 0.9}, []tensor.Tensor{ones(8), zeros(8), zeros(8), ones(8)}, x)
	x = b.Add("relu", &ops.Unary{Fn: ops.UnaryRelu}, nil, x)
	x = b.Add("pool", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, x)
	x = b.Add("flat", &ops.Reshape{Dims: []int{0, -1}}, nil, x)
	x = b.Add("head", &ops.Dense{}, []tensor.Tensor{random(2, 8), zeros(2)}, x)
	b.Output("direction", x)
	g, err := b.Build()
	if err != nil {
		panic(err)
	}
	return g
}

// draw fills a batch with noise and stripes that go down (0) or across (1).
func draw(rng *rand.Rand, images []float32, classes []int32) {
	for i := range classes {
		classes[i] = int32(rng.IntN(2))
		image := images[64*i:][:64]
		for p := range image {
			along := []int{p % 8, p / 8}[classes[i]]
			image[p] = float32(along%2) + float32(rng.NormFloat64())/4
		}
	}
}

// right is the share of images that g gets right, as it infers: running statistics
// in place of a batch's.
func right(g *graph.Graph, images []float32, classes []int32) (float64, error) {
	m, err := runtime.New(g)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	s, err := m.NewSession(runtime.WithBatch(len(classes)))
	if err != nil {
		return 0, err
	}
	copy(s.Input(0).Float32(), images)
	if err := s.Run(context.Background()); err != nil {
		return 0, err
	}
	n := 0
	for i, scores := 0, s.Output(0).Float32(); i < len(classes); i++ {
		if (scores[2*i+1] > scores[2*i]) == (classes[i] == 1) {
			n++
		}
	}
	return float64(n) / float64(len(classes)), nil
}

// A loop with a loader that writes into the trainer's own memory, a schedule,
// clipping, validation after each epoch, the best state kept, and an end when
// nothing improves or the loss is no number.
func ExampleTrainer() {
	const steps, epochs, patience = 10, 30, 4
	cfg := train.Config{
		Batch:     16,
		Optimizer: train.AdamW{WeightDecay: 0.01}, // decays weights, not biases and norms
		Schedule:  train.Warmup(steps, train.Cosine(0.02, epochs*steps)),
		ClipNorm:  5,
		// Norm: train.NormFrozen and Trainable leave a part as it is
	}
	t, err := train.New(stripes(), cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	dir, err := os.MkdirTemp("", "train")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	checkpoint := filepath.Join(dir, "best")

	rng := rand.New(rand.NewPCG(3, 4))
	heldImages, heldClasses := make([]float32, 64*50), make([]int32, 50)
	draw(rng, heldImages, heldClasses)

	best, since := -1.0, 0
	for epoch := uint64(0); epoch < epochs && since < patience; epoch++ {
		for range steps {
			draw(rng, t.Input(0).F32(), t.Target().I32())
			if _, err = t.StepInPlace(); err != nil {
				break // nothing was updated
			}
		}
		if errors.Is(err, train.ErrDiverged) {
			fmt.Println("the rate is too high:", err) // go back to the checkpoint
			break
		} else if err != nil {
			fmt.Println(err)
			return
		}
		g, err := t.Graph() // a copy, whatever the trainer does next
		if err != nil {
			fmt.Println(err)
			return
		}
		now, err := right(g, heldImages, heldClasses)
		if err != nil {
			fmt.Println(err)
			return
		}
		if since++; now > best {
			best, since = now, 0
			if err := t.Save(checkpoint, epoch); err != nil {
				fmt.Println(err)
				return
			}
		}
	}

	// Any trainer of the same network and optimiser goes on from there: this one.
	if _, err := t.Load(checkpoint); err != nil {
		fmt.Println(err)
		return
	}
	g, err := t.Graph() // for format.WriteFile
	if err != nil {
		fmt.Println(err)
		return
	}
	share, err := right(g, heldImages, heldClasses)
	fmt.Println(share == best, share > 0.95, err)
	// Output: true true <nil>
}

// A new head learns from features that are computed once.
func ExampleSplit() {
	g, err := train.WithClasses(stripes(), 2, 5, true) // a head drawn anew
	if err != nil {
		fmt.Println(err)
		return
	}
	backbone, head, err := train.Split(g)
	if err != nil {
		fmt.Println(err)
		return
	}
	const n = 64
	images, classes := make([]float32, 64*n), make([]int32, n)
	draw(rand.New(rand.NewPCG(5, 6)), images, classes)

	m, err := runtime.New(backbone)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s, err := m.NewSession(runtime.WithBatch(n))
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(s.Input(0).Float32(), images)
	if err := s.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}

	t, err := train.New(head, train.Config{Batch: n, Schedule: train.Constant(0.5)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	copy(t.Input(0).Data, s.Output(0).Data)
	copy(t.Target().I32(), classes)
	for range 300 {
		if _, err := t.StepInPlace(); err != nil {
			fmt.Println(err)
			return
		}
		copy(t.Input(0).Data, s.Output(0).Data) // a step may use the memory of its input
		copy(t.Target().I32(), classes)
	}
	trained, err := t.Graph()
	if err != nil {
		fmt.Println(err)
		return
	}
	if g, err = train.Join(g, trained); err != nil {
		fmt.Println(err)
		return
	}
	share, err := right(g, images, classes)
	fmt.Println(share > 0.9, err)
	// Output: true <nil>
}

// A loss of the program's own: Huber's, which outliers pull less than squares do.
func ExampleTrainer_StepFunc() {
	t, err := train.New(stripes(), train.Config{Batch: 16, Loss: train.Custom, Schedule: train.Constant(0.1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	rng := rand.New(rand.NewPCG(9, 10))
	classes := make([]int32, 16)
	huber := func(output, gradient []float32) (loss float32) {
		n := float32(len(output))
		for i, y := range output {
			d := y - float32(int32(i%2)^classes[i/2]^1) // 1 for the class, 0 for the other
			far := min(1, max(-1, d))
			loss += far * (d - far/2) / n
			gradient[i] = far / n
		}
		return loss
	}
	var loss float32
	for range 200 {
		draw(rng, t.Input(0).F32(), classes)
		if loss, err = t.StepFunc(huber); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("learned:", loss < 0.02)
	// Output: learned: true
}
