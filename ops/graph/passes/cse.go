package passes

import (
	"bytes"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// CSE computes equal nodes once: the same operator and attributes on the same
// inputs, with parameters of the same value. Operators are functions of these,
// but for dropout.
func CSE(g *graph.Graph) (*graph.Graph, error) { return apply(g, cse) }

func cse(g *graph.Graph) (*graph.Graph, error) {
	return mergeEqual(g, func(p, q tensor.Tensor) bool { return bytes.Equal(p.Data, q.Data) })
}

// cseShared is CSE for graphs that may yet be trained: weights of equal value
// that are two in the source stay two, as training would tell them apart.
func cseShared(g *graph.Graph) (*graph.Graph, error) {
	return mergeEqual(g, func(p, q tensor.Tensor) bool {
		return len(p.Data) == 0 || &p.Data[0] == &q.Data[0] || !p.DType.IsFloat() && bytes.Equal(p.Data, q.Data)
	})
}

func mergeEqual(g *graph.Graph, same func(p, q tensor.Tensor) bool) (*graph.Graph, error) {
	seen := map[[3]int][]graph.ID{} // by what is cheap to compare
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		switch op := n.Op.(type) {
		case *ops.Input, *ops.Dropout:
			return b.Keep(n, in)
		case *ops.BatchNorm:
			if op.Training {
				return b.Keep(n, in)
			}
		}
		key := [3]int{int(n.Op.Kind()), n.Out.Bytes(), -1}
		if len(in) > 0 {
			key[2] = int(in[0])
		}
		for _, id := range seen[key] {
			m := b.Node(id)
			if slices.Equal(m.In, in) && graph.SameOp(m.Op, n.Op) && sameParams(m.Params, n.Params, same) {
				return id
			}
		}
		id := b.Keep(n, in)
		seen[key] = append(seen[key], id)
		return id
	})
}

func sameParams(a, b []tensor.Tensor, same func(p, q tensor.Tensor) bool) bool {
	return slices.EqualFunc(a, b, func(p, q tensor.Tensor) bool {
		return p.Spec.Equal(q.Spec) && len(p.Data) == len(q.Data) && slices.Equal(p.Scale, q.Scale) && same(p, q)
	})
}
