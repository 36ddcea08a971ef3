package runtime_test

import (
	"context"
	"math"
	"math/rand/v2"
	goruntime "runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// normed is a network of every kind of convolution with batch norm behind it,
// and with enough weights that they are packed outside Go's heap.
func normed(t testing.TB) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(mean, dev float64, dims ...int) tensor.Tensor {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = float32(mean + dev*rng.NormFloat64())
		}
		return x
	}
	b := graph.NewBuilder("normed")
	x := b.Input("x", tensor.F32Spec(1, 5, 5, 64), true)
	conv := func(y graph.ID, oc, k, groups, stride int) graph.ID {
		ic := b.Spec(y).Shape.Channels() / groups
		w := random(0, math.Sqrt(2/float64(k*k*ic)), oc, k, k, ic)
		y = b.Add("", &ops.Conv{Window: ops.Window{Auto: ops.PadSameUpper, Stride: []int{stride, stride}}, Groups: groups}, []tensor.Tensor{w}, y)
		y = b.Add("", &ops.BatchNorm{Eps: 1e-5}, []tensor.Tensor{random(1, .2, oc), random(0, .2, oc), random(0, .2, oc), random(1, .1, oc)}, y)
		return b.Add("", &ops.Unary{Fn: ops.UnaryRelu}, nil, y)
	}
	y := conv(x, 256, 1, 1, 1)
	y = conv(y, 256, 3, 1, 1)  // Winograd
	y = conv(y, 128, 3, 1, 2)  // a table of rows
	y = conv(y, 2048, 1, 1, 1) // rows as they lie
	y = conv(y, 2048, 3, 2048, 1)
	y = conv(y, 100, 3, 4, 1) // groups of 25
	b.Output("y", y)
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestWeightsStayWhereTheyLie: batch norm folds into large weights without a copy
// of them, and what every path computes is what the folded weights would give.
func TestWeightsStayWhereTheyLie(t *testing.T) {
	g := normed(t)
	run := func(batch int, opts ...runtime.Option) []float32 {
		m, err := runtime.New(g, opts...)
		require.NoError(t, err)
		defer m.Close()
		s, err := m.NewSession(runtime.WithBatch(batch))
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(3, 4))
		for i := range s.Input(0).F32() {
			s.Input(0).F32()[i] = float32(rng.NormFloat64())
		}
		require.NoError(t, s.Run(context.Background()))
		require.Zero(t, testing.AllocsPerRun(2, func() { _ = s.Run(context.Background()) }))
		scaled := 0
		for i := range m.Compiled().Len() {
			for _, p := range m.Compiled().Node(graph.ID(i)).Params {
				if p.Scale() != nil {
					scaled++
				}
			}
		}
		require.GreaterOrEqual(t, scaled, 5)
		return append([]float32(nil), s.Output(0).F32()...)
	}
	batches := []int{1, 2}
	if testing.Short() {
		batches = []int{1}
	}
	for _, batch := range batches {
		want := run(batch, runtime.WithReference())
		norm := 0.0
		for _, v := range want {
			norm += float64(v) * float64(v)
		}
		require.NotZero(t, norm)
		for _, c := range []struct {
			name  string
			limit float64
			opts  []runtime.Option
		}{
			{"plain", 1e-5, nil},
			{"exact", 1e-5, []runtime.Option{runtime.WithExact()}},
			{"bf16", 2e-2, []runtime.Option{runtime.WithBF16()}},
		} {
			one := run(batch, append(c.opts, runtime.WithThreads(1))...)
			diff := 0.0
			for i, v := range one {
				d := float64(v - want[i])
				diff += d * d
			}
			require.Less(t, math.Sqrt(diff/norm), c.limit, c.name)
			require.Equal(t, one, run(batch, append(c.opts, runtime.WithThreads(3))...), c.name)
		}
	}
	folded, err := passes.Infer(g)
	require.NoError(t, err)
	inPlace, err := passes.InferInPlace(g)
	require.NoError(t, err)
	require.Equal(t, folded.Len(), inPlace.Len())
	for i := range folded.Len() {
		for j, p := range inPlace.Node(graph.ID(i)).Params {
			require.InDeltaSlice(t, folded.Node(graph.ID(i)).Params[j].F32(), p.F32(), 1e-6)
		}
	}
}

// TestForgottenModel: packed weights live as long as a session, though nobody
// closes the model.
func TestForgottenModel(t *testing.T) {
	open := func() *runtime.Session {
		m, err := runtime.New(normed(t), runtime.WithThreads(1))
		require.NoError(t, err)
		s, err := m.NewSession()
		require.NoError(t, err)
		return s
	}
	s := open()
	for range 4 {
		goruntime.GC()
		require.NoError(t, s.Run(context.Background()))
	}
	s = open()
	goruntime.GC()
	goruntime.GC()
	require.NoError(t, s.Run(context.Background()))
}
