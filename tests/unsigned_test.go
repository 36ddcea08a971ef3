package tests

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tests/randgraph"
)

// TestUnsignedKeepsTheBits: on random integer networks of every operator that
// takes part, of some that do not, and of values that are results or read by
// both, signed and unsigned activations give the same results.
func TestUnsignedKeepsTheBits(t *testing.T) {
	moved := 0
	for seed := range uint64(60) {
		g := signedNetwork(t, seed)
		h, err := passes.Unsigned(g)
		require.NoError(t, err, g)
		sameFace(t, g, h)
		again, err := passes.Unsigned(h)
		require.NoError(t, err)
		require.Equal(t, h.String(), again.String(), "seed %d is not done after one time", seed)
		for i := range h.Len() {
			if h.Node(graph.ID(i)).Op.Kind() == ops.KindConv && h.Node(graph.ID(i)).Out.DType == tensor.U8 {
				moved++
			}
		}
		in := randgraph.Inputs(g, seed)
		want, err := randgraph.Eval(g, in)
		require.NoError(t, err, g)
		got, err := randgraph.Eval(h, in)
		require.NoError(t, err, h)
		for i := range want {
			require.Equal(t, want[i].Data, got[i].Data, "seed %d, result %d\n%v\nbecomes\n%v", seed, i, g, h)
		}
	}
	require.Greater(t, moved, 60)
}

func signedNetwork(t *testing.T, seed uint64) *graph.Graph {
	r := rand.New(rand.NewPCG(seed, 9))
	out := func() ops.OutType { return ops.QuantOut(tensor.I8, 0.02+r.Float32()/10, r.IntN(256)-128) }
	param := func(q tensor.Quant, dims ...int) tensor.Tensor {
		p := tensor.New(tensor.Spec{DType: tensor.I8, Shape: tensor.Of(dims...), Quant: q})
		for i := range p.Data {
			p.Data[i] = byte(r.Uint32())
		}
		return p
	}
	b := graph.NewBuilder("")
	x := b.Input("x", tensor.Spec{DType: tensor.I8, Shape: tensor.Of(1, 6, 6, 4), Quant: tensor.Affine(0.05, r.IntN(256)-128)}, true)
	f := b.Input("f", tensor.Spec{DType: tensor.F32, Shape: tensor.Of(1, 6, 6, 4)}, true)
	values := []graph.ID{x, b.Add("", &ops.Quantize{Out: out()}, nil, f)}
	for i := range 12 {
		v, w := values[r.IntN(len(values))], values[r.IntN(len(values))]
		var op ops.Op
		in, params := []graph.ID{v}, []tensor.Tensor(nil)
		same := ops.Window{Kernel: []int{3, 3}, Auto: ops.PadSameUpper}
		switch r.IntN(12) {
		case 0, 1:
			op, params = &ops.Conv{Window: same, Out: out()}, []tensor.Tensor{param(tensor.PerChannel([]float32{.1, .02, .3, .01}, 0), 4, 3, 3, 4)}
			if i%2 == 0 {
				op.(*ops.Conv).Window.Kernel = nil
			}
		case 2:
			op, params = &ops.Dense{Out: out(), Act: ops.Clip(-1, 2)}, []tensor.Tensor{param(tensor.Affine(0.01, 3), 4, 4)}
		case 3:
			op, in = &ops.Binary{Fn: []ops.BinaryFn{ops.BinaryAdd, ops.BinarySub, ops.BinaryMul, ops.BinaryMax}[r.IntN(4)], Out: out()}, append(in, w)
		case 4:
			op, params = &ops.Binary{Fn: ops.BinaryAdd, Out: out()}, []tensor.Tensor{param(tensor.Affine(0.1, -7), 4)}
		case 5:
			op = &ops.Unary{Fn: ops.UnaryTanh, Out: out()}
		case 6:
			op = &ops.Pool{Window: same, Fn: ops.PoolMax}
		case 7: // stays signed
			op = &ops.Pool{Window: same, Fn: ops.PoolAvg}
		case 8:
			op = &ops.Softmax{Axis: -1, Out: ops.QuantOut(tensor.I8, 1.0/256, -128)}
		case 9: // stays signed, but for two of a kind
			values = append(values, b.Add("", &ops.Slice{Starts: []int{1}, Ends: []int{5}, Axes: []int{3}}, nil, b.Add("", &ops.Concat{Axis: 3}, nil, v, w)))
			continue
		case 10:
			op = &ops.Quantize{Out: out()}
		case 11:
			op = &ops.Transpose{Perm: []int{0, 2, 1, 3}}
		}
		values = append(values, b.Add("", op, params, in...))
	}
	b.Output("last", values[len(values)-1])
	b.Output("some", values[r.IntN(len(values))])
	b.Output("input", x)
	b.Output("mean", b.Add("", &ops.GlobalPool{Fn: ops.PoolAvg, Out: out()}, nil, values[len(values)-2]))
	b.Output("real", b.Add("", &ops.Dequantize{}, nil, values[len(values)-3]))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}
