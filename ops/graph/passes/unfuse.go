package passes

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Unfuse gives each fused activation whose gradient is not known from the
// result alone a node of its own, whose operand a trainer keeps. Clamps stay
// with the products and the arithmetic that can tell. It does nothing else to a
// graph, so a network that was saved fused can be trained.
func Unfuse(g *graph.Graph) (*graph.Graph, error) { return apply(g, unfuse) }

func unfuse(g *graph.Graph) (*graph.Graph, error) {
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		act, ok := actOf(n.Op)
		if !ok || act.Fn == ops.UnaryNone || n.Out.DType != tensor.F32 || keepsAct(n.Op, act) {
			return b.Keep(n, in)
		}
		id := b.Add(n.Name, withAct(n.Op, ops.Act{}), n.Params, in...)
		return activated(b, n.Name, act, id)
	})
}

// keepsAct reports operators that differentiate a fused act.
func keepsAct(op ops.Op, act ops.Act) bool {
	switch op.(type) {
	case *ops.Conv, *ops.Dense, *ops.MatMul, *ops.Binary:
		_, _, clamp := act.Clamp()
		return clamp
	}
	return false
}
