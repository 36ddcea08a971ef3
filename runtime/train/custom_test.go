package train_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/runtime/train"
)

// squares and entropy are losses that the package has, too.
func squares(target []float32) func(y, g []float32) float32 {
	return func(y, g []float32) float32 {
		sum, n := 0.0, float32(len(y))
		for i := range y {
			d := y[i] - target[i]
			sum += float64(d) * float64(d)
			g[i] = 2 * d / n
		}
		return float32(sum / float64(n))
	}
}

func entropy(classes []int32) func(y, g []float32) float32 {
	return func(y, g []float32) float32 {
		rows, c := len(classes), len(y)/len(classes)
		loss := 0.0
		for r, class := range classes {
			y, g := y[r*c:][:c], g[r*c:][:c]
			sum := 0.0
			for _, v := range y {
				sum += math.Exp(float64(v))
			}
			for i, v := range y {
				g[i] = float32(math.Exp(float64(v)) / sum / float64(rows))
			}
			g[class] -= 1 / float32(rows)
			loss += math.Log(sum) - float64(y[class])
		}
		return float32(loss / float64(rows))
	}
}

// TestCustomLoss: a loss of the program's own trains as the same loss of the
// package's does.
func TestCustomLoss(t *testing.T) {
	const batch, steps = 8, 20
	for name, c := range map[string]struct {
		cfg     train.Config
		builtin train.Loss
	}{
		"squares":  {train.Config{Batch: batch}, train.MeanSquares},
		"entropy":  {train.Config{Batch: batch}, train.CrossEntropy},
		"clipped":  {train.Config{Batch: batch, ClipNorm: .1}, train.CrossEntropy},
		"gathered": {train.Config{Batch: batch, Accumulate: 3}, train.MeanSquares},
		"lean":     {train.Config{Batch: batch, Lean: true}, train.CrossEntropy},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Optimizer, c.cfg.Schedule, c.cfg.Loss = train.SGD{Momentum: .9}, train.Constant(.05), c.builtin
			want, err := train.New(stripes(), c.cfg)
			require.NoError(t, err)
			defer want.Close()
			c.cfg.Loss = train.Custom
			got, err := train.New(stripes(), c.cfg)
			require.NoError(t, err)
			defer got.Close()

			rng := rand.New(rand.NewPCG(7, 8))
			classes, target := make([]int32, batch), make([]float32, 2*batch)
			loss := squares(target)
			if c.builtin == train.CrossEntropy {
				loss = entropy(classes)
			}
			for range steps {
				draw(rng, want.Input(0).F32(), classes)
				copy(got.Input(0).F32(), want.Input(0).F32())
				for i, class := range classes {
					target[2*i], target[2*i+1] = float32(1-class), float32(class)
				}
				if c.builtin == train.CrossEntropy {
					copy(want.Target().I32(), classes)
				} else {
					copy(want.Target().F32(), target)
				}
				a, err := want.StepInPlace()
				require.NoError(t, err)
				b, err := got.StepFunc(loss)
				require.NoError(t, err)
				require.InDelta(t, a, b, 2e-5)
			}
			a, err := want.Graph()
			require.NoError(t, err)
			b, err := got.Graph()
			require.NoError(t, err)
			for i := range a.Len() {
				for j, p := range a.Node(graph.ID(i)).Params {
					require.InDeltaSlice(t, p.F32(), b.Node(graph.ID(i)).Params[j].F32(), 1e-4, a.Node(graph.ID(i)).Name)
				}
			}
			require.Zero(t, testing.AllocsPerRun(6, func() { got.StepFunc(loss) }))
		})
	}
}

// TestCustomLossMisuse: the other ways to step, and losses that are no number.
func TestCustomLossMisuse(t *testing.T) {
	tr, err := train.New(stripes(), train.Config{Batch: 2, Loss: train.Custom})
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.StepInPlace()
	require.ErrorContains(t, err, "StepFunc")
	_, err = tr.StepFunc(nil)
	require.Error(t, err)
	before, err := tr.Graph()
	require.NoError(t, err)
	_, err = tr.StepFunc(func(y, g []float32) float32 { return float32(math.NaN()) })
	require.ErrorIs(t, err, train.ErrDiverged)
	after, err := tr.Graph()
	require.NoError(t, err)
	head := graph.ID(before.Len() - 1)
	require.Equal(t, before.Node(head).Params[0].F32(), after.Node(head).Params[0].F32())
	other, err := train.New(stripes(), train.Config{Batch: 2})
	require.NoError(t, err)
	defer other.Close()
	_, err = other.StepFunc(func(y, g []float32) float32 { return 0 })
	require.Error(t, err)
}

// TestDecays: weight decay reaches what the program says, and else weights alone.
func TestDecays(t *testing.T) {
	for name, c := range map[string]struct {
		decays func(n *graph.Node, param int) bool
		want   []string
	}{
		"default": {nil, []string{"conv.0", "head.0"}},
		"chosen":  {func(n *graph.Node, param int) bool { return n.Name != "conv" && param == 0 }, []string{"norm.0", "head.0"}},
		"none":    {func(*graph.Node, int) bool { return false }, nil},
	} {
		// Without gradients, weights only shrink: by 1 - rate times decay.
		tr, err := train.New(stripes(), train.Config{Batch: 2, Loss: train.Custom, Norm: train.NormFrozen, Decays: c.decays,
			Schedule: train.Constant(.5), Optimizer: train.SGD{WeightDecay: .5}})
		require.NoError(t, err)
		before, err := tr.Graph()
		require.NoError(t, err)
		_, err = tr.StepFunc(func(y, g []float32) float32 { clear(g); return 0 })
		require.NoError(t, err)
		after, err := tr.Graph()
		require.NoError(t, err)
		var got []string
		for i := range before.Len() {
			n, m := before.Node(graph.ID(i)), after.Node(graph.ID(i))
			for j := range n.Params {
				old, now := n.Params[j].F32(), m.Params[j].F32()
				for k := range old {
					if old[k] != now[k] {
						require.InDelta(t, .75*old[k], now[k], 1e-6)
						got = append(got, fmt.Sprintf("%s.%d", n.Name, j))
						break
					}
				}
			}
		}
		require.Equal(t, c.want, got, name)
		require.NoError(t, tr.Close())
	}
}
