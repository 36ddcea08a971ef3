package train_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
)

// param is a node's parameter by name.
func param(t *testing.T, g *graph.Graph, name string, j int) []float32 {
	t.Helper()
	for i := range g.Len() {
		if n := g.Node(graph.ID(i)); n.Name == name {
			return n.Params[j].F32()
		}
	}
	t.Fatalf("no node %q", name)
	return nil
}

// moved is what steps of training change the weights of conv and head by.
func moved(t *testing.T, cfg train.Config, steps int) (conv, head []float32) {
	t.Helper()
	cfg.Batch, cfg.Norm = 8, train.NormFrozen
	tr, err := train.New(stripes(), cfg)
	require.NoError(t, err)
	defer tr.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for range steps {
		draw(rng, tr.Input(0).F32(), tr.Target().I32())
		_, err := tr.StepInPlace()
		require.NoError(t, err)
	}
	g, err := tr.Graph()
	require.NoError(t, err)
	conv, head = param(t, g, "conv", 0), param(t, g, "head", 0)
	for i, v := range param(t, stripes(), "conv", 0) {
		conv[i] -= v
	}
	for i, v := range param(t, stripes(), "head", 0) {
		head[i] -= v
	}
	return conv, head
}

// TestRates: a first step moves a layer by as much as its rate is scaled, by every
// rule of update, and the others as before; what a scale of 0 is for does not learn.
func TestRates(t *testing.T) {
	backbone := func(scale float32) func(*graph.Node, int) float32 {
		return func(n *graph.Node, _ int) float32 {
			if n.Name == "conv" {
				return scale
			}
			return 1
		}
	}
	for name, cfg := range map[string]train.Config{
		"sgd":         {Optimizer: train.SGD{WeightDecay: .1}},
		"momentum":    {Optimizer: train.SGD{Momentum: .9, WeightDecay: .1}},
		"nesterov":    {Optimizer: train.SGD{Momentum: .9, Nesterov: true}},
		"decoupled":   {Optimizer: train.SGD{Momentum: .9, WeightDecay: .1, Decoupled: true}},
		"adamw":       {Optimizer: train.AdamW{WeightDecay: .1}},
		"adagrad":     {Optimizer: train.Adagrad{}},
		"gathered":    {Optimizer: train.SGD{Momentum: .9}, Gradients: true},
		"one channel": {Optimizer: train.SGD{}, Channels: func(*graph.Node, int) []int { return []int{1} }},
	} {
		cfg.Schedule = train.Constant(.1)
		conv, head := moved(t, cfg, 1)
		cfg.Rates = backbone(.25)
		slow, same := moved(t, cfg, 1)
		require.Equal(t, head, same, name)
		for i := range conv {
			require.InDelta(t, .25*conv[i], slow[i], 1e-6, name)
		}
	}
	cfg := train.Config{Batch: 2, Rates: backbone(0)}
	tr, err := train.New(stripes(), cfg)
	require.NoError(t, err)
	require.NotContains(t, tr.Parameters(), "conv.0")
	require.Contains(t, tr.Parameters(), "head.0")
	require.NoError(t, tr.Close())
	for _, bad := range []float32{-1, float32(math.NaN()), float32(math.Inf(1))} {
		_, err := train.New(stripes(), train.Config{Rates: backbone(bad)})
		require.ErrorContains(t, err, "conv.0")
	}
}

// TestRatesResume: from a checkpoint training with scaled rates goes on to the same
// bits as without a stop.
func TestRatesResume(t *testing.T) {
	cfg := train.Config{Batch: 8, Optimizer: train.AdamW{}, Schedule: train.Cosine(.01, 12), Rates: func(n *graph.Node, j int) float32 {
		return map[bool]float32{true: 1, false: .1}[n.Name == "head"]
	}}
	path := filepath.Join(t.TempDir(), "checkpoint")
	run := func(from, to int, load, save string) {
		tr, err := train.New(stripes(), cfg)
		require.NoError(t, err)
		defer tr.Close()
		if load != "" {
			_, err := tr.Load(load)
			require.NoError(t, err)
		}
		for i := from; i < to; i++ {
			draw(rand.New(rand.NewPCG(3, uint64(i))), tr.Input(0).F32(), tr.Target().I32())
			_, err := tr.StepInPlace()
			require.NoError(t, err)
		}
		require.NoError(t, tr.Save(save, 0))
	}
	run(0, 12, "", path+"-whole")
	run(0, 5, "", path)
	run(5, 12, path, path+"-parts")
	a, err := os.ReadFile(path + "-whole")
	require.NoError(t, err)
	b, err := os.ReadFile(path + "-parts")
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b))
}

