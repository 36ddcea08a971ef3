package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestFlat: no gradient goes through what is no float, so a network may compare and
// choose: a leaky Relu written out with Greater and Where learns as the operator does.
func TestFlat(t *testing.T) {
	leaky := makeNet(t, true, ops.UnaryLeakyRelu, ops.PoolMax)
	leaky, err := graph.Rewrite(leaky, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if u, ok := n.Op.(*ops.Unary); ok && u.Fn == ops.UnaryLeakyRelu {
			return b.Add(n.Name, &ops.Unary{Fn: u.Fn, A: 0.25}, nil, in...)
		}
		return b.Keep(n, in)
	})
	require.NoError(t, err)
	written, err := graph.Rewrite(leaky, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if u, ok := n.Op.(*ops.Unary); ok && u.Fn == ops.UnaryLeakyRelu {
			zero := b.Const("", tensor.FromF32([]float32{0}))
			c := b.Add("", &ops.Compare{Fn: ops.CompareGreater}, nil, in[0], zero)
			small := b.Add("", &ops.Binary{Fn: ops.BinaryMul}, []tensor.Tensor{tensor.FromF32([]float32{u.A})}, in[0])
			return b.Add(n.Name, &ops.Where{}, nil, c, in[0], small)
		}
		return b.Keep(n, in)
	})
	require.NoError(t, err)
	x, labels := smallBatch(6)
	var weights [2][]float32
	for i, g := range []*graph.Graph{leaky, written} {
		tr, err := New(g, Config{Batch: 6, Schedule: Constant(0.1)})
		require.NoError(t, err)
		for range 3 {
			_, err = tr.Step(x, labels)
			require.NoError(t, err)
		}
		tuned, err := tr.Graph()
		require.NoError(t, err)
		for j := range tuned.Len() {
			if n := tuned.Node(graph.ID(j)); n.Name == "conv1" || n.Name == "fc" {
				weights[i] = append(weights[i], n.Params[0].F32()...)
			}
		}
	}
	require.InDeltaSlice(t, weights[0], weights[1], 1e-6)
}
