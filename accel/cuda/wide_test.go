package cuda

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/randgraph"
)

// bothTypes is a network with every step from one type to the other: two inverted
// residual blocks, and scores for a softmax.
func bothTypes(t *testing.T) *graph.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	b := graph.NewBuilder("both types")
	ps := func(dims ...int) []tensor.Tensor {
		w := tensor.New(tensor.F32Spec(dims...))
		terms := w.Shape.Elems() / dims[0]
		for i := range w.F32() {
			w.F32()[i] = float32(rng.NormFloat64()) / float32(terms) * 4
		}
		return []tensor.Tensor{w, tensor.New(tensor.F32Spec(dims[0]))}
	}
	three := ops.Window{Kernel: []int{3, 3}, PadLo: []int{1, 1}, PadHi: []int{1, 1}}
	x := b.Add("stem", &ops.Conv{Window: three, Act: ops.Relu}, ps(24, 3, 3, 3), b.Input("x", tensor.F32Spec(1, 6, 5, 3), true))
	for _, name := range []string{"a", "b"} {
		e := b.Add(name+" expand", &ops.Conv{Act: ops.Clip(0, 6)}, ps(wide, 1, 1, 24), x)
		d := b.Add(name+" depthwise", &ops.Conv{Window: three, Groups: wide, Act: ops.Clip(0, 6)}, ps(wide, 3, 3, 1), e)
		x = b.Add(name+" project", &ops.Conv{Residual: true}, ps(24, 1, 1, wide), d, x)
	}
	thinner := b.Add("few", &ops.Conv{Act: ops.Act{Fn: ops.UnaryHardSwish}}, ps(wide, 1, 1, 24), x)
	a := b.Add("attention", &ops.Softmax{Axis: -1}, nil, thinner)
	m := b.Add("many", &ops.Conv{}, ps(400, 1, 1, wide), a)
	p := b.Add("mean", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, m)
	s := b.Add("scores", &ops.Conv{Act: ops.Act{Fn: ops.UnaryTanh}}, ps(10, 1, 1, 400), p)
	b.Output("z", b.Add("depthwise beside", &ops.Conv{Window: three, Groups: wide}, ps(wide, 3, 3, 1), a))
	b.Output("y", b.Add("softmax", &ops.Softmax{Axis: -1}, nil, b.Add("row", &ops.Reshape{Dims: []int{0, 10}}, nil, s)))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestWide: what computes in float32, and what is stored so.
func TestWide(t *testing.T) {
	g := bothTypes(t)
	nums, err := numbersOf(ops.PrecisionF16)
	require.NoError(t, err)
	l, err := lower(g, nums, machine{processors: 2, capability: 80})
	require.NoError(t, err)
	full := map[string]bool{"x": true, "stem": true, "a expand": true, "b expand": true, "few": true, "row": true, "softmax": true, "a depthwise": true, "b depthwise": true}
	wide := map[string]bool{"x": true, "stem": true, "a project": true, "b project": true, "scores": true, "row": true, "softmax": true, "a expand": true, "b expand": true}
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		require.Equal(t, full[n.Name], l.full[i], n.Name)
		require.Equal(t, wide[n.Name], l.wide[i], n.Name)
	}
	for _, s := range l.steps {
		kernel := s.launches[0].kernel
		want := map[string]string{
			"stem": "conv_f32", "a expand": "conv_f32", "a depthwise": "dwconv_f32", "depthwise beside": "dwconv_f16", "a project": "conv_f16_64", "softmax": "softmax_f32", "scores": "conv_f16_64", "many": "conv_f16_128",
		}[g.Node(s.node).Name]
		if want != "" && !s.cast {
			require.Equal(t, want, kernel, g.Node(s.node).Name)
		}
	}
}

// TestWideRandom: in random networks every operator gets the type it takes. What is
// read as another, or before it is written, is no number or a huge one.
func TestWideRandom(t *testing.T) {
	ran, both := 0, 0
	for seed := range uint64(200) {
		g, err := randgraph.New(seed, randgraph.Options{})
		require.NoError(t, err)
		g, err = passes.Infer(g)
		require.NoError(t, err)
		nums, err := numbersOf(ops.PrecisionF16)
		require.NoError(t, err)
		l, err := lower(g, nums, machine{processors: 4, capability: 80})
		if err != nil {
			continue
		}
		ran++
		if slices.Contains(l.wide, true) && slices.Contains(l.wide, false) {
			both++
		}
		b, err := open(newFake())
		require.NoError(t, err)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { same(t, b, g, 1, 0.05, runtime.WithPrecision(ops.PrecisionF16)) })
		require.NoError(t, b.Close())
	}
	require.Greater(t, ran, 20)
	require.Greater(t, both, 10)
}