// TestBadGradient: a gradient that is no number is an error of the step that it
// comes in, whatever the loss is, and no parameter becomes one that is none.
func TestBadGradient(t *testing.T) {
	nan := float32(math.NaN())
	for name, cfg := range map[string]train.Config{
		"turn by turn": {},
		"clipped":      {ClipNorm: 1},
		"gathered":     {Accumulate: 2},
		"kept":         {Gradients: true},
		"adamw":        {Optimizer: train.AdamW{}},
		"one channel":  {Channels: func(*graph.Node, int) []int { return []int{1} }},
		"one thread":   {Threads: 1},
	} {
		for _, bad := range []float32{nan, float32(math.Inf(1)), float32(math.Inf(-1))} {
			cfg.Batch, cfg.Loss = 4, train.Custom
			tr, err := train.New(stripes(), cfg)
			require.NoError(t, err)
			step := func(v float32) error {
				draw(rand.New(rand.NewPCG(1, 1)), tr.Input(0).F32(), make([]int32, 4))
				_, err := tr.StepFunc(func(y, g []float32) float32 {
					clear(g)
					g[3] = v
					return 1
				})
				return err
			}
			before := tr.Updates()
			err = step(bad)
			if cfg.Accumulate > 1 { // the update notices
				require.NoError(t, err, name)
				err = step(0)
			}
			require.ErrorIs(t, err, train.ErrDiverged, name)
			require.Equal(t, before, tr.Updates(), name)
			g, err := tr.Graph()
			require.NoError(t, err)
			for i := range g.Len() {
				for _, p := range g.Node(graph.ID(i)).Params {
					require.True(t, ops.Finite(p.F32()), "%s: %s", name, g.Node(graph.ID(i)).Name)
				}
			}
			// The next good steps are as ever.
			for range cfg.Accumulate {
				require.NoError(t, step(.5), name)
			}
			require.NoError(t, step(.5), name)
			require.Greater(t, tr.Updates(), before, name)
			require.NoError(t, tr.Close())
		}
	}
}

// TestStatisticsOfBadSteps: a step that fails leaves running statistics as they were,
// whatever made it fail: pixels that are no number or so large that a variance is none,
// labels that are no class, gradients.
func TestStatisticsOfBadSteps(t *testing.T) {
	for name, cfg := range map[string]train.Config{"turn by turn": {}, "gathered": {Accumulate: 2}, "reference": {Reference: true}, "lean": {Lean: true}} {
		cfg.Batch = 4
		for _, custom := range []bool{false, true} {
			if cfg.Loss = train.CrossEntropy; custom {
				cfg.Loss = train.Custom
			}
			tr, err := train.New(stripes(), cfg)
			require.NoError(t, err)
			step := func(pixel float32, label int32, gradient float32) error {
				draw(rand.New(rand.NewPCG(1, 1)), tr.Input(0).F32(), make([]int32, 4))
				if pixel != 0 {
					tr.Input(0).F32()[5] = pixel
				}
				if !custom {
					tr.Target().I32()[0] = label
					_, err := tr.StepInPlace()
					return err
				}
				_, err := tr.StepFunc(func(_, g []float32) float32 {
					clear(g)
					g[0] = gradient
					return 1
				})
				return err
			}
			require.NoError(t, step(0, 0, .5))
			want := statistics(t, tr)
			inf := float32(math.Inf(1))
			bad := map[string]error{"pixel": step(-inf, 0, .5), "variance": step(1e25, 0, .5)}
			if !custom {
				bad["label"] = step(0, 77, 0)
			} else if cfg.Accumulate == 0 {
				bad["gradient"] = step(0, 0, inf)
			}
			for what, err := range bad {
				if what == "label" {
					require.ErrorIs(t, err, train.ErrLabel, name)
				} else {
					require.ErrorIs(t, err, train.ErrDiverged, "%s: %s", name, what)
				}
			}
			require.Equal(t, want, statistics(t, tr), name)
			require.NoError(t, step(0, 0, .5))
			require.NotEqual(t, want, statistics(t, tr), name)
			require.NoError(t, tr.Close())
		}
	}
}

