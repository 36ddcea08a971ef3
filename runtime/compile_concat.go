package runtime

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// findConcats finds concatenations whose operands can be computed right into
// their part of the result, so that nothing is left to copy. That is possible
// where each operand is computed by a node (not an input, a constant, or a
// view), used once in this concatenation, and either its part is one run of
// bytes or its operator can write rows with a pitch and nobody else reads it.
func (c *compiler) findConcats() {
	for i := range c.g.Len() {
		id := graph.ID(i)
		cat, ok := c.g.Node(id).Op.(*ops.Concat)
		if !ok || c.opt.Reference || c.inner[id] {
			continue
		}
		if parts := c.concatParts(id, cat); parts != nil {
			for x, s := range parts {
				c.parts[x] = s
			}
			c.joined[id] = -1
		}
	}
}

func (c *compiler) concatParts(id graph.ID, cat *ops.Concat) map[graph.ID]slot {
	n := c.g.Node(id)
	axis := cat.Axis
	if axis < 0 {
		axis += n.Out.Shape.Rank()
	}
	outer := 1
	for i := range axis {
		outer *= n.Out.Shape.Dim(i)
	}
	last := axis == n.Out.Shape.Rank()-1
	if outer != 1 && !last || len(n.Params) > 0 {
		return nil
	}
	inner := n.Out.DType.Size()
	for i := axis + 1; i < n.Out.Shape.Rank(); i++ {
		inner *= n.Out.Shape.Dim(i)
	}
	parts, at := map[graph.ID]slot{}, 0
	for _, x := range n.In {
		src := c.g.Node(x)
		if _, taken := c.parts[x]; taken || parts[x] != (slot{}) || !computes(src) || !sameNumbers(src, n) {
			return nil
		}
		s := slot{concat: id, offset: at * inner}
		if outer != 1 {
			po, ok := src.Op.(ops.PitchedOutput)
			if !ok || !po.PitchedOutput() || len(c.uses[x]) != 1 || c.g.IsOutput(x) {
				return nil
			}
			s.pitch = n.Out.Shape.Channels()
		}
		parts[x] = s
		at += src.Out.Shape.Dim(axis)
	}
	return parts
}

// computes reports whether a node's kernel writes its value.
func computes(n *graph.Node) bool {
	switch n.Op.Kind() {
	case ops.KindInput, ops.KindConstant, ops.KindReshape, ops.KindIdentity, ops.KindDropout, ops.KindConcat:
		return false
	}
	return true
}

// sameNumbers reports whether b holds a's elements as they are.
func sameNumbers(a, b *graph.Node) bool {
	return a.Out.DType == b.Out.DType && a.Out.Quant.Equal(b.Out.Quant)
}
