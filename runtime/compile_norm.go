package runtime

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// findNorms makes one step of a batch norm, the clamp behind it, and concatenations before it that only such norms read: those
// are nowhere whole, and the norm reads what they would have joined, so that one inside another is not copied at each level.
// Concatenations whose operands can be computed where they belong stay.
func (c *compiler) findNorms() {
	gone := map[graph.ID]bool{}
	for id := graph.ID(c.g.Len()) - 1; id >= 0; id-- {
		gone[id] = c.onlyNormed(id, gone)
	}
	for i := range c.g.Len() {
		id := graph.ID(i)
		if bn := c.fixedNorm(id); bn != nil {
			c.findNorm(id, bn, gone)
		}
		if gone[id] {
			c.inner[id] = true
		}
	}
}

// fixedNorm is the batch norm at id, if it is a scale and a shift of a value, or nil.
func (c *compiler) fixedNorm(id graph.ID) *ops.BatchNorm {
	n := c.g.Node(id)
	if bn, ok := n.Op.(*ops.BatchNorm); ok && len(n.In) == 1 && bn.Fixed(len(n.Params)) && n.Out.Shape.Elems() > 0 {
		return bn
	}
	return nil
}

// onlyNormed says whether id is a concatenation of channels that norms alone read, or those of gone.
func (c *compiler) onlyNormed(id graph.ID, gone map[graph.ID]bool) bool {
	n := c.g.Node(id)
	cat, ok := n.Op.(*ops.Concat)
	if !ok || n.Out.DType != tensor.F32 || len(n.Params) > 0 || cat.Axis != -1 && cat.Axis != n.Out.Shape.Rank()-1 ||
		len(c.uses[id]) == 0 || c.g.IsOutput(id) || c.inner[id] || c.chains[id] != nil || c.concatParts(id, cat) != nil {
		return false
	}
	for _, reader := range c.uses[id] {
		if !gone[reader] && c.fixedNorm(reader) == nil {
			return false
		}
	}
	return true
}

func (c *compiler) findNorm(id graph.ID, bn *ops.BatchNorm, gone map[graph.ID]bool) {
	ch := &chain{nodes: []graph.ID{id}, in: c.g.Node(id).In, over: true}
	var parts []int
	if gone[ch.in[0]] {
		ch.in, ch.over = c.leaves(nil, ch.in[0], gone), false
		for _, x := range ch.in {
			parts = append(parts, c.g.Node(x).Out.Shape.Channels())
		}
	}
	var clamp *ops.Unary
	if c.alone(id) {
		if u, ok := c.g.Node(c.uses[id][0]).Op.(*ops.Unary); ok && (u.Fn == ops.UnaryRelu || u.Fn == ops.UnaryClip) {
			clamp, ch.nodes = u, append(ch.nodes, c.uses[id][0])
		}
	}
	if parts == nil && clamp == nil {
		return
	}
	ch.prepare = func(p []*ops.Prep) ops.Kernel { return ops.ChainNorm(parts, bn, clamp, p) }
	if !c.joins(ch) && parts != nil {
		panic("runtime: BUG: a fixed norm has no step")
	}
}

// leaves appends what concatenation id and those of gone that it reads join.
func (c *compiler) leaves(to []graph.ID, id graph.ID, gone map[graph.ID]bool) []graph.ID {
	for _, x := range c.g.Node(id).In {
		if gone[x] {
			to = c.leaves(to, x, gone)
		} else {
			to = append(to, x)
		}
	}
	return to
}
