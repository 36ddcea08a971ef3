package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestChannels: the gradients of some channels are those channels' part of the
// whole gradient, only they change, and they change as they do when all learn.
// With a fused activation, with and without more to learn in the layer.
func TestChannels(t *testing.T) {
	x, y := smallBatch(8)
	for _, bn := range []bool{true, false} { // without batch norm convolutions have fused activations
		for _, reference := range []bool{true, false} {
			chosen := map[string][]int{"conv1.0": {1, 2, 7}, "conv2.0": {0}, "fc.0": {1, 2}}
			cfg := Config{Batch: 8, Norm: NormFrozen, Reference: reference, Optimizer: SGD{Momentum: 0.9, WeightDecay: 0.01}, Schedule: Constant(0.1), Threads: 2, Gradients: true}
			for _, biases := range []bool{true, false} {
				cfg.Trainable = func(n *graph.Node, param int) bool {
					return trainable(n, param) && (biases || param == 0 && !isNorm(n))
				}
				cfg.Channels = nil
				all, err := New(smallNet(t, bn), cfg)
				require.NoError(t, err)
				cfg.Channels = func(n *graph.Node, param int) []int { return chosen[paramName(n, param)] }
				some, err := New(smallNet(t, bn), cfg)
				require.NoError(t, err)
				require.Less(t, some.PeakBytes(), all.PeakBytes())
				n, err := PlanBytes(smallNet(t, bn), cfg)
				require.NoError(t, err)
				require.Equal(t, n, some.PeakBytes())
				before := map[string][]float32{}
				for _, p := range some.params {
					before[p.name] = append([]float32(nil), p.w...)
				}
				for _, tr := range []*Trainer{all, some} {
					_, err = tr.Step(x, y)
					require.NoError(t, err)
				}
				for i, p := range some.params {
					whole := all.params[i]
					require.Equal(t, whole.name, p.name)
					if p.channels == nil {
						require.InDeltaSlice(t, whole.g, p.g, 1e-5, p.name)
						continue
					}
					row, j := len(p.g)/len(p.channels), 0
					for c := range len(p.w) / row {
						now, was := p.w[c*row:(c+1)*row], before[p.name][c*row:(c+1)*row]
						if j == len(p.channels) || p.channels[j] != c {
							require.Equal(t, was, now, "%s channel %d", p.name, c)
							continue
						}
						require.InDeltaSlice(t, whole.g[c*row:(c+1)*row], p.g[j*row:(j+1)*row], 1e-6, "%s channel %d", p.name, c)
						require.InDeltaSlice(t, whole.w[c*row:(c+1)*row], now, 1e-6, "%s channel %d", p.name, c)
						j++
					}
				}
				require.Zero(t, testing.AllocsPerRun(5, func() {
					if _, err := some.Step(x, y); err != nil {
						t.Error(err)
					}
				}))
				require.NoError(t, some.Save(t.TempDir()+"/ck", 1))
				all.Close()
				some.Close()
			}
		}
	}
	for _, bad := range [][]int{{}, {8}, {-1}, {2, 1}, {3, 3}} {
		_, err := New(smallNet(t, true), Config{Batch: 4, Channels: func(n *graph.Node, _ int) []int {
			if n.Name == "conv1" {
				return bad
			}
			return nil
		}})
		require.ErrorContains(t, err, "conv1.0", bad)
	}
}

func TestGatherColumns(t *testing.T) {
	src := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 2, 3).F32()
	dst := make([]float32, 4)
	gatherColumns(dst, src, 3, []int{0, 2})
	require.Equal(t, []float32{1, 3, 4, 6}, dst)
}
