package passes

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// FuseResidual makes an addition part of the later of the two convolutions (or
// dense layers) before it, which then adds the other value as it stores. The
// product must have no other reader.
func FuseResidual(g *graph.Graph) (*graph.Graph, error) { return apply(g, fuseResidual) }

func fuseResidual(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindBinary) {
		return g, nil
	}
	n := uses(g)
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
		bin, ok := nd.Op.(*ops.Binary)
		if !ok || bin.Fn != ops.BinaryAdd || len(in) != 2 || in[0] == in[1] || nd.Out.DType != tensor.F32 {
			return b.Keep(nd, in)
		}
		if b.Spec(in[0]).Shape != nd.Out.Shape || b.Spec(in[1]).Shape != nd.Out.Shape {
			return b.Keep(nd, in)
		}
		for _, i := range []int{later(in), 1 - later(in)} {
			src := b.Node(in[i])
			if n[nd.In[i]] != 1 || !scalable(src) || len(src.In) != 1 {
				continue
			}
			var op ops.Op
			switch o := src.Op.(type) {
			case *ops.Conv:
				c := *o
				c.Residual, c.Act = true, bin.Act
				op = &c
			case *ops.Dense:
				c := *o
				c.Residual, c.Act = true, bin.Act
				op = &c
			default:
				continue
			}
			return b.Supersede(in[i], op, src.Params, src.In[0], in[1-i])
		}
		return b.Keep(nd, in)
	})
}

func later(in []graph.ID) int {
	if in[1] > in[0] {
		return 1
	}
	return 0
}
