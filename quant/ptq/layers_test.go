package ptq

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// doubled is a decoder's step: a convolution of an image made larger.
func doubled(t testing.TB, mode ops.ResizeMode, coord ops.ResizeCoord) *graph.Graph {
	rng := rand.New(rand.NewPCG(3, 4))
	b := graph.NewBuilder("doubled")
	x := b.Input("x", tensor.F32Spec(1, 32, 32, 3), true)
	a := b.Add("a", &ops.Conv{Act: ops.Relu}, []tensor.Tensor{randoms(rng, 0.3, 32, 1, 1, 3)}, x)
	resize := &ops.Resize{Mode: mode, Coord: coord, Scales: []float32{0, 2, 2, 0}}
	if coord == ops.CoordTFCrop {
		resize.ROI = []float32{0, 0, 0, 0, 1, 1, 1, 1}
	}
	r := b.Add("r", resize, nil, a)
	b.Output("y", b.Add("c", &ops.Conv{}, []tensor.Tensor{randoms(rng, 0.3, 8, 1, 1, 32)}, r))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestResize: one that copies keeps the integers that came, bit for bit.
func TestResize(t *testing.T) {
	ctx, src := context.Background(), randomSource{8}
	for _, c := range []struct {
		mode  ops.ResizeMode
		coord ops.ResizeCoord
		want  tensor.DType
	}{
		{ops.ResizeNearest, ops.CoordHalfPixel, tensor.I8},
		{ops.ResizeNearest, ops.CoordAsymmetric, tensor.I8},
		{ops.ResizeNearest, ops.CoordTFCrop, tensor.F32},
		{ops.ResizeLinear, ops.CoordHalfPixel, tensor.F32},
	} {
		q, err := Calibrate(ctx, doubled(t, c.mode, c.coord), src, Options{})
		require.NoError(t, err)
		g, err := q.Graph(nil)
		require.NoError(t, err)
		layers, err := q.Report(ctx, g, src, 0)
		require.NoError(t, err)
		require.Len(t, layers, 3)
		require.Equal(t, c.want.String(), layers[1].Type, "%+v", layers)
		require.Greater(t, layers[2].SQNR, 30.0)
		if c.want == tensor.I8 && c.coord == ops.CoordAsymmetric {
			require.InDelta(t, layers[0].SQNR, layers[1].SQNR, 1e-9) // each value four times
		}
	}
}

// TestAverage: a mean over many positions varies less than they do, so it has a
// scale of its own, in a Pool as in a GlobalPool.
func TestAverage(t *testing.T) {
	ctx, src := context.Background(), randomSource{16}
	sqnr := map[string]float64{}
	for name, op := range map[string]ops.Op{
		"pool":   &ops.Pool{Fn: ops.PoolAvg, Window: ops.Window{Kernel: []int{6, 6}}},
		"global": &ops.GlobalPool{Fn: ops.PoolAvg},
	} {
		rng := rand.New(rand.NewPCG(5, 6))
		b := graph.NewBuilder("average")
		x := b.Input("x", tensor.F32Spec(1, 8, 8, 3), true)
		a := b.Add("a", &ops.Conv{}, []tensor.Tensor{randoms(rng, 0.3, 16, 3, 3, 3)}, x)
		b.Output("y", b.Add("m", op, nil, a))
		g, err := b.Build()
		require.NoError(t, err)
		q, err := Calibrate(ctx, g, src, Options{})
		require.NoError(t, err)
		g, err = q.Graph(nil)
		require.NoError(t, err)
		layers, err := q.Report(ctx, g, src, 0)
		require.NoError(t, err)
		require.Equal(t, tensor.I8.String(), layers[1].Type)
		sqnr[name] = layers[1].SQNR
	}
	require.Greater(t, sqnr["pool"], 30.0)
	require.InDelta(t, sqnr["global"], sqnr["pool"], 1e-9)
}

// BenchmarkResize is the network on one thread, its resize in integers and in
// float32 between two conversions.
func BenchmarkResize(b *testing.B) {
	ctx := context.Background()
	q, err := Calibrate(ctx, doubled(b, ops.ResizeNearest, ops.CoordAsymmetric), randomSource{4}, Options{})
	require.NoError(b, err)
	for _, c := range []struct {
		name  string
		float map[string]bool
	}{{"i8", nil}, {"f32", map[string]bool{"r": true}}} {
		g, err := q.Graph(c.float)
		require.NoError(b, err)
		m, err := runtime.New(g, runtime.WithThreads(1))
		require.NoError(b, err)
		s, err := m.NewSession()
		require.NoError(b, err)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := s.Run(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
		require.NoError(b, m.Close())
	}
}

// TestFeedback: rounding by what was seen leaves less noise in every product than
// rounding to what is next, and no mean.
func TestFeedback(t *testing.T) {
	ctx, src := context.Background(), randomSource{64}
	noise := map[bool]float64{}
	for _, nearest := range []bool{false, true} {
		q, err := Calibrate(ctx, wide(t), src, Options{Nearest: nearest})
		require.NoError(t, err)
		b := map[graph.ID][]tensor.Tensor{}
		for i := range q.graph.Len() {
			id := graph.ID(i)
			if n := q.graph.Node(id); len(n.Params) > 0 {
				p := products(n.Params[0], n.Params[1].F32(), 1, 1e-6, q.stats[n.In[0]].mean, q.reads[id])
				w, bias := make([]float32, len(p.weight.I8())), make([]float32, len(p.bias.I32()))
				for j, x := range p.weight.I8() {
					s, _ := p.weight.Quant.At(j / (len(w) / len(bias)))
					w[j] = s * float32(x)
				}
				for j, x := range p.bias.I32() {
					s, _ := p.weight.Quant.At(j)
					bias[j] = s * 1e-6 * float32(x)
				}
				b[id] = []tensor.Tensor{tensor.FromF32(w, n.Params[0].Shape.Dims()...), tensor.FromF32(bias, len(bias))}
			}
		}
		rounded, err := graph.Rewrite(q.graph, func(to *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
			if p, ok := b[id]; ok {
				return to.Add(n.Name, n.Op, p, in...)
			}
			return to.Keep(n, in)
		})
		require.NoError(t, err)
		layers, err := Compare(ctx, q.graph, rounded, src, src, 0, 1)
		require.NoError(t, err)
		noise[nearest] = layers[len(layers)-1].SQNR
	}
	require.Greater(t, noise[false], noise[true]+1)
}

// wide is a product of values that vary together.
func wide(t *testing.T) *graph.Graph {
	rng := rand.New(rand.NewPCG(9, 9))
	b := graph.NewBuilder("wide")
	x := b.Input("x", tensor.F32Spec(1, 4, 4, 8), true)
	a := b.Add("a", &ops.Conv{Act: ops.Relu}, []tensor.Tensor{randoms(rng, 0.3, 64, 1, 1, 8), randoms(rng, 0.1, 64)}, x)
	b.Output("y", b.Add("c", &ops.Conv{}, []tensor.Tensor{randoms(rng, 0.3, 16, 1, 1, 64), randoms(rng, 0.1, 16)}, a))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}
