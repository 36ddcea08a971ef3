//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
)

// TestTrainOnDevice takes steps in every way that package train knows.
func TestTrainOnDevice(t *testing.T) {
	onDevice(t, deviceTraining)
}

func deviceTraining(t *testing.T) {
	weights := []float32{1, 2, 0.5, 1, 1, 3, 1, 1, 0.1, 1}
	adam := train.AdamW{WeightDecay: 0.05, Eps: 1e-4}
	for _, c := range []struct {
		name, network string
		size, steps   int
		cfg           train.Config
	}{
		{"nesterov", "glyphnet", 0, 4, train.Config{
			Optimizer: train.SGD{Momentum: 0.9, Nesterov: true, WeightDecay: 1e-2}, Smoothing: 0.1, ClassWeights: weights,
			Schedule: train.Warmup(2, train.Cosine(0.02, 6)),
		}},
		{"no momentum", "glyphnet", 0, 3, train.Config{Optimizer: train.SGD{WeightDecay: 0.1, Decoupled: true, DecayAll: true}}},
		{"adamw", "resnet8", 12, 3, train.Config{Optimizer: adam, Accumulate: 2, ClipNorm: 0.5, Schedule: train.Constant(1e-3)}},
		{"adam", "glyphnet", 0, 3, train.Config{Optimizer: train.AdamW{WeightDecay: 0.05, Eps: 1e-4, Coupled: true}, Schedule: train.Constant(1e-3)}},
		{"adagrad, frozen", "resnet8", 12, 3, train.Config{Optimizer: train.Adagrad{WeightDecay: 1e-3, RateDecay: 0.1, Eps: 1e-4}, Norm: train.NormFrozen}},
		{"norms and biases", "resnet8", 12, 3, train.Config{Optimizer: train.SGD{Momentum: 0.9}, Trainable: train.NormsAndBiases(), Grow: func(u int) int { return 1 + u }}},
		{"concatenation", "squeezenet", 48, 1, train.Config{Optimizer: train.SGD{Momentum: 0.9}}},
		{"group norms, means, slopes", "normed", 0, 3, train.Config{Optimizer: train.SGD{Momentum: 0.9, WeightDecay: 1e-3}}},
		{"dropout", "dscnn", 0, 3, train.Config{Optimizer: train.SGD{Momentum: 0.9}, Seed: 77}},
		{"rates, dropout", "dscnn", 0, 3, train.Config{Optimizer: train.SGD{Momentum: 0.9, WeightDecay: 1e-2, Decoupled: true}, Seed: 77, Rates: byKind}},
		{"rates, adamw", "resnet8", 12, 3, train.Config{Optimizer: adam, Accumulate: 2, ClipNorm: 0.5, Schedule: train.Constant(1e-3), Rates: byKind}},
		{"rates, adagrad", "glyphnet", 0, 3, train.Config{Optimizer: train.Adagrad{RateDecay: 0.1, Eps: 1e-4}, Rates: byKind}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Batch, c.cfg.Exact = 4, true
			g := slopesNet(t)
			if c.network != "normed" {
				g = small(t, c.network, c.size)
			}
			b, err := Open()
			require.NoError(t, err)
			pair := func() *twins {
				w := &twins{t: t}
				w.dev, err = train.OnDevice(b, g, c.cfg)
				require.NoError(t, err)
				w.cpu, err = train.New(g, c.cfg)
				require.NoError(t, err)
				return w
			}
			p, q := pair(), pair()
			for i := range c.steps {
				p.step(i)
			}
			p.alike(1e-4)
			// A checkpoint of one resumes on the other, with what is gathered.
			dir := t.TempDir()
			require.NoError(t, p.dev.Save(filepath.Join(dir, "device"), 7))
			require.NoError(t, p.cpu.Save(filepath.Join(dir, "cpu"), 8))
			extra, err := q.cpu.Load(filepath.Join(dir, "device"))
			require.NoError(t, err)
			require.Equal(t, uint64(7), extra)
			extra, err = q.dev.Load(filepath.Join(dir, "cpu"))
			require.NoError(t, err)
			require.Equal(t, uint64(8), extra)
			q.alike(1e-4)
			require.Equal(t, p.cpu.Steps(), q.dev.Steps())
			require.Equal(t, p.cpu.Updates(), q.dev.Updates())
			q.step(c.steps)
			q.step(c.steps + 1)
			q.alike(1e-4)
			p.close()
			q.close()
			require.NoError(t, b.(*backend).Close())
		})
	}
	t.Run("masks", masks)
	t.Run("diverged", diverged)
	t.Run("statistics", statisticsStay)
	t.Run("refused", func(t *testing.T) {
		b, err := Open()
		require.NoError(t, err)
		g := small(t, "glyphnet", 0)
		for why, cfg := range map[string]train.Config{
			"one loss":        {Loss: train.MeanSquares},
			"single channels": {Channels: func(*graph.Node, int) []int { return nil }},
			"neither Lean":    {Lean: true},
			"by inputs":       {InputGradients: true},
			"sigmoid":         {},
		} {
			net := g
			if why == "sigmoid" {
				why, net = `"it" (Unary): function 7 has no gradient here`, sigmoid(t)
			}
			_, err := train.OnDevice(b, net, cfg)
			require.ErrorContains(t, err, why)
		}
		require.NoError(t, b.(*backend).Close())
	})
}

