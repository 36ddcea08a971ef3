package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// smallNet is a residual network in miniature: convolutions with batch norm,
// fan-out, an addition, pooling, dropout-free, dense.
func smallNet(t testing.TB, bn bool) *graph.Graph {
	return makeNet(t, bn, ops.UnaryRelu, ops.PoolMax)
}

func makeNet(t testing.TB, bn bool, act ops.UnaryFn, pool ops.PoolFn) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	random := func(std float64, dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(rng.NormFloat64() * std)
		}
		return x
	}
	b := graph.NewBuilder("small")
	x := b.Input("x", tensor.F32Spec(1, 8, 8, 2), true)
	same := ops.Window{Auto: ops.PadSameUpper}
	norm := func(name string, x graph.ID, c int) graph.ID {
		if !bn {
			return x
		}
		ones := func(v float32) tensor.Tensor {
			o := tensor.New(tensor.F32Spec(c))
			for i := range o.F32() {
				o.F32()[i] = v
			}
			return o
		}
		return b.Add(name, &ops.BatchNorm{Eps: 1e-5, Momentum: 0.9, Unbiased: true}, []tensor.Tensor{ones(1), ones(0), ones(0), ones(1)}, x)
	}
	relu := func(x graph.ID) graph.ID { return b.Add("", &ops.Unary{Fn: act}, nil, x) }
	y := relu(norm("bn1", b.Add("conv1", &ops.Conv{Window: same}, []tensor.Tensor{random(0.4, 8, 3, 3, 2), random(0.1, 8)}, x), 8))
	z := norm("bn2", b.Add("conv2", &ops.Conv{Window: same}, []tensor.Tensor{random(0.2, 8, 3, 3, 8), random(0.1, 8)}, y), 8)
	y = relu(b.Add("add", &ops.Binary{Fn: ops.BinaryAdd}, nil, z, y))
	y = b.Add("pool", &ops.Pool{Window: ops.Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}, Fn: pool}, nil, y)
	y = b.Add("gap", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, y)
	y = b.Add("flat", &ops.Reshape{Dims: []int{0, -1}}, nil, y)
	y = b.Add("fc", &ops.Dense{}, []tensor.Tensor{random(0.3, 3, 8), random(0.1, 3)}, y)
	b.Output("p", b.Add("softmax", &ops.Softmax{Axis: -1}, nil, y))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

func smallBatch(n int) (tensor.Tensor, tensor.Tensor) {
	rng := rand.New(rand.NewPCG(5, 6))
	x := tensor.New(tensor.F32Spec(n, 8, 8, 2))
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = int32(rng.IntN(3))
		for j := range 128 {
			x.F32()[i*128+j] = float32(rng.NormFloat64()) + float32(labels[i])*float32(j%2)
		}
	}
	return x, tensor.FromI32(labels, n)
}

// TestGradients compares every gradient of the whole network with central
// differences of its loss.
func TestGradients(t *testing.T) {
	for _, c := range []struct {
		name string
		bn   bool
		norm Norm
	}{{"plain", false, NormBatch}, {"batch norm", true, NormBatch}, {"frozen norm", true, NormFrozen}} {
		t.Run(c.name, func(t *testing.T) {
			// Smooth everywhere: at a kink a difference is no derivative.
			g := makeNet(t, c.bn, ops.UnarySoftplus, ops.PoolAvg)
			tr, err := New(g, Config{Batch: 4, Norm: c.norm, Schedule: Constant(0), Smoothing: 0.1, Reference: true, Gradients: true})
			require.NoError(t, err)
			defer tr.Close()
			x, y := smallBatch(4)
			_, err = tr.Step(x, y)
			require.NoError(t, err)
			rng := rand.New(rand.NewPCG(7, 8))
			for i := range tr.params {
				p := &tr.params[i]
				want := append([]float32(nil), p.g...)
				// Along a random direction: one number for the whole tensor.
				dir := make([]float64, len(p.w))
				along, norm := 0.0, 0.0
				for j := range dir {
					dir[j] = rng.NormFloat64()
					norm += dir[j] * dir[j]
				}
				for j := range dir {
					dir[j] /= math.Sqrt(norm)
					along += dir[j] * float64(want[j])
				}
				at := func(h float64) float64 {
					old := append([]float32(nil), p.w...)
					for j := range p.w {
						p.w[j] = float32(float64(old[j]) + h*dir[j])
					}
					tr.repack()
					copy(tr.Input(0).Data, x.Data) // the backward pass reused their memory
					copy(tr.Target().Data, y.Data)
					v := float64(tr.forward())
					copy(p.w, old)
					return v
				}
				const h = 1e-2
				numeric := (at(h) - at(-h)) / (2 * h)
				require.InDelta(t, numeric, along, 1e-3*math.Max(0.05, math.Abs(numeric)), p.name)
			}
		})
	}
}

