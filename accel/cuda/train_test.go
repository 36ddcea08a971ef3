package cuda

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/arch"
)

// TestTrainerOutOfMemory: whichever allocation fails, nothing stays on the device.
// What a step computes is tested with the emulated driver.
func TestTrainerOutOfMemory(t *testing.T) {
	g := small(t, "glyphnet", 0)
	for n := 1; ; n++ {
		d := newFake()
		d.failAt = n
		b, err := open(d)
		require.NoError(t, err)
		tr, err := NewTrainer(b, g, TrainConfig{Batch: 4})
		if err == nil {
			require.Greater(t, n, 5)
			require.NoError(t, tr.Close())
			require.Empty(t, d.memory)
			require.NoError(t, b.Close())
			return
		}
		require.ErrorIs(t, err, errMemory)
		require.NoError(t, d.leaks(), "allocation %d", n)
		require.NoError(t, b.Close())
	}
}

// TestTrainerRefused: what has no gradient is named.
func TestTrainerRefused(t *testing.T) {
	w := func(dims ...int) []tensor.Tensor { return []tensor.Tensor{tensor.New(tensor.F32Spec(dims...))} }
	for why, build := range map[string]func(b *graph.Builder, x graph.ID) graph.ID{
		"a fused function": func(b *graph.Builder, x graph.ID) graph.ID {
			return b.Add("it", &ops.Dense{Act: ops.Act{Fn: ops.UnarySigmoid}}, w(3, 8), x)
		},
		"function 7 has no gradient": func(b *graph.Builder, x graph.ID) graph.ID {
			return b.Add("it", &ops.Unary{Fn: ops.UnarySigmoid}, nil, b.Add("d", &ops.Dense{}, w(3, 8), x))
		},
		"only sums of two values": func(b *graph.Builder, x graph.ID) graph.ID {
			d := b.Add("d", &ops.Dense{}, w(3, 8), x)
			return b.Add("it", &ops.Binary{Fn: ops.BinaryMul}, nil, d, d)
		},
		"slopes": func(b *graph.Builder, x graph.ID) graph.ID {
			d := b.Add("d", &ops.Dense{}, w(4, 8), b.Add("r", &ops.Reshape{Dims: []int{0, 1, 8}}, nil, x))
			p := b.Add("p", &ops.PRelu{}, w(1, 1, 2), b.Add("s", &ops.Reshape{Dims: []int{0, 2, 2}}, nil, d))
			q := b.Add("it", &ops.PRelu{}, w(2, 1), p)
			return b.Add("e", &ops.Dense{}, w(3, 4), b.Add("f", &ops.Reshape{Dims: []int{0, 4}}, nil, q))
		},
		"a row of classes": func(b *graph.Builder, x graph.ID) graph.ID {
			return b.Add("it", &ops.Reshape{Dims: []int{0, 3, 1}}, nil, b.Add("d", &ops.Dense{}, w(3, 8), x))
		},
	} {
		b := graph.NewBuilder("refused")
		b.Output("y", build(b, b.Input("x", tensor.F32Spec(1, 8), true)))
		g, err := b.Build()
		require.NoError(t, err)
		be, err := open(newFake())
		require.NoError(t, err)
		_, err = NewTrainer(be, g, TrainConfig{Batch: 2})
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, `"it"`)
		require.NoError(t, be.Close())
	}
}

// TestTrainerArchitectures: every network of arch has all gradients.
func TestTrainerArchitectures(t *testing.T) {
	for _, name := range arch.Names() {
		t.Run(name, func(t *testing.T) {
			size := 64
			if slices.Contains([]string{"resnet8", "dscnn", "glyphnet", "autoencoder"}, name) {
				size = 0 // one of their own
			}
			g, err := passes.Train(small(t, name, size))
			require.NoError(t, err)
			b, err := open(newFake())
			require.NoError(t, err)
			c := TrainConfig{Batch: 2, Momentum: 0.9, Clip: 1}
			require.NoError(t, checkTraining(g, &c))
			wide, err := g.WithBatch(c.Batch)
			require.NoError(t, err)
			p, err := (&Trainer{g: g, c: c}).lower(b, wide)
			require.NoError(t, err)
			require.NoError(t, p.drop())
			require.NoError(t, b.Close())
		})
	}
}
