package train

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// TestBlocks: a residual block is one, and with fewer blocks less is held and
// nothing else changes.
func TestBlocks(t *testing.T) {
	g := smallNet(t, true)
	blocks, err := Blocks(g)
	require.NoError(t, err)
	require.Equal(t, [][]string{{"conv1", "bn1"}, {"conv2", "bn2"}, {"fc"}}, blocks)
	x, y := smallBatch(8)
	last := 0
	for n := 1; n <= 3; n++ {
		learns, err := LastBlocks(g, n)
		require.NoError(t, err)
		tr, err := New(g, Config{Batch: 8, Norm: NormFrozen, Trainable: learns})
		require.NoError(t, err)
		require.Greater(t, tr.PeakBytes(), last)
		last = tr.PeakBytes()
		_, err = tr.Step(x, y)
		require.NoError(t, err)
		tuned, err := tr.Graph()
		require.NoError(t, err)
		for i := range g.Len() {
			node := g.Node(graph.ID(i))
			in := slices.ContainsFunc(blocks[3-n:], func(b []string) bool { return slices.Contains(b, node.Name) })
			for j := range node.Params {
				statistic := node.Op.Kind() == ops.KindBatchNorm && j > 1
				same := slices.Equal(node.Params[j].Data, tuned.Node(graph.ID(i)).Params[j].Data)
				// A bias before a norm of frozen statistics learns, too.
				require.Equal(t, !in || statistic, same, "last %d: %s.%d", n, node.Name, j)
			}
		}
		tr.Close()
	}
	for _, n := range []int{0, 4} {
		_, err := LastBlocks(g, n)
		require.Error(t, err)
	}
}

func TestNormsAndBiases(t *testing.T) {
	tr, err := New(smallNet(t, true), Config{Batch: 4, Trainable: NormsAndBiases("fc")})
	require.NoError(t, err)
	defer tr.Close()
	require.Equal(t, []string{"conv1.1", "bn1.0", "bn1.1", "conv2.1", "bn2.0", "bn2.1", "fc.0", "fc.1"}, tr.Parameters())
}

// TestSparse: the plan holds what it says, never more than the budget; more
// bytes buy no less; what it chose is what a trainer trains, and that learns.
func TestSparse(t *testing.T) {
	g := smallNet(t, true)
	x, y := smallBatch(8)
	fill := func(_ int, tr *Trainer) error {
		copy(tr.Input(0).Data, x.Data)
		copy(tr.Target().Data, y.Data)
		return nil
	}
	cfg := Config{Batch: 8, Norm: NormFrozen, Schedule: Constant(0.05), Threads: 1}
	whole, err := New(g, cfg)
	require.NoError(t, err)
	full := whole.PeakBytes()
	whole.Close()
	n, err := PlanBytes(g, cfg)
	require.NoError(t, err)
	require.Equal(t, full, n)
	cfg.Lean = true
	lean, err := PlanBytes(g, cfg)
	require.NoError(t, err)
	require.Less(t, lean, full)
	cfg.Lean = false
	worth := -1.0
	for _, budget := range []int{full / 4, full / 3, full / 2, full * 3 / 4, full} {
		s, err := ChooseSparse(g, cfg, budget, []string{"fc"}, 2, fill)
		require.NoError(t, err)
		require.LessOrEqual(t, s.PeakBytes, budget)
		require.Equal(t, 8, s.Config.Batch*s.Config.Accumulate)
		tr, err := New(g, s.Config)
		require.NoError(t, err)
		require.Equal(t, s.PeakBytes, tr.PeakBytes())
		var chosen []string
		sum := 0.0
		for i, p := range s.Parts {
			if p.Chosen {
				chosen = append(chosen, p.Name)
				sum += s.Parts[i].worth()
			}
		}
		require.Equal(t, chosen, tr.Parameters())
		require.Contains(t, chosen, "fc.0")
		require.GreaterOrEqual(t, sum, worth)
		worth = sum
		// Learns: the rows in turn, whatever the batch.
		var first, last float64
		b := s.Config.Batch
		for epoch := range 30 {
			last = 0
			for at := 0; at < 8; at += b {
				copy(tr.Input(0).F32(), x.F32()[at*128:])
				copy(tr.Target().I32(), y.I32()[at:])
				loss, err := tr.StepInPlace()
				require.NoError(t, err)
				last += float64(loss)
			}
			if epoch == 0 {
				first = last
			}
		}
		require.Less(t, last, first)
		require.Equal(t, 30, tr.Updates())
		tr.Close()
	}
	// Where a layer does not fit, some of its channels may.
	cfg.Lean = true
	narrow := 0
	for budget := lean / 6; budget < lean; budget += 1300 {
		s, err := ChooseSparse(g, cfg, budget, []string{"fc"}, 1, fill)
		if errors.Is(err, ErrBudget) {
			continue
		}
		require.NoError(t, err)
		n, err := PlanBytes(g, s.Config)
		require.NoError(t, err)
		require.Equal(t, s.PeakBytes, n)
		require.LessOrEqual(t, n, budget)
		for _, p := range s.Parts {
			if p.Channels != nil {
				narrow++
			}
		}
	}
	t.Logf("%d layers were chosen in part", narrow)
	require.Positive(t, narrow)
	cfg.Lean = false
	s, err := ChooseSparse(g, cfg, full, nil, 1, fill)
	require.NoError(t, err)
	for _, p := range s.Parts {
		require.True(t, p.Chosen, p.Name)
	}
	_, err = ChooseSparse(g, cfg, 1000, nil, 1, fill)
	require.ErrorIs(t, err, ErrBudget)
}