// TestFastEqualsReference compares gradients and ten losses of the packed
// kernels with those of the plain ones, and with two threads.
func TestFastEqualsReference(t *testing.T) {
	losses := func(c Config) ([]float32, [][]float32) {
		c.Batch, c.Seed = 8, 1
		c.Optimizer, c.Schedule = SGD{Momentum: 0.9, WeightDecay: 1e-3}, Constant(0.05)
		tr, err := New(smallNet(t, true), c)
		require.NoError(t, err)
		defer tr.Close()
		x, y := smallBatch(8)
		var ls []float32
		var first [][]float32
		for step := range 10 {
			l, err := tr.Step(x, y)
			require.NoError(t, err)
			ls = append(ls, l)
			if step == 0 && c.Gradients {
				for _, p := range tr.params {
					first = append(first, append([]float32(nil), p.g...))
				}
			}
		}
		return ls, first
	}
	refLoss, refGrad := losses(Config{Reference: true, Threads: 1, Gradients: true})
	oneLoss, oneGrad := losses(Config{Threads: 1, Gradients: true})
	twoLoss, twoGrad := losses(Config{Threads: 2, Gradients: true})
	leanLoss, leanGrad := losses(Config{Threads: 1, Lean: true, Gradients: true})
	require.Equal(t, oneLoss, leanLoss, "losses depend on where weights are packed")
	require.Equal(t, oneGrad, leanGrad)
	for _, c := range []Config{{Threads: 1}, {Threads: 2}, {Threads: 2, Lean: true}} {
		turnLoss, _ := losses(c)
		require.Equal(t, oneLoss, turnLoss, "losses depend on when parameters are updated")
	}
	require.Equal(t, oneLoss, twoLoss, "losses depend on the number of threads")
	require.Equal(t, oneGrad, twoGrad, "gradients depend on the number of threads")
	require.InDeltaSlice(t, refLoss, oneLoss, 5e-6)
	for i := range refGrad {
		require.InDeltaSlice(t, refGrad[i], oneGrad[i], 1e-6)
	}
	require.Less(t, oneLoss[9], oneLoss[0]/2, "ten steps on one batch do not learn it")
}

// TestNoAllocations: a step allocates nothing, whatever the configuration.
func TestNoAllocations(t *testing.T) {
	for _, c := range []Config{
		{Threads: 1}, {Threads: 2}, {Threads: 1, Optimizer: AdamW{}}, {Threads: 1, ClipNorm: 1, Accumulate: 2}, {Threads: 2, Lean: true},
	} {
		c.Batch = 4
		tr, err := New(smallNet(t, true), c)
		require.NoError(t, err)
		x, y := smallBatch(4)
		require.Zero(t, testing.AllocsPerRun(10, func() {
			if _, err := tr.Step(x, y); err != nil {
				t.Error(err)
			}
		}))
		require.Positive(t, tr.PeakBytes())
		tr.Close()
	}
}

// TestSnapshot: the graph that comes out has the source's form and the trained
// parameters, and the source is untouched.
func TestSnapshot(t *testing.T) {
	g := smallNet(t, true)
	before := append([]byte(nil), g.Node(1).Params[0].Data...)
	tr, err := New(g, Config{Batch: 4, Schedule: Constant(0.1)})
	require.NoError(t, err)
	defer tr.Close()
	x, y := smallBatch(4)
	for range 3 {
		_, err = tr.Step(x, y)
		require.NoError(t, err)
	}
	require.Equal(t, before, g.Node(1).Params[0].Data)
	out, err := tr.Graph()
	require.NoError(t, err)
	require.Equal(t, 1, out.Batch())
	require.NotEqual(t, before, out.Node(1).Params[0].Data)
	require.Equal(t, g.Outputs()[0].Name, out.Outputs()[0].Name)
}

// TestHeadOnly trains the last layer alone: nothing before it is kept.
func TestHeadOnly(t *testing.T) {
	g := smallNet(t, true)
	all, err := New(g, Config{Batch: 8, Threads: 2})
	require.NoError(t, err)
	defer all.Close()
	head, err := New(g, Config{Batch: 8, Threads: 2, Norm: NormFrozen, Trainable: func(n *graph.Node, _ int) bool { return n.Op.Kind() == ops.KindDense }})
	require.NoError(t, err)
	defer head.Close()
	require.Len(t, head.Parameters(), 2)
	require.Less(t, head.PeakBytes(), all.PeakBytes())
	require.LessOrEqual(t, head.PeakBytes(), 71084) // half of what all took when each gradient had a buffer of its own
	s, err := newSchedule(head.net, &head.cfg, 2)
	require.NoError(t, err)
	fc := graph.ID(0)
	for g.Node(fc).Op.Kind() != ops.KindDense {
		fc++
	}
	for i := range g.Node(fc).In[0] {
		if v := s.value[i]; g.Node(i).Op.Kind() != ops.KindInput && v >= 0 && v != s.value[g.Node(fc).In[0]] {
			require.Less(t, s.spans[v].Last, int(fc), "value of %s is kept", g.Node(i).Name)
		}
	}
	x, y := smallBatch(8)
	first, err := head.Step(x, y)
	require.NoError(t, err)
	var last float32
	for range 50 {
		last, err = head.Step(x, y)
		require.NoError(t, err)
	}
	require.Less(t, last, first)
}

