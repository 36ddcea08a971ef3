//go:build cuda

package cuda

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
)

// training takes steps on the device and on the CPU side by side: losses, and all
// weights in the end. MobileNetV1 takes one: from the second on the CPU's own two
// paths are as far apart, for each activation that rounding moves over a kink
// changes every gradient before it.
func training(t *testing.T) {
	for _, c := range []struct {
		name        string
		size, steps int
	}{{"resnet8", 12, 3}, {"resnet18", 64, 2}, {"glyphnet", 0, 3}, {"mobilenetv1", 64, 1}} {
		t.Run(c.name, func(t *testing.T) {
			const batch, rate = 4, 0.01
			g := small(t, c.name, c.size)
			b, err := Open()
			require.NoError(t, err)
			gpu, err := NewTrainer(b, g, TrainConfig{Batch: batch, Momentum: 0.9, WeightDecay: 1e-2})
			require.NoError(t, err)
			cpu, err := train.New(g, train.Config{Batch: batch, Optimizer: train.SGD{Momentum: 0.9, WeightDecay: 1e-2}, Schedule: train.Constant(rate), Exact: true})
			require.NoError(t, err)
			in := g.Node(g.Inputs()[0]).Out.Shape.With(0, batch)
			x := tensor.New(tensor.F32Spec(in.Dims()...))
			y := tensor.New(tensor.Spec{DType: tensor.I32, Shape: tensor.Of(batch)})
			labels := make([]int, batch)
			rng := rand.New(rand.NewPCG(7, 8))
			for i := range c.steps {
				for j := range labels {
					labels[j] = rng.IntN(10)
					y.I32()[j] = int32(labels[j])
				}
				for j := range x.F32() {
					x.F32()[j] = float32(rng.NormFloat64())
				}
				want, err := cpu.Step(x, y)
				require.NoError(t, err)
				got, err := gpu.Step(t.Context(), x.F32(), labels, rate)
				require.NoError(t, err)
				t.Logf("step %d: loss %.6f, %.6f", i, want, got)
				require.InDelta(t, want, got, 1e-5*float64(want))
			}
			a, err := cpu.Graph()
			require.NoError(t, err)
			learned, err := gpu.Graph()
			require.NoError(t, err)
			apart := weightsApart(t, a, learned)
			slices.Sort(apart)
			t.Logf("weights differ by at most %.1e of their largest, half of the tensors by %.1e", apart[len(apart)-1], apart[len(apart)/2])
			if c.name == "mobilenetv1" {
				require.LessOrEqual(t, apart[len(apart)*3/4], 1e-4)
				require.LessOrEqual(t, apart[len(apart)-1], 5e-2)
			} else {
				require.LessOrEqual(t, apart[len(apart)-1], 1e-4)
			}
			_, err = gpu.Step(t.Context(), x.F32(), []int{0, 1, 2, 10}, rate)
			require.ErrorContains(t, err, "label 10 of 10 classes")
			_, err = gpu.Step(t.Context(), x.F32()[1:], labels, rate)
			require.ErrorContains(t, err, "a step takes")
			if c.name == "glyphnet" {
				require.Zero(t, testing.AllocsPerRun(2, func() {
					if _, err := gpu.Step(t.Context(), x.F32(), labels, rate); err != nil {
						panic(err)
					}
				}))
			}
			require.ErrorContains(t, b.(*backend).Close(), "still open")
			require.NoError(t, gpu.Close())
			require.NoError(t, gpu.Close())
			require.NoError(t, cpu.Close())
			require.NoError(t, b.(*backend).Close())
		})
	}
	t.Run("refused", func(t *testing.T) {
		b, err := Open()
		require.NoError(t, err)
		_, err = NewTrainer(b, small(t, "glyphnet", 0), TrainConfig{Batch: 4, ClassWeights: []float32{1, 2}})
		require.ErrorContains(t, err, "2 class weights for 10 classes")
		_, err = NewTrainer(b, small(t, "glyphnet", 0), TrainConfig{})
		require.ErrorContains(t, err, "training with")
		require.NoError(t, b.(*backend).Close())
	})
}

// weightsApart is how far each tensor of weights is apart, of its largest number.
func weightsApart(t *testing.T, a, b *graph.Graph) (apart []float64) {
	t.Helper()
	require.Equal(t, a.Len(), b.Len())
	for i := range a.Len() {
		for j, p := range a.Node(graph.ID(i)).Params {
			q := b.Node(graph.ID(i)).Params[j]
			top, off := 1e-2, 0.0
			for k, v := range p.F32() {
				top, off = max(top, math.Abs(float64(v))), max(off, math.Abs(float64(v)-float64(q.F32()[k])))
			}
			apart = append(apart, off/top)
		}
	}
	return apart
}
