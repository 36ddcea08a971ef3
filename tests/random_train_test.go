package tests

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tests/randgraph"
)

// TestRandomNetworksLearn: a small step against the gradient g lowers the loss
// by rate*|g|², whatever the network: its gradients, and the plan that keeps
// what they need, are right. Filters of zeros before a maximum have ties, where
// there is no gradient: one network in a hundred may differ.
func TestRandomNetworksLearn(t *testing.T) {
	tried, wrong := 0, []uint64{}
	for seed := range uint64(seedCount(300, 60)) {
		g, err := randgraph.New(seed, randgraph.Options{})
		require.NoError(t, err)
		g, err = passes.DropDropout(g) // which would differ from step to step
		require.NoError(t, err)
		h, err := g.WithBatch(2)
		if err != nil {
			continue
		}
		in := randgraph.Inputs(h, 1)
		cfg := train.Config{Batch: 2, Loss: train.MeanSquares, Threads: 1, Norm: train.Norm(seed % 2), Gradients: true}
		// step is the loss, that after an update at the rate, and |g|².
		step := func(rate float64) (loss, after, squares float64, err error) {
			cfg.Optimizer, cfg.Schedule = &train.SGD{}, train.Constant(float32(rate))
			tr, err := train.New(g, cfg)
			if err != nil {
				return 0, 0, 0, err
			}
			defer tr.Close()
			for i, p := range []*float64{&loss, &after} {
				for j, x := range in {
					copy(tr.Input(j).Data, x.Data)
				}
				for j := range tr.Target().F32() {
					tr.Target().F32()[j] = 0.5
				}
				l, err := tr.StepInPlace()
				require.NoError(t, err, "seed %d", seed)
				*p = float64(l)
				if i > 0 {
					break
				}
				for _, name := range tr.Parameters() {
					for _, v := range tr.Gradient(name) {
						squares += float64(v) * float64(v)
					}
				}
			}
			return loss, after, squares, nil
		}
		loss, _, squares, err := step(0)
		if err != nil || squares < 1e-6*loss || loss == 0 {
			continue // no trainable network, or float32 cannot tell the losses apart
		}
		require.False(t, math.IsNaN(loss+squares), "seed %d", seed)
		tried++
		ok := false
		for rate := 1e-3 * loss / squares; !ok && rate > 1e-6*loss/squares; rate /= 4 { // less, if it bends
			before, after, _, err := step(rate)
			require.NoError(t, err)
			ok = math.Abs((before-after)/(rate*squares)-1) < 0.1
		}
		if !ok {
			wrong = append(wrong, seed)
		}
	}
	require.Greater(t, tried, 20)
	require.LessOrEqual(t, len(wrong), 1+tried/100, "of %d networks these do not learn as their gradients say: %v", tried, wrong)
}

// TestRandomInputGradients: a small step of the inputs against the gradient g by them
// lowers the loss by rate*|g|², whatever the network, with nothing learning.
func TestRandomInputGradients(t *testing.T) {
	tried, wrong := 0, []uint64{}
	for seed := range uint64(seedCount(200, 60)) {
		g, err := randgraph.New(seed, randgraph.Options{})
		require.NoError(t, err)
		g, err = passes.DropDropout(g)
		require.NoError(t, err)
		h, err := g.WithBatch(2)
		if err != nil {
			continue
		}
		in := randgraph.Inputs(h, 1)
		tr, err := train.New(g, train.Config{
			Batch: 2, Loss: train.MeanSquares, Threads: 1, Norm: train.Norm(seed % 2), InputGradients: true,
			Trainable: func(*graph.Node, int) bool { return false },
		})
		if err != nil {
			continue // an operator without a gradient
		}
		gradients := make([][]float32, len(in))
		at := func(rate float64) float64 {
			for j, x := range in {
				copy(tr.Input(j).Data, x.Data)
				for i, d := range gradients[j] {
					tr.Input(j).F32()[i] -= float32(rate) * d
				}
			}
			for j := range tr.Target().F32() {
				tr.Target().F32()[j] = 0.5
			}
			loss, err := tr.StepInPlace()
			require.NoError(t, err, "seed %d", seed)
			return float64(loss)
		}
		loss, squares := at(0), 0.0
		for j := range in {
			if d := tr.InputGradient(j); !d.IsZero() {
				gradients[j] = append([]float32(nil), d.F32()...)
			}
			for _, v := range gradients[j] {
				squares += float64(v) * float64(v)
			}
		}
		if squares >= 1e-6*loss && loss > 0 {
			tried++
			ok := false
			for rate := 1e-3 * loss / squares; !ok && rate > 1e-6*loss/squares; rate /= 4 {
				ok = math.Abs((loss-at(rate))/(rate*squares)-1) < 0.1
			}
			if !ok {
				wrong = append(wrong, seed)
			}
		}
		require.NoError(t, tr.Close())
	}
	require.Greater(t, tried, 20)
	require.LessOrEqual(t, len(wrong), 1+tried/100, "of %d networks these have other gradients: %v", tried, wrong)
}
