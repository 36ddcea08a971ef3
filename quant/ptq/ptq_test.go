package ptq

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

func randoms(rng *rand.Rand, std float64, dims ...int) tensor.Tensor {
	v := make([]float32, tensor.Of(dims...).Elems())
	for i := range v {
		v[i] = float32(rng.NormFloat64() * std)
	}
	return tensor.FromF32(v, dims...)
}

// net has every kind of node that has an integer form here: a residual, a
// depthwise convolution, a branch that is joined, an activation that is no clamp.
func net(t *testing.T) *graph.Graph {
	rng := rand.New(rand.NewPCG(1, 2))
	b := graph.NewBuilder("net")
	same := ops.Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}
	x := b.Input("x", tensor.F32Spec(1, 8, 8, 3), true)
	a := b.Add("a", &ops.Conv{Window: same, Act: ops.Relu}, []tensor.Tensor{randoms(rng, 0.3, 8, 3, 3, 3), randoms(rng, 0.1, 8)}, x)
	d := b.Add("d", &ops.Conv{Window: same, Groups: 8, Act: ops.Relu}, []tensor.Tensor{randoms(rng, 0.3, 8, 3, 3, 1), randoms(rng, 0.1, 8)}, a)
	c := b.Add("c", &ops.Conv{}, []tensor.Tensor{randoms(rng, 0.3, 8, 1, 1, 8)}, d)
	s := b.Add("s", &ops.Binary{Fn: ops.BinaryAdd, Act: ops.Relu}, nil, c, a)
	w := b.Add("w", &ops.Conv{}, []tensor.Tensor{randoms(rng, 0.3, 4, 1, 1, 8), randoms(rng, 0.1, 4)}, s)
	h := b.Add("h", &ops.Unary{Fn: ops.UnaryHardSwish}, nil, w)
	j := b.Add("j", &ops.Concat{Axis: -1}, nil, h, s)
	p := b.Add("p", &ops.Pool{Fn: ops.PoolMax, Window: ops.Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}}, nil, j)
	g := b.Add("g", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, p)
	f := b.Add("f", &ops.Reshape{Dims: []int{-1, 12}}, nil, g)
	y := b.Add("y", &ops.Dense{}, []tensor.Tensor{randoms(rng, 0.3, 5, 12), randoms(rng, 0.1, 5)}, f)
	z := b.Add("z", &ops.Softmax{Axis: -1}, nil, y)
	b.Output("scores", z)
	n, err := b.Build()
	require.NoError(t, err)
	return n
}

type randomSource struct{ n int }

func (s randomSource) Len() int { return s.n }

func (s randomSource) Fill(i int, in []tensor.Tensor) error {
	rng := rand.New(rand.NewPCG(uint64(i), 7))
	for j := range in[0].Shape.Elems() {
		v := rng.NormFloat64()
		if in[0].DType == tensor.F32 {
			in[0].F32()[j] = float32(v)
			continue
		}
		s, z := in[0].Quant.At(0)
		in[0].I8()[j] = int8(max(-128, min(127, math.RoundToEven(v/float64(s))+float64(z))))
	}
	return nil
}

func TestQuantize(t *testing.T) {
	ctx, src := context.Background(), randomSource{40}
	for _, opt := range []Options{{}, {Method: MinMax}, {Method: Percentile}, {Method: Entropy}, {Equalize: true}, {KeepBias: true}, {Nearest: true}, {Unbalanced: true}, {IntIO: true}} {
		t.Run(opt.Method.String(), func(t *testing.T) {
			q, err := Calibrate(ctx, net(t), src, opt)
			require.NoError(t, err)
			g, err := q.Graph(nil)
			require.NoError(t, err)
			kinds := map[ops.Kind]int{}
			for i := range g.Len() {
				n := g.Node(graph.ID(i))
				kinds[n.Op.Kind()]++
				switch n.Op.Kind() {
				case ops.KindConv, ops.KindDense, ops.KindBinary, ops.KindConcat, ops.KindPool, ops.KindGlobalPool, ops.KindReshape:
					require.Equal(t, tensor.I8, n.Out.DType, n.Name)
				}
			}
			if !opt.IntIO {
				require.Equal(t, 1, kinds[ops.KindQuantize])
				require.Equal(t, 1, kinds[ops.KindDequantize])
			}
			layers, err := q.Report(ctx, g, src, 0)
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(layers), 11)
			for _, l := range layers {
				require.Greater(t, l.SQNR, 18.0, "%+v", l)
			}
		})
	}
}

// TestUnsigned: uint8 holds the same numbers as int8, to the bit.
func TestUnsigned(t *testing.T) {
	ctx, src := context.Background(), randomSource{8}
	var want []float32
	for _, opt := range []Options{{}, {Unsigned: true}} {
		q, err := Calibrate(ctx, net(t), src, opt)
		require.NoError(t, err)
		g, err := q.Graph(nil)
		require.NoError(t, err)
		for i := range g.Len() {
			if n := g.Node(graph.ID(i)); opt.Unsigned && n.Op.Kind() != ops.KindConstant {
				require.NotEqual(t, tensor.I8, n.Out.DType, n.Name)
			}
		}
		m, err := runtime.New(g)
		require.NoError(t, err)
		s, err := m.NewSession()
		require.NoError(t, err)
		require.NoError(t, src.Fill(3, []tensor.Tensor{s.Input(0)}))
		require.NoError(t, s.Run(ctx))
		got := s.Output(0).F32()
		if want == nil {
			want = append(want, got...)
		}
		require.Equal(t, want, got)
		require.NoError(t, m.Close())
	}
}

