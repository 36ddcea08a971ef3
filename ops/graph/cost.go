package graph

import (
	"github.com/teff-ml/teff/ops"
)

// MACs is the number of multiply-adds node id takes by the direct algorithm,
// for the batch of the graph; 0 for operators that are no sums of products.
func (g *Graph) MACs(id ID) int64 {
	n := &g.nodes[id]
	out := int64(n.Out.Shape.Elems())
	weight := g.operand(n, 1)
	if len(n.Params) > 0 {
		weight = n.Params[0].Shape.Dims()
	}
	switch n.Op.Kind() {
	case ops.KindConv, ops.KindDense, ops.KindQLinearConv, ops.KindConvInteger:
		if n.Op.Kind() == ops.KindQLinearConv {
			weight = g.operand(n, 3)
		}
		return out * product(weight[min(1, len(weight)):])
	case ops.KindConvTranspose:
		in := g.operand(n, 0)
		return product(in) * product(weight[min(1, len(weight)):])
	case ops.KindMatMul, ops.KindMatMulInteger:
		a := g.operand(n, 0)
		if len(a) == 0 {
			return 0
		}
		k := a[len(a)-1]
		if m, ok := n.Op.(*ops.MatMul); ok && m.TransA && len(a) > 1 {
			k = a[len(a)-2]
		}
		return out * int64(k)
	}
	return 0
}

// operand is the extents of input or parameter i of n, nil where there is none.
//
//go:noinline
func (g *Graph) operand(n *Node, i int) []int {
	if i < len(n.In) {
		return g.nodes[n.In[i]].Out.Shape.Dims()
	}
	if i -= len(n.In); i < len(n.Params) {
		return n.Params[i].Shape.Dims()
	}
	return nil
}

func product(d []int) int64 {
	p := int64(1)
	for _, x := range d {
		p *= int64(x)
	}
	return p
}
