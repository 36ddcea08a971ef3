package passes

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// Dead removes nodes that no result depends on. Inputs stay: they are part of
// what a caller sees.
func Dead(g *graph.Graph) (*graph.Graph, error) { return dead(g) }

func dead(g *graph.Graph) (*graph.Graph, error) {
	if g == nil {
		return nil, graph.ErrNil
	}
	live := make([]bool, g.Len())
	for _, o := range g.Outputs() {
		live[o.ID] = true
	}
	all := true
	for i := g.Len() - 1; i >= 0; i-- {
		n := g.Node(graph.ID(i))
		if live[i] {
			for _, x := range n.In {
				live[x] = true
			}
		}
		live[i] = live[i] || n.Op.Kind() == ops.KindInput
		all = all && live[i]
	}
	if all {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if !live[id] {
			return -1
		}
		return b.Keep(n, in)
	})
}
