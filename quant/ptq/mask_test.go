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

// attention is a causal head: hide puts fill where a position must not look.
func attention(t *testing.T, fill float32, choose bool) *graph.Graph {
	const n, d = 6, 16
	rng := rand.New(rand.NewPCG(21, 22))
	b := graph.NewBuilder("attention")
	x := b.Input("x", tensor.F32Spec(1, n, d), true)
	dense := func(name string, in graph.ID) graph.ID {
		return b.Add(name, &ops.Dense{}, []tensor.Tensor{randoms(rng, 0.3, d, d), randoms(rng, 0.1, d)}, in)
	}
	s := b.Add("s", &ops.MatMul{TransB: true}, nil, dense("q", x), dense("k", x))
	mask, seen := make([]float32, n*n), make([]byte, n*n)
	for i := range n {
		for j := range n {
			if seen[i*n+j] = 1; j > i {
				mask[i*n+j], seen[i*n+j] = fill, 0
			}
		}
	}
	if choose {
		c := b.Const("seen", tensor.Tensor{Spec: tensor.Spec{DType: tensor.Bool, Shape: tensor.Of(n, n)}, Data: seen})
		s = b.Add("hide", &ops.Where{}, nil, c, s, b.Const("fill", tensor.FromF32([]float32{fill})))
	} else {
		s = b.Add("hide", &ops.Binary{Fn: ops.BinaryAdd}, []tensor.Tensor{tensor.FromF32(mask, n, n)}, s)
	}
	s = b.Add("same", &ops.Reshape{Dims: []int{0, n * n}}, nil, s)
	s = b.Add("again", &ops.Reshape{Dims: []int{0, n, n}}, nil, s)
	p := b.Add("p", &ops.Softmax{Axis: -1}, nil, s)
	b.Output("y", dense("o", b.Add("m", &ops.MatMul{}, nil, p, dense("v", x))))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestMask: scores with a mask in them stay float32, whatever hides with, and the
// layers around become integers as precise as without.
func TestMask(t *testing.T) {
	ctx, src := context.Background(), randomSource{16}
	for _, fill := range []float32{float32(math.Inf(-1)), -math.MaxFloat32, -1e9, -1e4} {
		for _, choose := range []bool{false, true} {
			for _, opt := range []Options{{}, {Unsigned: true, Whole: true}, {Method: Entropy}} {
				q, err := Calibrate(ctx, attention(t, fill, choose), src, opt)
				require.NoError(t, err)
				g, err := q.Graph(nil)
				require.NoError(t, err)
				layers, err := q.Report(ctx, g, src, 0)
				require.NoError(t, err)
				types := map[string]string{}
				for _, l := range layers {
					types[l.Name] = l.Type
					require.Greater(t, l.SQNR, 25.0, "%+v", l)
				}
				require.Equal(t, "f32", types["hide"])
				require.Equal(t, "f32", types["p"])
				for _, name := range []string{"q", "k", "v", "o"} {
					require.NotEqual(t, "f32", types[name], name)
				}
			}
		}
	}
}

// TestPlaces: what becomes an index stays float32, up to the product that it is
// computed from.
func TestPlaces(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	b := graph.NewBuilder("places")
	x := b.Input("x", tensor.F32Spec(1, 64, 4), true)
	d := b.Add("d", &ops.Dense{}, []tensor.Tensor{randoms(rng, 0.5, 4, 4), randoms(rng, 0.1, 4)}, x)
	at := b.Add("scaled", &ops.Binary{Fn: ops.BinaryMul}, []tensor.Tensor{tensor.FromF32([]float32{20})}, d)
	at = b.Add("moved", &ops.Binary{Fn: ops.BinaryAdd}, []tensor.Tensor{tensor.FromF32([]float32{32})}, at)
	at = b.Add("cut", &ops.Unary{Fn: ops.UnaryClip, A: 0, B: 63}, nil, at)
	i := b.Add("i", &ops.Cast{To: tensor.I32}, nil, at)
	b.Output("y", b.Add("picked", &ops.GatherElements{Axis: 1}, nil, d, i))
	g, err := b.Build()
	require.NoError(t, err)
	q, err := Calibrate(context.Background(), g, randomSource{8}, Options{})
	require.NoError(t, err)
	g, err = q.Graph(nil)
	require.NoError(t, err)
	for i := range g.Len() {
		switch n := g.Node(graph.ID(i)); n.Name {
		case "d":
			require.Equal(t, tensor.I8, n.Out.DType)
		case "scaled", "moved", "cut":
			require.Equal(t, tensor.F32, n.Out.DType)
		}
	}
}

// TestInfinities that no mask brought are an error that says where.
func TestInfinities(t *testing.T) {
	for name, fn := range map[string]ops.UnaryFn{"Log": ops.UnaryLog, "Reciprocal": ops.UnaryReciprocal} {
		b := graph.NewBuilder("infinite")
		x := b.Input("x", tensor.F32Spec(1, 8), true)
		y := b.Add(name, &ops.Unary{Fn: fn}, nil, b.Add("relu", &ops.Unary{Fn: ops.UnaryRelu}, nil, x))
		b.Output("y", b.Add("masked", &ops.Binary{Fn: ops.BinaryAdd}, []tensor.Tensor{tensor.FromF32([]float32{-1e9})}, y))
		g, err := b.Build()
		require.NoError(t, err)
		_, err = Calibrate(context.Background(), g, randomSource{4}, Options{})
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "Inf")
	}
}
