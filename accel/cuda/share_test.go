package cuda

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// normed is y = x*w*scale, by a dense layer and a batch norm that stays one; its
// weights lie in the given memory.
func normed(t *testing.T, w, scale []float32) *graph.Graph {
	t.Helper()
	c := len(scale)
	of := func(v float32) tensor.Tensor {
		p := tensor.New(tensor.F32Spec(c))
		for i := range p.F32() {
			p.F32()[i] = v
		}
		return p
	}
	view := func(v []float32, dims ...int) tensor.Tensor {
		return tensor.Tensor{Spec: tensor.F32Spec(dims...), Data: tensor.BytesOf(v)}
	}
	b := graph.NewBuilder("normed")
	x := b.Input("x", tensor.F32Spec(1, c), true)
	d := b.Add("dense", &ops.Dense{}, []tensor.Tensor{view(w, c, c)}, x)
	n := b.Add("norm", &ops.BatchNorm{}, []tensor.Tensor{view(scale, c), of(0), of(0), of(1)}, d)
	b.Output("y", n)
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

func diagonal(w []float32, c int, v float32) {
	clear(w)
	for i := range c {
		w[i*c+i] = v
	}
}

func runOnes(t *testing.T, s *runtime.Session) float32 {
	t.Helper()
	for i := range s.Input(0).F32() {
		s.Input(0).F32()[i] = 1
	}
	require.NoError(t, s.Run(context.Background()))
	return s.Output(0).F32()[0]
}

// TestModelsShareBackend: models come and go on one backend. Weights of one that
// comes to lie where another's lay are not taken for them, and nothing leaks.
func TestModelsShareBackend(t *testing.T) {
	const c = 8
	w, scale := make([]float32, c*c), make([]float32, c)
	d := newFake()
	b, err := open(d)
	require.NoError(t, err)
	other, mine := make([]float32, c*c), make([]float32, c)
	diagonal(other, c, 1)
	for i := range mine {
		mine[i] = 7
	}
	stays, lasting := sessionOf(t, b, normed(t, other, mine), 1)
	held := len(d.memory)
	for round := range 4 {
		v := float32(round + 2)
		diagonal(w, c, v)
		for i := range scale {
			scale[i] = v
		}
		m, s := sessionOf(t, b, normed(t, w, scale), 1)
		require.Equal(t, v*v, runOnes(t, s), "weights of round %d", round-1)
		require.Equal(t, float32(7), runOnes(t, lasting))
		require.NoError(t, s.Close())
		require.NoError(t, m.Close())
		require.Len(t, d.memory, held)
	}
	require.NoError(t, lasting.Close())
	require.NoError(t, stays.Close())
	require.Empty(t, d.memory)
	require.Zero(t, b.bytes)
	require.NoError(t, b.Close())
}

// TestBatchSizesShareWeights: another batch size brings nothing to the device,
// of what is made of weights neither.
func TestBatchSizesShareWeights(t *testing.T) {
	const c = 8
	w, scale := make([]float32, c*c), make([]float32, c)
	diagonal(w, c, 2)
	d := newFake()
	b, err := open(d)
	require.NoError(t, err)
	m, err := runtime.New(normed(t, w, scale), runtime.WithBackend(b), runtime.WithGraphAsIs())
	require.NoError(t, err)
	for batch := range 3 {
		_, err := m.Program(batch + 1)
		require.NoError(t, err)
		require.Len(t, b.slabs, 1)
		require.Len(t, b.weights, 3)
	}
	require.NoError(t, m.Close())
	require.Empty(t, d.memory)
	require.NoError(t, b.Close())
}

// TestProgramClosedBeforeSessions: a session outlives its program; its weights
// go with it, and no other program finds them in between.
func TestProgramClosedBeforeSessions(t *testing.T) {
	const c = 8
	w, scale := make([]float32, c*c), make([]float32, c)
	d := newFake()
	b, err := open(d)
	require.NoError(t, err)
	g := normed(t, w, scale)
	first, err := b.Compile(g, accel.Options{})
	require.NoError(t, err)
	second, err := b.Compile(g, accel.Options{})
	require.NoError(t, err)
	require.Len(t, b.slabs, 1)
	s, err := first.NewState(nil)
	require.NoError(t, err)
	closing := func(p accel.Program) { require.NoError(t, p.(*program).Close()) }
	closing(first)
	closing(first)
	_, err = first.NewState(nil)
	require.ErrorIs(t, err, ErrClosed)
	require.Len(t, b.weights, 3, "the second program has them")
	closing(second)
	require.Empty(t, b.weights)
	require.NoError(t, s.Run(context.Background()), "its weights are there")
	third, err := b.Compile(g, accel.Options{})
	require.NoError(t, err)
	require.Len(t, b.slabs, 2)
	require.NoError(t, s.Close())
	require.Len(t, b.slabs, 1)
	closing(third)
	require.Empty(t, d.memory)
	require.NoError(t, b.Close())
	closing(third)
}
