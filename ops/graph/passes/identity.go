package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// Clean removes nodes that pass their input on, joins reshapes with reshapes,
// transposes with transposes and slices with slices, and removes nodes that
// nobody reads. Inputs stay.
func Clean(g *graph.Graph) (*graph.Graph, error) { return apply(g, identities) }

// identities is right because each removed node's result has the spec and the
// elements of its input at every batch size: apply infers shapes at a batch
// that equals nothing else.
func identities(g *graph.Graph) (*graph.Graph, error) {
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		n, in = joined(b, n, in)
		if len(in) > 0 && passesOn(n.Op, b.Node(in[0]), n) {
			return in[0]
		}
		return b.Keep(n, in)
	})
}

// joined is n on the input of the reshape or transpose before it.
func joined(b *graph.Builder, n *graph.Node, in []graph.ID) (*graph.Node, []graph.ID) {
	if len(in) != 1 || len(n.Params) > 0 {
		return n, in
	}
	src := b.Node(in[0])
	if src == nil || src.Op.Kind() != n.Op.Kind() || len(src.In) != 1 {
		return n, in
	}
	switch op := n.Op.(type) {
	case *ops.Reshape:
		dims, ok := reshapeDims(b, b.Spec(src.In[0]).Shape.Dims(), n.Out.Shape.Dims())
		if !ok {
			return n, in
		}
		m := *n
		m.Op = &ops.Reshape{Dims: dims}
		return &m, src.In
	case *ops.Transpose:
		first, second := permOf(src.Op.(*ops.Transpose), n.Out.Shape.Rank()), permOf(op, n.Out.Shape.Rank())
		m := *n
		m.Op = &ops.Transpose{Perm: compose(first, second)}
		return &m, src.In
	case *ops.Slice:
		if s, ok := joinSlices(src.Op.(*ops.Slice), op, n.Out.Shape.Rank()); ok {
			m := *n
			m.Op = s
			return &m, src.In
		}
	}
	return n, in
}

// joinSlices is two slices in a row as one, if they cut different dimensions.
func joinSlices(a, b *ops.Slice, rank int) (*ops.Slice, bool) {
	s := &ops.Slice{}
	for _, o := range []*ops.Slice{a, b} {
		for i, start := range o.Starts {
			axis, step := i, 1
			if len(o.Axes) > 0 {
				axis = o.Axes[i]
			}
			if axis < 0 {
				axis += rank
			}
			if len(o.Steps) > 0 {
				step = o.Steps[i]
			}
			if slices.Contains(s.Axes, axis) {
				return nil, false
			}
			s.Starts, s.Ends = append(s.Starts, start), append(s.Ends, o.Ends[i])
			s.Axes, s.Steps = append(s.Axes, axis), append(s.Steps, step)
		}
	}
	return s, true
}

// permOf is the permutation with its default, the reverse, written out.
//
//go:noinline
func permOf(t *ops.Transpose, rank int) []int {
	if len(t.Perm) > 0 {
		return slices.Clone(t.Perm)
	}
	p := make([]int, rank)
	for i := range p {
		p[i] = rank - 1 - i
	}
	return p
}

// compose is the permutation that does first, then second.
func compose(first, second []int) []int {
	p := make([]int, len(second))
	for i, x := range second {
		p[i] = first[x]
	}
	return p
}

// reshapeDims are Reshape.Dims that make from into to at every batch size:
// extents that vary are copied where they stay in place, else left to be
// inferred, which at most one may be.
func reshapeDims(b *graph.Builder, from, to []int) ([]int, bool) {
	dims, free := slices.Clone(to), false
	for i, d := range to {
		switch {
		case !varies(b, d):
			if d == 0 {
				return nil, false
			}
		case i < len(from) && from[i] == d:
			dims[i] = 0
		case free:
			return nil, false
		default:
			dims[i], free = -1, true
		}
	}
	return dims, true
}

// passesOn reports that n, reading src, has src's value.
func passesOn(op ops.Op, src, n *graph.Node) bool {
	if len(n.Params) > 0 || len(n.In) != 1 || !src.Out.Equal(n.Out) {
		return false
	}
	switch op := op.(type) {
	case *ops.Identity, *ops.Reshape, *ops.Expand, *ops.Concat, *ops.Cast:
		return true // nothing but the spec could differ
	case *ops.Transpose:
		return slices.IsSorted(permOf(op, n.Out.Shape.Rank()))
	case *ops.Slice:
		// All elements, and in order: no step is negative.
		for _, s := range op.Steps {
			if s < 0 {
				return false
			}
		}
		return true
	case *ops.Dropout:
		return op.Rate == 0 && op.Output == 0
	case *ops.Pad:
		return allZero(op.Lo) && allZero(op.Hi)
	case *ops.Tile:
		return true // repetitions of 1, as the shape stayed
	case *ops.Unary:
		return op.Fn == ops.UnaryNone
	}
	return false
}

//go:noinline
func allZero(v []int) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}

// DropDropout removes dropout, which does nothing outside training.
func DropDropout(g *graph.Graph) (*graph.Graph, error) { return apply(g, dropDropout) }

func dropDropout(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindDropout) {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if d, ok := n.Op.(*ops.Dropout); ok && d.Output == 0 && !d.Training && len(in) == 1 {
			return in[0]
		}
		return b.Keep(n, in)
	})
}