// byKind has convolutions learn slowly, but for the first that has a name in 1, which
// does not learn, and biases at once: four rates.
func byKind(n *graph.Node, param int) float32 {
	switch {
	case n.Op.Kind() == ops.KindConv && strings.HasSuffix(n.Name, "1"):
		return 0
	case n.Op.Kind() == ops.KindConv:
		return 0.25
	case param == 1:
		return 4
	}
	return 1
}

// twins train side by side, on a device and on the CPU.
type twins struct {
	t   *testing.T
	dev *train.Device
	cpu *train.Trainer
}

func (w *twins) step(i int) {
	rng := rand.New(rand.NewPCG(7, uint64(i)))
	x, y := w.cpu.Input(0).F32(), w.cpu.Target().I32()
	for j := range x {
		x[j] = float32(rng.NormFloat64())
	}
	for j := range y {
		y[j] = int32(rng.IntN(10))
	}
	copy(w.dev.Input(0).F32(), x)
	copy(w.dev.Target().I32(), y)
	require.Equal(w.t, w.cpu.Rate(), w.dev.Rate())
	want, err := w.cpu.StepInPlace()
	require.NoError(w.t, err)
	got, err := w.dev.StepInPlace()
	require.NoError(w.t, err)
	w.t.Logf("step %d: loss %.6f, %.6f", i, want, got)
	require.InDelta(w.t, want, got, 1e-5*float64(want))
	compare(w.t, w.cpu.Scores().F32(), w.dev.Scores().F32(), 1e-4)
}

func (w *twins) alike(within float64) {
	a, err := w.cpu.Graph()
	require.NoError(w.t, err)
	b, err := w.dev.Graph()
	require.NoError(w.t, err)
	apart := slices.Max(weightsApart(w.t, a, b))
	w.t.Logf("weights differ by at most %.1e of their largest", apart)
	require.LessOrEqual(w.t, apart, within)
}

func (w *twins) close() {
	require.NoError(w.t, w.dev.Close())
	require.NoError(w.t, w.cpu.Close())
}

// slopesNet has the operators with gradients that no network of arch has.
func slopesNet(t *testing.T) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(11, 12))
	w := func(scale, mean float64, dims ...int) tensor.Tensor {
		p := tensor.New(tensor.F32Spec(dims...))
		for j := range p.F32() {
			p.F32()[j] = float32(mean + scale*rng.NormFloat64())
		}
		return p
	}
	win := func(k, s, p int) ops.Window {
		return ops.Window{Kernel: []int{k, k}, Stride: []int{s, s}, PadLo: []int{p, p}, PadHi: []int{p, p}}
	}
	b := graph.NewBuilder("slopes")
	x := b.Input("x", tensor.F32Spec(1, 12, 11, 3), true)
	x = b.Add("c1", &ops.Conv{Window: win(3, 1, 1)}, []tensor.Tensor{w(0.3, 0, 12, 3, 3, 3)}, x)
	x = b.Add("n1", &ops.GroupNorm{Groups: 3, Eps: 1e-3}, []tensor.Tensor{w(0.2, 1, 12), w(0.2, 0, 12)}, x)
	x = b.Add("p1", &ops.PRelu{}, []tensor.Tensor{w(0.1, 0.25, 12)}, x)
	x = b.Add("a1", &ops.Pool{Window: win(3, 2, 1), Fn: ops.PoolAvg}, nil, x)
	y := b.Add("c2", &ops.Conv{Window: win(3, 1, 1)}, []tensor.Tensor{w(0.2, 0, 12, 3, 3, 12), w(0.1, 0, 12)}, x)
	y = b.Add("n2", &ops.GroupNorm{Groups: 4, Eps: 1e-3}, []tensor.Tensor{w(0.2, 1, 12), w(0.2, 0, 12)}, y)
	y = b.Add("p2", &ops.PRelu{}, []tensor.Tensor{w(0.1, 0.25, 1)}, y)
	x = b.Add("sum", &ops.Binary{Fn: ops.BinaryAdd}, nil, x, y)
	x = b.Add("a2", &ops.Pool{Window: win(2, 2, 1), Fn: ops.PoolAvg, CountIncludePad: true}, nil, x)
	x = b.Add("n3", &ops.LayerNorm{Axis: 1, Eps: 1e-3}, []tensor.Tensor{w(0.2, 1, 4, 4, 12), w(0.2, 0, 4, 4, 12)}, x)
	x = b.Add("mean", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, x)
	x = b.Add("flat", &ops.Reshape{Dims: []int{0, 12}}, nil, x)
	b.Output("y", b.Add("d", &ops.Dense{}, []tensor.Tensor{w(0.3, 0, 10, 12), w(0.1, 0, 10)}, x))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// diagonalNet gives dropout's result as its scores.