// TestGrow: a minibatch that grows is one that accumulates more, and resumes.
func TestGrow(t *testing.T) {
	x, y := smallBatch(8)
	cfg := Config{Batch: 4, Norm: NormFrozen, Schedule: Constant(0.1), Optimizer: SGD{}, Grow: func(u int) int { return 1 + u }}
	tr, err := New(smallNet(t, true), cfg)
	require.NoError(t, err)
	defer tr.Close()
	half := func(tr *Trainer, i int) {
		copy(tr.Input(0).F32(), x.F32()[i*4*128:])
		copy(tr.Target().I32(), y.I32()[i*4:])
		_, err := tr.StepInPlace()
		require.NoError(t, err)
	}
	for i, want := range []int{1, 1, 2} { // updates after each step: 1, then 2 together
		half(tr, (i+1)%2)
		require.Equal(t, want, tr.Updates())
	}
	// The same by a trainer of all eight rows.
	other, err := New(smallNet(t, true), Config{Batch: 4, Norm: NormFrozen, Schedule: Constant(0.1), Optimizer: SGD{}})
	require.NoError(t, err)
	defer other.Close()
	half(other, 1)
	g, err := other.Graph()
	require.NoError(t, err)
	both, err := New(g, Config{Batch: 8, Norm: NormFrozen, Schedule: Constant(0.1), Optimizer: SGD{}})
	require.NoError(t, err)
	defer both.Close()
	_, err = both.Step(x, y)
	require.NoError(t, err)
	for i := range tr.params {
		require.InDeltaSlice(t, both.params[i].w, tr.params[i].w, 1e-6, tr.params[i].name)
	}
}

// TestDropout: what is inserted drops in training and not otherwise, and its
// rate can be set again.
func TestDropout(t *testing.T) {
	g := smallNet(t, true)
	d, err := WithDropout(g, 0.5)
	require.NoError(t, err)
	require.Equal(t, g.Len()+1, d.Len())
	again, err := WithDropout(d, 0.25)
	require.NoError(t, err)
	require.Equal(t, d.Len(), again.Len())
	head, err := Head(again)
	require.NoError(t, err)
	require.Equal(t, float32(0.25), again.Node(again.Node(head).In[0]).Op.(*ops.Dropout).Rate)
	_, err = WithDropout(g, 1)
	require.Error(t, err)

	x, y := smallBatch(8)
	loss := func(g *graph.Graph, seed uint64) float32 {
		tr, err := New(g, Config{Batch: 8, Seed: seed})
		require.NoError(t, err)
		defer tr.Close()
		l, err := tr.Step(x, y)
		require.NoError(t, err)
		return l
	}
	require.NotEqual(t, loss(g, 1), loss(d, 1))
	require.NotEqual(t, loss(d, 2), loss(d, 1))
	require.Equal(t, loss(d, 1), loss(d, 1))
	require.Equal(t, infer(t, g, x), infer(t, d, x))
	backbone, hd, err := Split(d) // which keeps features whole and drops in the head
	require.NoError(t, err)
	require.Equal(t, 0, count(backbone, ops.KindDropout))
	require.Equal(t, 1, count(hd, ops.KindDropout))
}

func count(g *graph.Graph, k ops.Kind) (n int) {
	for i := range g.Len() {
		if g.Node(graph.ID(i)).Op.Kind() == k {
			n++
		}
	}
	return n
}

// infer is what the network says, batch norm folded.
func infer(t *testing.T, g *graph.Graph, x tensor.Tensor, opts ...runtime.Option) []float32 {
	t.Helper()
	m, err := runtime.New(g, opts...)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession(runtime.WithBatch(x.Shape.Dim(0)))
	require.NoError(t, err)
	copy(s.Input(0).Data, x.Data)
	require.NoError(t, s.Run(t.Context()))
	return slices.Clone(s.Output(0).F32())
}

