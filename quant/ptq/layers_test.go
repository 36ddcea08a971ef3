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

// TestResize: one that copies or means keeps the scale that came; copies are the
// same integers.
func TestResize(t *testing.T) {
	ctx, src := context.Background(), randomSource{8}
	for _, c := range []struct {
		mode  ops.ResizeMode
		coord ops.ResizeCoord
		want  tensor.DType // with Whole
	}{
		{ops.ResizeNearest, ops.CoordHalfPixel, tensor.I8},
		{ops.ResizeNearest, ops.CoordAsymmetric, tensor.I8},
		{ops.ResizeNearest, ops.CoordTFCrop, tensor.F32},
		{ops.ResizeLinear, ops.CoordHalfPixel, tensor.I8},
		{ops.ResizeLinear, ops.CoordTFCrop, tensor.F32},
		{ops.ResizeCubic, ops.CoordHalfPixel, tensor.I8},
	} {
		q, err := Calibrate(ctx, doubled(t, c.mode, c.coord), src, Options{Whole: true})
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

// between is a network with node y of one operator between two convolutions; the
// second input, if op takes one, is a convolution of the same image.
func between(t testing.TB, op ops.Op, params []tensor.Tensor, inputs int) *graph.Graph {
	rng := rand.New(rand.NewPCG(7, 8))
	b := graph.NewBuilder("between")
	x := b.Input("x", tensor.F32Spec(1, 8, 8, 3), true)
	var in []graph.ID
	for _, name := range []string{"a", "b"}[:inputs] {
		in = append(in, b.Add(name, &ops.Conv{}, []tensor.Tensor{randoms(rng, 0.3, 8, 3, 3, 3), randoms(rng, 0.1, 8)}, x))
	}
	y := b.Add("y", op, params, in...)
	c := b.Spec(y).Shape.Channels()
	b.Output("z", b.Add("c", &ops.Conv{}, []tensor.Tensor{randoms(rng, 0.3, 8, 1, 1, c)}, y))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestForms: operators whose integer form is not a convolution's, on request.
func TestForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	two := ops.Window{Stride: []int{2, 2}, PadLo: []int{1, 1}, PadHi: []int{0, 0}}
	ctx, src := context.Background(), randomSource{24}
	for name, c := range map[string]struct {
		op     ops.Op
		params []tensor.Tensor
		inputs int
	}{
		"transposed":         {&ops.ConvTranspose{Window: two, Act: ops.Relu}, []tensor.Tensor{randoms(rng, 0.3, 8, 3, 3, 6), randoms(rng, 0.3, 6)}, 1},
		"transposed, groups": {&ops.ConvTranspose{Window: two, Groups: 2}, []tensor.Tensor{randoms(rng, 0.3, 8, 3, 3, 3)}, 1},
		"prelu":              {&ops.PRelu{}, []tensor.Tensor{randoms(rng, 0.3, 8)}, 1},
		"mean":               {&ops.Reduce{Axes: []int{1}, KeepDims: true}, nil, 1},
		"sum":                {&ops.Reduce{Fn: ops.ReduceSum, Axes: []int{2}, KeepDims: true}, nil, 1},
		"max":                {&ops.Reduce{Fn: ops.ReduceMax, Axes: []int{2}, KeepDims: true}, nil, 1},
		"matmul":             {&ops.MatMul{TransB: true}, nil, 2},
		"matmul, known":      {&ops.MatMul{}, []tensor.Tensor{randoms(rng, 0.3, 6, 8, 5)}, 1},
		"linear":             {&ops.Resize{Mode: ops.ResizeLinear, Scales: []float32{0, 2, 2, 0}}, nil, 1},
		"cubic":              {&ops.Resize{Mode: ops.ResizeCubic, Scales: []float32{0, 2, 2, 0}}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := Calibrate(ctx, between(t, c.op, c.params, c.inputs), src, Options{})
			require.NoError(t, err)
			g, err := q.Graph(nil)
			require.NoError(t, err)
			for i := range g.Len() {
				if n := g.Node(graph.ID(i)); n.Name == "y" {
					require.Equal(t, tensor.F32, n.Out.DType)
				}
			}
			for _, unsigned := range []bool{false, true} {
				q, err := Calibrate(ctx, between(t, c.op, c.params, c.inputs), src, Options{Unsigned: unsigned, Whole: true})
				require.NoError(t, err)
				g, err := q.Graph(nil)
				require.NoError(t, err)
				layers, err := q.Report(ctx, g, src, 0)
				require.NoError(t, err)
				require.Len(t, layers, c.inputs+2)
				for _, l := range layers {
					require.Equal(t, map[bool]string{false: "i8", true: "u8"}[unsigned], l.Type, l.Name)
					require.Greater(t, l.SQNR, 28.0, "%+v", l)
				}
			}
		})
	}
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