func diagonalNet(t *testing.T, rate float32) *graph.Graph {
	t.Helper()
	const c = 77
	w := make([]float32, c*c)
	diagonal(w, c, 1)
	b := graph.NewBuilder("masks")
	d := b.Add("dropout", &ops.Dropout{Rate: rate, Seed: 5}, nil, b.Input("x", tensor.F32Spec(1, c), true))
	b.Output("y", b.Add("same", &ops.Dense{}, []tensor.Tensor{tensor.FromF32(w, c, c)}, d))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// masks: the same elements are dropped, to the bit, in every step.
func masks(t *testing.T) {
	for _, rate := range []float32{0.25, 0.5, 0.9} {
		b, err := Open()
		require.NoError(t, err)
		cfg := train.Config{Batch: 9, Seed: 3, Schedule: train.Constant(0), Optimizer: train.SGD{}}
		dev, err := train.OnDevice(b, diagonalNet(t, rate), cfg)
		require.NoError(t, err)
		cpu, err := train.New(diagonalNet(t, rate), cfg)
		require.NoError(t, err)
		zeros := 0
		for range 3 {
			for i := range cpu.Input(0).F32() {
				v := float32(i%13) + 0.37
				cpu.Input(0).F32()[i], dev.Input(0).F32()[i] = v, v
			}
			clear(cpu.Target().I32())
			_, err := cpu.StepInPlace()
			require.NoError(t, err)
			_, err = dev.StepInPlace()
			require.NoError(t, err)
			require.Equal(t, cpu.Scores().F32(), dev.Scores().F32())
			for _, v := range dev.Scores().F32() {
				if v == 0 {
					zeros++
				}
			}
		}
		require.Zero(t, testing.AllocsPerRun(2, func() {
			if _, err := dev.StepInPlace(); err != nil {
				panic(err)
			}
		}))
		require.InDelta(t, rate, float64(zeros)/float64(3*9*77), 0.05)
		require.NoError(t, dev.Close())
		require.NoError(t, cpu.Close())
		require.NoError(t, b.(*backend).Close())
	}
}

// diverged: what is no number changes no weight, and the layer is named.
func diverged(t *testing.T) {
	for _, clip := range []float32{0, 1} {
		b, err := Open()
		require.NoError(t, err)
		d, err := train.OnDevice(b, diagonalNet(t, 0), train.Config{Batch: 2, ClipNorm: clip})
		require.NoError(t, err)
		before, err := d.Graph()
		require.NoError(t, err)
		d.Input(0).F32()[3] = float32(math.Inf(1))
		_, err = d.StepInPlace()
		require.ErrorIs(t, err, train.ErrDiverged)
		require.ErrorContains(t, err, `the first bad value is in layer "`, fmt.Sprint(clip))
		after, err := d.Graph()
		require.NoError(t, err)
		require.Zero(t, slices.Max(weightsApart(t, before, after)))
		require.Zero(t, d.Updates())
		require.NoError(t, d.Close())
		require.NoError(t, b.(*backend).Close())
	}
}

// statisticsStay: a step that fails leaves running statistics as they were, and the
// steps after it go on from there.
func statisticsStay(t *testing.T) {
	b, err := Open()
	require.NoError(t, err)
	g := small(t, "glyphnet", 0)
	d, err := train.OnDevice(b, g, train.Config{Batch: 4, Schedule: train.Constant(0.01)})
	require.NoError(t, err)
	for i := range d.Input(0).F32() {
		d.Input(0).F32()[i] = float32(i%29) / 29
	}
	step := func() *graph.Graph {
		_, err := d.StepInPlace()
		require.NoError(t, err)
		h, err := d.Graph()
		require.NoError(t, err)
		return h
	}
	first := step()
	require.NotZero(t, slices.Max(weightsApart(t, g, first)))
	v := d.Input(0).F32()[7]
	d.Input(0).F32()[7] = float32(math.NaN())
	for range 2 {
		_, err = d.StepInPlace()
		require.ErrorIs(t, err, train.ErrDiverged)
		after, err := d.Graph()
		require.NoError(t, err)
		require.Zero(t, slices.Max(weightsApart(t, first, after)))
	}
	d.Input(0).F32()[7] = v
	step()
	require.NoError(t, d.Save(filepath.Join(t.TempDir(), "checkpoint"), 1)) // all are numbers
	require.NoError(t, d.Close())
	require.NoError(t, b.(*backend).Close())
}

func sigmoid(t *testing.T) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder("sigmoid")
	d := b.Add("d", &ops.Dense{}, []tensor.Tensor{tensor.New(tensor.F32Spec(3, 8))}, b.Input("x", tensor.F32Spec(1, 8), true))
	b.Output("y", b.Add("e", &ops.Dense{}, []tensor.Tensor{tensor.New(tensor.F32Spec(3, 3))}, b.Add("it", &ops.Unary{Fn: ops.UnarySigmoid}, nil, d)))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}
