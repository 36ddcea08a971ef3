package cuda

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// operand is operand i, inputs first; nowhere where there is none.
func (n *node) operand(i int) ref {
	if i < 0 {
		return ref{}
	}
	if t, ok := n.known(i); ok { // a constant is there for each type that reads it
		return n.weight(t)
	}
	if i < len(n.In) {
		if x := n.values[n.In[i]]; x.in != nowhere {
			return x
		}
		return ref{in: inArena} // Supports: any
	}
	return ref{}
}

// filter is operand i as tensor cores take it, in two parts where split says so.
// One that is computed is cut to their numbers where a weight is rounded.
func (n *node) filter(i int, split bool) ref {
	t, ok := n.known(i)
	switch {
	case ok && split:
		return n.made(n.parted(t))
	case ok:
		return n.made(n.filtered(t))
	}
	return n.operand(i)
}

// floats is operand i as float32, nowhere where there is none.
func (n *node) floats(i int) ref {
	if t, ok := n.known(i); ok {
		return n.made(raw(t))
	}
	x := n.operand(i)
	if i >= len(n.In) || n.lowering.size == 4 || n.isWide(n.In[i]) {
		return x
	}
	elems := n.spec(i).Shape.Elems()
	y := n.scratchOf(4 * elems)
	n.count("widen_"+n.lowering.element, elems, []param{at(x), at(y)}, ints(elems))
	return y
}

// spec is the spec of operand i.
func (n *node) spec(i int) tensor.Spec {
	if i < len(n.In) {
		return n.g.Node(n.In[i]).Out
	}
	return n.Params[i-len(n.In)].Spec
}

// known is operand i where its value is known now.
func (n *node) known(i int) (tensor.Tensor, bool) {
	if i >= len(n.In) {
		if i -= len(n.In); i < len(n.Params) {
			return n.Params[i], true
		}
		return tensor.Tensor{}, false
	}
	if c := n.g.Node(n.In[i]); c.Op.Kind() == ops.KindConstant {
		return c.Params[0], true
	}
	return tensor.Tensor{}, false
}

// scratch is memory of this step alone.
func (n *node) scratch(elems int) ref { return n.scratchOf(n.size * elems) }

func (n *node) scratchOf(bytes int) ref {
	n.step.scratch += bytes
	return n.buffer(bytes, n.step.at, n.step.at)
}
