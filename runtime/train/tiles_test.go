package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// wideNet has a small dense layer behind a large one.
func wideNet(t *testing.T, in, out int) *graph.Graph {
	rng := rand.New(rand.NewPCG(3, 4))
	random := func(dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(rng.NormFloat64() * 0.03)
		}
		return x
	}
	b := graph.NewBuilder("wide")
	x := b.Input("x", tensor.F32Spec(1, 16), true)
	x = b.Add("first", &ops.Dense{}, []tensor.Tensor{random(in, 16), random(in)}, x)
	x = b.Add("wide", &ops.Dense{Act: ops.Relu}, []tensor.Tensor{random(out, in), random(out)}, x)
	b.Output("y", b.Add("last", &ops.Dense{}, []tensor.Tensor{random(3, out), random(3)}, x))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// wideStep is a step on random inputs.
func wideStep(tr *Trainer, seed uint64, spoil bool) error {
	rng := rand.New(rand.NewPCG(5, seed))
	for i := range tr.Input(0).F32() {
		tr.Input(0).F32()[i] = float32(rng.NormFloat64())
	}
	_, err := tr.StepFunc(func(y, g []float32) float32 {
		for i, v := range y {
			g[i] = v / float32(len(y))
		}
		if spoil {
			g[1] = float32(math.NaN())
		}
		return 1
	})
	return err
}

// TestTiledUpdate checks large weights that are updated as their gradient is made: to the same bits as by whole
// gradients, with every optimizer, few rows and many, on one and three threads, without the gradient's room or an
// allocation.
func TestTiledUpdate(t *testing.T) {
	const in, out = 2313, 971
	g := wideNet(t, in, out)
	for _, o := range []Optimizer{SGD{}, SGD{Momentum: 0.9, WeightDecay: 1e-3}, SGD{Momentum: 0.9, Nesterov: true, WeightDecay: 0.1, Decoupled: true}, AdamW{WeightDecay: 0.01}, Adagrad{}} {
		for _, batch := range []int{5, 40} {
			t.Run(fmt.Sprintf("%T/%d", o, batch), func(t *testing.T) {
				var want map[string][]float32
				whole := 0 // bytes
				for i, threads := range []int{1, 1, 3} {
					tr, err := New(g, Config{Batch: batch, Threads: threads, Optimizer: o, Schedule: Constant(0.01), Gradients: i == 0, Loss: Custom})
					require.NoError(t, err)
					defer tr.Close()
					for i := range uint64(2) {
						require.NoError(t, wideStep(tr, i, false))
					}
					got := map[string][]float32{}
					tr.named(func(name string, v []float32) {
						if !strings.HasSuffix(name, "/grad") {
							got[name] = v
						} else if name == "wide.0/grad" {
							require.Len(t, v, in*out)
						}
					})
					if i == 0 {
						want, whole = got, tr.PeakBytes()
						require.NotNil(t, tr.Gradient("wide.0"))
						continue
					}
					require.Less(t, tr.PeakBytes(), whole-3*in*out)
					for name, v := range want {
						require.Equal(t, tensor.BytesOf(v), tensor.BytesOf(got[name]), "%s on %d threads", name, threads)
					}
					require.Zero(t, testing.AllocsPerRun(2, func() { _, err = tr.learn(func(_, g []float32) float32 { clear(g); return 1 }) }))
					require.NoError(t, err)
				}
			})
		}
	}
}

// TestTiledUpdateSpoilt: a gradient that is no number ends the update, and no weight becomes one that is none.
func TestTiledUpdateSpoilt(t *testing.T) {
	tr, err := New(wideNet(t, 2313, 971), Config{Batch: 4, Threads: 2, Loss: Custom})
	require.NoError(t, err)
	defer tr.Close()
	require.ErrorIs(t, wideStep(tr, 1, true), ErrDiverged)
	tr.named(func(name string, v []float32) { require.True(t, ops.Finite(v), name) })
	require.NoError(t, wideStep(tr, 1, false))
}