// TestDivergenceIsNamed: a loss that is no number stops before the update and
// says where.
func TestDivergenceIsNamed(t *testing.T) {
	tr, err := New(smallNet(t, false), Config{Batch: 4})
	require.NoError(t, err)
	defer tr.Close()
	x, y := smallBatch(4)
	x.F32()[5] = float32(math.NaN())
	w := append([]float32(nil), tr.params[0].w...)
	_, err = tr.Step(x, y)
	require.ErrorIs(t, err, ErrDiverged)
	require.ErrorContains(t, err, "conv1")
	require.Equal(t, w, tr.params[0].w)
}

func TestErrors(t *testing.T) {
	g := smallNet(t, true)
	nan := float32(math.NaN())
	for _, c := range []Config{
		{Batch: -1}, {Smoothing: 1}, {ClassWeights: []float32{1, 2}}, {Optimizer: SGD{Momentum: 1}},
		{Trainable: func(*graph.Node, int) bool { return false }}, {Norm: 7}, {ClipNorm: nan}, {Smoothing: nan}, {Batch: 1 << 30},
		{ClassWeights: []float32{1, nan, 1, 1}}, {Optimizer: SGD{WeightDecay: nan}}, {Optimizer: AdamW{Beta1: nan}}, {Optimizer: Adagrad{RateDecay: nan}},
	} {
		_, err := New(g, c)
		require.Error(t, err)
	}
	tr, err := New(g, Config{Batch: 4})
	require.NoError(t, err)
	defer tr.Close()
	x, y := smallBatch(5)
	_, err = tr.Step(x, y)
	require.ErrorContains(t, err, "want")
	x, y = smallBatch(4)
	y.I32()[2] = 99
	_, err = tr.Step(x, y)
	require.ErrorIs(t, err, ErrLabel)
	require.ErrorContains(t, err, "99 at row 2")
	require.Zero(t, tr.Steps())
}

// TestResume: stopping after any step and going on from the checkpoint gives
// the same bits as never having stopped.
func TestResume(t *testing.T) {
	cfg := Config{Batch: 4, Seed: 9, Accumulate: 2, Optimizer: AdamW{WeightDecay: 0.01}, Schedule: Cosine(0.01, 10)}
	x, y := smallBatch(4)
	straight, err := New(smallNet(t, true), cfg)
	require.NoError(t, err)
	defer straight.Close()
	path := t.TempDir() + "/ck"
	for step := range 6 {
		if step == 3 {
			require.NoError(t, straight.Save(path, 42))
		}
		_, err := straight.Step(x, y)
		require.NoError(t, err)
	}
	resumed, err := New(smallNet(t, true), cfg)
	require.NoError(t, err)
	defer resumed.Close()
	extra, err := resumed.Load(path)
	require.NoError(t, err)
	require.EqualValues(t, 42, extra)
	for range 3 {
		_, err := resumed.Step(x, y)
		require.NoError(t, err)
	}
	for k, v := range straight.net.live {
		require.Equal(t, v.Data, resumed.net.live[k].Data)
	}
	other, err := New(smallNet(t, false), cfg)
	require.NoError(t, err)
	defer other.Close()
	_, err = other.Load(path)
	require.ErrorIs(t, err, ErrCheckpoint)
}

// TestSplitAndJoin trains a head on features computed once.
func TestSplitAndJoin(t *testing.T) {
	g, err := WithClasses(smallNet(t, true), 4, 1, false)
	require.NoError(t, err)
	backbone, head, err := Split(g)
	require.NoError(t, err)
	require.Equal(t, 8, backbone.Node(backbone.Outputs()[0].ID).Out.Shape.Channels())
	tr, err := New(head, Config{Batch: 4})
	require.NoError(t, err)
	defer tr.Close()
	for i := range tr.Input(0).F32() {
		tr.Input(0).F32()[i] = float32(i%5) - 2
	}
	_, err = tr.StepInPlace()
	require.NoError(t, err)
	tuned, err := tr.Graph()
	require.NoError(t, err)
	whole, err := Join(g, tuned)
	require.NoError(t, err)
	require.Equal(t, g.Len(), whole.Len())
	at, err := Head(whole)
	require.NoError(t, err)
	require.NotEqual(t, g.Node(at).Params[0].Data, whole.Node(at).Params[0].Data)
}
