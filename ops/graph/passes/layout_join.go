package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// elementwise moves an operator whose operands broadcast above their
// transposes, if they can be made to have the same one. Parameters are
// transposed back.
func (l *layout) elementwise(n *graph.Node) (permuted, bool) {
	perm, ok := l.cheapest(n, n.Out.Shape.Rank())
	if !ok {
		return permuted{}, false
	}
	params := make([]tensor.Tensor, len(n.Params))
	for i, p := range n.Params {
		if params[i], ok = permuteConst(p, perm); !ok {
			return permuted{}, false
		}
	}
	in := make([]graph.ID, len(n.In))
	for i, x := range n.In {
		in[i] = l.under(l.values[x], perm)
	}
	return permuted{id: l.b.Add(n.Name, n.Op, params, in...), perm: perm}, true
}

// concat moves a concatenation above equal transposes of its operands.
func (l *layout) concat(n *graph.Node, op *ops.Concat) (permuted, bool) {
	perm, ok := l.cheapest(n, n.Out.Shape.Rank())
	if !ok || len(n.Params) > 0 {
		return permuted{}, false
	}
	in := make([]graph.ID, len(n.In))
	for i, x := range n.In {
		in[i] = l.under(l.values[x], perm)
	}
	c := *op
	if c.Axis < 0 {
		c.Axis += len(perm)
	}
	c.Axis = perm[c.Axis]
	return permuted{id: l.b.Add(n.Name, &c, nil, in...), perm: perm}, true
}

// cheapest is a permutation that all of n's operands could have, if bringing
// them there moves no more bytes than transposing those that have one.
func (l *layout) cheapest(n *graph.Node, rank int) (best []int, ok bool) {
	cost := func(v permuted) int {
		if l.known(v) {
			return 0
		}
		return l.b.Spec(v.id).Bytes()
	}
	least := 0
	for _, x := range n.In {
		least += cost(l.values[x])
	}
	for _, x := range n.In {
		perm := l.values[x].perm
		if l.values[x].flat {
			return nil, false
		}
		if len(perm) != rank {
			continue
		}
		total, can := 0, true
		for _, y := range n.In {
			v := l.values[y]
			if slices.Equal(v.perm, perm) {
				continue
			}
			if _, isConst := l.constant(v); isConst || l.single(v, rank) {
				continue
			}
			if len(v.perm) != rank && (v.perm != nil || l.b.Spec(v.id).Shape.Rank() != rank) {
				can = false
				break
			}
			total += cost(back(v, perm))
		}
		if can && total <= least {
			best, least = perm, total
		}
	}
	return best, best != nil
}

// back is the value that transposed by perm is v.
func back(v permuted, perm []int) permuted {
	inv := inverse(perm)
	if v.perm != nil {
		inv = compose(v.perm, inv)
	}
	return own(v.id, inv)
}

func inverse(perm []int) []int {
	inv := make([]int, len(perm))
	for i, p := range perm {
		inv[p] = i
	}
	return inv
}

// under is an operand that transposed by perm is v: cheapest said that there is
// one.
func (l *layout) under(v permuted, perm []int) graph.ID {
	if slices.Equal(v.perm, perm) || l.single(v, len(perm)) {
		return v.id
	}
	if t, ok := l.constant(v); ok {
		if p, ok := permuteConst(t, perm); ok {
			return l.b.Const("", p)
		}
	}
	return l.emit(back(v, perm))
}

// constant is v if it is one, not transposed, and can be.
func (l *layout) constant(v permuted) (tensor.Tensor, bool) {
	if v.perm != nil {
		return tensor.Tensor{}, false
	}
	t, ok := constant(l.b.Node(v.id))
	return t, ok && len(t.Quant.Scale) <= 1
}

// single reports a value of one element, which no permutation changes but by
// where it broadcasts.
func (l *layout) single(v permuted, rank int) bool {
	s := l.b.Spec(v.id).Shape
	return s.Elems() == 1 && s.Rank() < rank
}

// permuteConst is constant t, which broadcasts against a value transposed by
// perm, in the order of the untransposed value.
func permuteConst(t tensor.Tensor, perm []int) (tensor.Tensor, bool) {
	if t.Shape.Rank() > len(perm) || len(t.Quant.Scale) > 1 {
		return t, false
	}
	if t.Shape.Elems() == 1 {
		return t, true
	}
	dims := make([]int, len(perm))
	for i := range dims {
		dims[i] = 1
		if j := i - (len(perm) - t.Shape.Rank()); j >= 0 {
			dims[i] = t.Shape.Dim(j)
		}
	}
	full := t
	full.Shape = tensor.Of(dims...)
	out, err := ops.Run(&ops.Transpose{Perm: inverse(perm)}, []tensor.Tensor{full}, nil)
	return out, err == nil
}
