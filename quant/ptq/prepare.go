package ptq

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
)

// prepare folds and fuses, then takes apart what integers do one by one: a
// residual addition rounds on its own, and only limits are applied to a sum
// before it is stored.
func prepare(g *graph.Graph) (*graph.Graph, error) {
	g, err := passes.Infer(g)
	if err != nil {
		return nil, err
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		switch o := n.Op.(type) {
		case *ops.Conv:
			c := *o
			c.Residual, c.Act = false, ops.Act{}
			return split(b, n, &c, o.Residual, o.Act, in)
		case *ops.Dense:
			c := *o
			c.Residual, c.Act = false, ops.Act{}
			return split(b, n, &c, o.Residual, o.Act, in)
		case *ops.Binary:
			if _, _, ok := o.Act.Clamp(); !ok && n.Out.DType == tensor.F32 {
				c := *o
				c.Act = ops.Act{}
				id := b.Add(n.Name+"/sum", &c, n.Params, in...)
				return b.Add(n.Name, activation(o.Act), nil, id)
			}
		}
		return b.Keep(n, in)
	})
}

func activation(a ops.Act) ops.Op { return &ops.Unary{Fn: a.Fn, A: a.A, B: a.B} }

// split adds plain, a product without residual and activation, and nodes for
// those.
func split(b *graph.Builder, n *graph.Node, plain ops.Op, residual bool, act ops.Act, in []graph.ID) graph.ID {
	_, _, clamp := act.Clamp()
	if n.Out.DType != tensor.F32 || !residual && clamp {
		return b.Keep(n, in)
	}
	if !residual {
		id := b.Add(n.Name+"/product", plain, n.Params, in...)
		return b.Add(n.Name, activation(act), nil, id)
	}
	last := len(in) - 1
	id := b.Add(n.Name+"/product", plain, n.Params, in[:last]...)
	sum := &ops.Binary{Fn: ops.BinaryAdd}
	if clamp {
		sum.Act = act
		return b.Add(n.Name, sum, nil, id, in[last])
	}
	id = b.Add(n.Name+"/sum", sum, nil, id, in[last])
	return b.Add(n.Name, activation(act), nil, id)
}