// Equalising must not change what the float network computes.
func TestEqualizeKeepsFunction(t *testing.T) {
	p, err := prepare(net(t))
	require.NoError(t, err)
	e, err := equalize(p)
	require.NoError(t, err)
	layers, err := Compare(context.Background(), p, e, randomSource{4}, randomSource{4}, 0, 1)
	require.NoError(t, err)
	require.Greater(t, layers[len(layers)-1].SQNR, 100.0)
	changed := false
	for i := range p.Len() {
		for k, w := range p.Node(graph.ID(i)).Params {
			changed = changed || string(w.Data) != string(e.Node(graph.ID(i)).Params[k].Data)
		}
	}
	require.True(t, changed)
}

func TestLayersStayFloat(t *testing.T) {
	ctx, src := context.Background(), randomSource{20}
	q, err := Calibrate(ctx, net(t), src, Options{})
	require.NoError(t, err)
	g, err := q.Graph(nil)
	require.NoError(t, err)
	layers, err := q.Report(ctx, g, src, 0)
	require.NoError(t, err)
	worst := Worst(layers)
	require.NotEmpty(t, worst)
	all := map[string]bool{}
	for _, n := range worst {
		all[n] = true
	}
	one, err := q.Graph(map[string]bool{"d": true})
	require.NoError(t, err)
	for i := range one.Len() {
		if n := one.Node(graph.ID(i)); n.Name == "d" {
			require.Equal(t, tensor.F32, n.Out.DType)
		}
	}
	none, err := q.Graph(all)
	require.NoError(t, err)
	for i := range none.Len() {
		require.Equal(t, tensor.F32, none.Node(graph.ID(i)).Out.DType)
	}
}

// What is saved, opened and run gives the bits of what was made.
func TestSavedBits(t *testing.T) {
	ctx, src := context.Background(), randomSource{10}
	q, err := Calibrate(ctx, net(t), src, Options{})
	require.NoError(t, err)
	g, err := q.Graph(map[string]bool{"c": true})
	require.NoError(t, err)
	file, err := format.Marshal(g, nil)
	require.NoError(t, err)
	a, err := runtime.New(g)
	require.NoError(t, err)
	defer a.Close()
	b, err := runtime.Parse(file)
	require.NoError(t, err)
	defer b.Close()
	sa, err := a.NewSession()
	require.NoError(t, err)
	sb, err := b.NewSession()
	require.NoError(t, err)
	for i := range 4 {
		require.NoError(t, src.Fill(i, []tensor.Tensor{sa.Input(0)}))
		require.NoError(t, src.Fill(i, []tensor.Tensor{sb.Input(0)}))
		require.NoError(t, sa.Run(ctx))
		require.NoError(t, sb.Run(ctx))
		require.Equal(t, sa.Output(0).Data, sb.Output(0).Data)
	}
}

// Rounded weights shift the mean of a channel; the bias takes that back.
func TestBiasCorrection(t *testing.T) {
	w := tensor.FromF32([]float32{1, 0.0039, 0.0039, 0.0039}, 1, 4)
	mean := func(int) float64 { return 2 }
	in := float32(0.01)
	value := func(p product) float64 {
		s, _ := p.weight.Quant.At(0)
		sum := float64(p.bias.I32()[0]) * float64(in) * float64(s)
		for _, q := range p.weight.I8() {
			sum += float64(q) * float64(s) * 2
		}
		return sum
	}
	want := 2 * (1 + 3*0.0039)
	require.Greater(t, math.Abs(value(products(w, nil, 1, in, nil, nil))-want), 0.02)
	require.InDelta(t, want, value(products(w, nil, 1, in, mean, nil)), 1e-4)
}

// A channel without weights still carries its bias.
func TestDeadChannel(t *testing.T) {
	p := products(tensor.FromF32(make([]float32, 4), 2, 2), []float32{3, -1e6}, 1, 1e-3, nil, nil)
	for o, want := range []float64{3, -1e6} {
		s, _ := p.weight.Quant.At(o)
		require.InEpsilon(t, want, float64(p.bias.I32()[o])*1e-3*float64(s), 1e-5)
	}
}

func TestRanges(t *testing.T) {
	x := newSpread(1)
	v := make([]float32, 100000)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	v[0] = 100 // an outlier
	require.NoError(t, x.add(v, false))
	s := newStats(x, nil, nil)
	s.count(v)
	scale := map[Method]float32{}
	for m := range methodNames {
		s.choose(Method(m))
		scale[Method(m)] = s.scale
		require.InDelta(t, -128, float64(s.zero), 255)
	}
	require.Greater(t, scale[MinMax], float32(0.4))
	require.Less(t, scale[Percentile], scale[MinMax]/5)
	require.Less(t, scale[MSE], scale[MinMax])
	require.ErrorContains(t, x.add([]float32{float32(math.Inf(1))}, false), "value")
	for m, name := range methodNames {
		got, err := ParseMethod(name)
		require.NoError(t, err)
		require.Equal(t, Method(m), got)
	}
	_, err := ParseMethod("median")
	require.Error(t, err)
}

func TestNoSamples(t *testing.T) {
	_, err := Calibrate(context.Background(), net(t), randomSource{}, Options{})
	require.Error(t, err)
}

func TestUnknownMethod(t *testing.T) {
	for _, m := range []Method{-1, 9} {
		_, err := Calibrate(context.Background(), net(t), randomSource{n: 4}, Options{Method: m})
		require.Error(t, err)
	}
	_, err := ParseMethod("median")
	require.ErrorContains(t, err, "percentile")
}