// statistics are all running means and variances.
func statistics(t *testing.T, tr *train.Trainer) (v []float32) {
	g, err := tr.Graph()
	require.NoError(t, err)
	for i := range g.Len() {
		if n := g.Node(graph.ID(i)); n.Op.Kind() == ops.KindBatchNorm {
			v = append(append(v, n.Params[2].F32()...), n.Params[3].F32()...)
		}
	}
	require.NotEmpty(t, v)
	return v
}

// TestSpoiltCheckpoint: parameters that an update made no numbers are not written over
// a good checkpoint.
func TestSpoiltCheckpoint(t *testing.T) {
	rate := float32(math.MaxFloat32)
	tr, err := train.New(stripes(), train.Config{Batch: 2, Schedule: func(int) float32 { return rate }, Optimizer: train.SGD{WeightDecay: 100}})
	require.NoError(t, err)
	defer tr.Close()
	path := filepath.Join(t.TempDir(), "checkpoint")
	require.NoError(t, tr.Save(path, 1))
	draw(rand.New(rand.NewPCG(1, 1)), tr.Input(0).F32(), tr.Target().I32())
	_, err = tr.StepInPlace()
	require.NoError(t, err)
	require.ErrorIs(t, tr.Save(path, 2), train.ErrDiverged)
	_, err = tr.StepInPlace()
	require.ErrorIs(t, err, train.ErrDiverged)
	extra, err := tr.Load(path)
	require.NoError(t, err)
	require.Equal(t, uint64(1), extra)
	rate = .01
	draw(rand.New(rand.NewPCG(1, 1)), tr.Input(0).F32(), tr.Target().I32())
	_, err = tr.StepInPlace()
	require.NoError(t, err)
	require.NoError(t, tr.Save(path, 3))
}

// TestInputGradients: the gradient by the input is the loss's difference along it,
// whether parameters learn or not; a step allocates nothing.
func TestInputGradients(t *testing.T) {
	const batch = 4
	none := func(*graph.Node, int) bool { return false }
	for name, cfg := range map[string]train.Config{
		"all learns":       {Norm: train.NormFrozen},
		"nothing learns":   {Norm: train.NormFrozen, Trainable: none},
		"batch statistics": {Trainable: none},
		"reference":        {Trainable: none, Reference: true},
		"lean":             {Trainable: none, Lean: true},
		"gathered":         {Norm: train.NormFrozen, Accumulate: 3},
	} {
		cfg.Batch, cfg.InputGradients, cfg.Schedule = batch, true, train.Constant(0)
		tr, err := train.New(stripes(), cfg)
		require.NoError(t, err, name)
		x, y := tensor.New(tr.Input(0).Spec), make([]int32, batch)
		draw(rand.New(rand.NewPCG(5, 6)), x.F32(), y)
		loss := func(by float32, along []float32) float64 {
			for i, v := range x.F32() {
				if along != nil {
					v += by * along[i]
				}
				tr.Input(0).F32()[i] = v
			}
			copy(tr.Target().I32(), y)
			l, err := tr.StepInPlace()
			require.NoError(t, err)
			return float64(l)
		}
		loss(0, nil)
		require.Equal(t, x.Spec, tr.InputGradient(0).Spec)
		g := append([]float32(nil), tr.InputGradient(0).F32()...)
		squares := 0.0
		for _, v := range g {
			squares += float64(v) * float64(v)
		}
		require.Greater(t, squares, 0.0)
		h := float32(.02 / math.Sqrt(squares))
		slope := (loss(h, g) - loss(-h, g)) / (2 * float64(h))
		require.InEpsilon(t, squares, slope, 2e-2, name)
		require.True(t, tr.InputGradient(1).IsZero()) // the target's
		require.Zero(t, testing.AllocsPerRun(5, func() { tr.StepInPlace() }), name)
		require.NoError(t, tr.Close())
	}
	tr, err := train.New(stripes(), train.Config{Batch: 2})
	require.NoError(t, err)
	require.True(t, tr.InputGradient(0).IsZero())
	require.NoError(t, tr.Close())
}
