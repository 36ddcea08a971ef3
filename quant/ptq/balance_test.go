package ptq

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// uneven has values whose channels differ in size: in a chain, a residual sum and
// a concatenation, before a depthwise convolution, beside what must stay as it is:
// the input, a sigmoid, a clip from -1, an output.
func uneven(t *testing.T) *graph.Graph {
	rng := rand.New(rand.NewPCG(21, 22))
	b := graph.NewBuilder("uneven")
	same := ops.Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}
	conv := func(name string, op *ops.Conv, x graph.ID, dims ...int) graph.ID {
		w, bias := randoms(rng, 0.3, dims...), randoms(rng, 0.3, dims[0])
		row := len(w.F32()) / dims[0]
		for o := range dims[0] { // from 1 down to 1/64
			f := float32(math.Exp2(-6 * float64(o) / float64(dims[0])))
			for i := range row {
				w.F32()[o*row+i] *= f
			}
			bias.F32()[o] *= f
		}
		return b.Add(name, op, []tensor.Tensor{w, bias}, x)
	}
	x := b.Input("x", tensor.F32Spec(1, 8, 8, 3), true)
	a := conv("a", &ops.Conv{Window: same, Act: ops.Relu}, x, 16, 3, 3, 3)
	d := conv("d", &ops.Conv{Window: same, Groups: 16, Act: ops.Act{Fn: ops.UnaryClip, A: 0, B: 6}}, a, 16, 3, 3, 1)
	c := conv("c", &ops.Conv{}, d, 16, 1, 1, 16)
	s := b.Add("s", &ops.Binary{Fn: ops.BinaryAdd, Act: ops.Relu}, nil, c, a)
	w := conv("w", &ops.Conv{Groups: 2}, s, 8, 1, 1, 8)
	v := conv("v", &ops.Conv{Act: ops.Act{Fn: ops.UnaryClip, A: -1, B: 1}}, s, 8, 1, 1, 16)
	j := b.Add("j", &ops.Concat{Axis: -1}, nil, w, v)
	p := b.Add("p", &ops.Pool{Fn: ops.PoolMax, Window: ops.Window{Kernel: []int{2, 2}, Stride: []int{2, 2}}}, nil, j)
	u := conv("u", &ops.Conv{}, p, 8, 1, 1, 16)
	h := b.Add("h", &ops.Unary{Fn: ops.UnarySigmoid}, nil, u)
	g := b.Add("g", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, h)
	f := b.Add("f", &ops.Reshape{Dims: []int{-1, 8}}, nil, g)
	b.Output("y", b.Add("y", &ops.Dense{}, []tensor.Tensor{randoms(rng, 0.3, 5, 8), randoms(rng, 0.1, 5)}, f))
	n, err := b.Build()
	require.NoError(t, err)
	return n
}

// TestBalance: what a network computes on the samples stays, channels change only
// where they may, and noise falls.
func TestBalance(t *testing.T) {
	ctx, src := context.Background(), randomSource{16}
	p, err := prepare(uneven(t))
	require.NoError(t, err)
	seen, err := spreads(ctx, p, src, 1)
	require.NoError(t, err)
	balanced, factor, err := newBalancer(p, seen).balance(false)
	require.NoError(t, err)
	layers, err := Compare(ctx, p, balanced, src, src, 0, 1)
	require.NoError(t, err)
	require.Greater(t, layers[len(layers)-1].SQNR, 100.0)
	changed := map[string]bool{}
	for i := range p.Len() {
		n := p.Node(graph.ID(i))
		require.Equal(t, n.Name, balanced.Node(graph.ID(i)).Name)
		for _, f := range factor[i] {
			require.Positive(t, f)
			require.LessOrEqual(t, f, 1.0)
			changed[n.Name] = changed[n.Name] || f != 1
		}
	}
	// The sum has the name of its last product, what comes before an activation its.
	for name, want := range map[string]bool{"a": true, "d": true, "c/product": true, "c": true, "w": true, "j": true, "p": true,
		"x": false, "v": false, "u/product": false, "u": false, "g": false, "y": false} {
		require.Equal(t, want, changed[name], name)
	}
	for _, l := range layers { // a factor of a channel is no noise
		require.Greater(t, l.Scaled, 100.0, l.Name)
		require.Equal(t, changed[l.Name], l.SQNR < 40, l.Name)
	}
	last := map[bool]float64{}
	for _, unbalanced := range []bool{false, true} {
		q, err := Calibrate(ctx, uneven(t), src, Options{Unbalanced: unbalanced})
		require.NoError(t, err)
		g, err := q.Graph(nil)
		require.NoError(t, err)
		layers, err := q.Report(ctx, g, src, 0)
		require.NoError(t, err)
		for _, l := range layers {
			if l.Name == "u/product" {
				last[unbalanced] = l.SQNR
			}
		}
	}
	t.Logf("SQNR %.1f dB, unbalanced %.1f", last[false], last[true])
	require.Greater(t, last[false], last[true]+1)
}

// TestReadByResult: channels that the network's result alone has count beside those
// that products read too: a range for these alone cut the others to a quarter.
func TestReadByResult(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	b := graph.NewBuilder("split")
	x := b.Input("x", tensor.F32Spec(1, 8, 8, 3), true)
	conv := func(name string, in graph.ID, std float64, oc int) graph.ID {
		return b.Add(name, &ops.Conv{Act: ops.Relu}, []tensor.Tensor{randoms(rng, std, oc, 1, 1, b.Spec(in).Shape.Channels())}, in)
	}
	small, large := conv("small", x, 0.1, 4), conv("large", x, 2, 4)
	next := conv("next", small, 0.3, 4)
	b.Output("y", b.Add("joined", &ops.Concat{Axis: -1}, nil, small, next, large))
	g, err := b.Build()
	require.NoError(t, err)
	ctx, src := context.Background(), randomSource{16}
	q, err := Calibrate(ctx, g, src, Options{})
	require.NoError(t, err)
	g, err = q.Graph(nil)
	require.NoError(t, err)
	layers, err := q.Report(ctx, g, src, 0)
	require.NoError(t, err)
	last := layers[len(layers)-1]
	require.Equal(t, "joined", last.Name)
	require.Greater(t, last.SQNR, 35.0)
}