// TestRefold: whatever became of batch norm in training, the network with the
// norms folded into its weights is the network that was trained, to 1e-5.
func TestRefold(t *testing.T) {
	x, y := smallBatch(8)
	for name, norm := range map[string]Norm{"trained": NormBatch, "frozen": NormFrozen, "estimated": NormFrozen} {
		g := smallNet(t, true)
		estimate := func() {
			var err error
			g, err = EstimateNorms(g, 8, 1, 1, func(_ int, in tensor.Tensor) error { copy(in.Data, x.Data); return nil })
			require.NoError(t, err)
		}
		if name == "estimated" {
			estimate()
		}
		tr, err := New(g, Config{Batch: 8, Norm: norm, Schedule: Constant(0.05)})
		require.NoError(t, err)
		for range 20 {
			_, err = tr.Step(x, y)
			require.NoError(t, err)
		}
		g, err = tr.Graph()
		require.NoError(t, err)
		tr.Close()
		if name == "estimated" {
			estimate()
		}
		folded, err := passes.FoldBatchNorm(g)
		require.NoError(t, err)
		require.Equal(t, 2, count(g, ops.KindBatchNorm), name)
		require.Equal(t, 0, count(folded, ops.KindBatchNorm), name)
		want := infer(t, g, x, runtime.WithGraphAsIs(), runtime.WithReference())
		require.InDeltaSlice(t, want, infer(t, folded, x, runtime.WithGraphAsIs(), runtime.WithReference()), 2e-6, name)
		require.InDeltaSlice(t, want, infer(t, folded, x), 2e-6, name)
		require.InDeltaSlice(t, want, infer(t, g, x), 2e-6, name)
	}
}

// TestEstimateNorms: measured on one batch, statistics are that batch's: the
// network answers as it does in training form. In parts they are the same but
// for what each part's own statistics did to later layers.
func TestEstimateNorms(t *testing.T) {
	x, y := smallBatch(8)
	g, err := graph.Rewrite(smallNet(t, true), func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if bn, ok := n.Op.(*ops.BatchNorm); ok {
			op := *bn
			op.Unbiased = false
			return b.Add(n.Name, &op, n.Params, in...)
		}
		return b.Keep(n, in)
	})
	require.NoError(t, err)
	estimated := func(batch int) *graph.Graph {
		h, err := EstimateNorms(g, batch, 8/batch, 2, func(i int, in tensor.Tensor) error {
			copy(in.F32(), x.F32()[i*batch*128:])
			return nil
		})
		require.NoError(t, err)
		return h
	}
	loss := func(g *graph.Graph, norm Norm) float32 {
		tr, err := New(g, Config{Batch: 8, Norm: norm})
		require.NoError(t, err)
		defer tr.Close()
		l, err := tr.Step(x, y)
		require.NoError(t, err)
		return l
	}
	whole, parts := estimated(8), estimated(4)
	require.InDelta(t, loss(g, NormBatch), loss(whole, NormFrozen), 1e-5)
	for i := range g.Len() {
		for j := 2; j < 4 && g.Node(graph.ID(i)).Name == "bn1"; j++ {
			a, b := whole.Node(graph.ID(i)).Params[j].F32(), parts.Node(graph.ID(i)).Params[j].F32()
			require.NotEqual(t, g.Node(graph.ID(i)).Params[j].F32(), a)
			require.InDeltaSlice(t, a, b, 3e-6)
		}
	}
	plain := smallNet(t, false)
	same, err := EstimateNorms(plain, 8, 1, 1, nil)
	require.NoError(t, err)
	require.Same(t, plain, same)
}

// TestWithClasses: a new head has no ReLU between itself and the average, and
// an average of scores is a score of averages.
func TestWithClasses(t *testing.T) {
	b := graph.NewBuilder("squeezed")
	x := b.Input("x", tensor.F32Spec(1, 8, 8, 2), true)
	w := tensor.New(tensor.F32Spec(5, 1, 1, 2))
	x = b.Add("drop", &ops.Dropout{Rate: 0.5}, nil, x)
	x = b.Add("score", &ops.Conv{}, []tensor.Tensor{w, tensor.New(tensor.F32Spec(5))}, x)
	x = b.Add("relu", &ops.Unary{Fn: ops.UnaryRelu}, nil, x)
	x = b.Add("average", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, x)
	b.Output("y", b.Add("flat", &ops.Reshape{Dims: []int{0, 5}}, nil, x))
	g, err := b.Build()
	require.NoError(t, err)
	same, err := WithClasses(g, 5, 1, false)
	require.NoError(t, err)
	require.Same(t, g, same)
	h, err := WithClasses(g, 3, 1, false)
	require.NoError(t, err)
	require.Equal(t, 0, count(h, ops.KindUnary))
	require.Equal(t, []int{1, 3}, h.Node(h.Outputs()[0].ID).Out.Shape.Dims())
	backbone, head, err := Split(h)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1, 1, 2}, backbone.Node(backbone.Outputs()[0].ID).Out.Shape.Dims())
	in, _ := smallBatch(2)
	want := infer(t, h, in)
	f := tensor.FromF32(infer(t, backbone, in), 2, 1, 1, 2)
	require.InDeltaSlice(t, want, infer(t, head, f), 1e-6)
}
