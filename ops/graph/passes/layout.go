package passes

import (
	"cmp"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Layout moves transposes down the graph until they meet and cancel.
//
// Importers put a transpose before and after each operator that is bound to a
// layout. This pass walks the graph once and does not emit transposes: it notes
// that a value is some other value transposed. An operator that does not care
// for the order of dimensions (elementwise, concatenation, reduction, padding,
// …) is moved above the transpose, its axes renamed; at a transpose the two
// permutations combine, and an inverse pair is nothing. Whatever does care gets
// its transpose emitted, once for all its readers. Where only some operands
// are transposed, the cheaper of two things is done: those are transposed, or
// the others are, back.
func Layout(g *graph.Graph) (*graph.Graph, error) { return apply(g, fold, layOut, identities) }

// layOut tries a few ways of sinking transposes, and keeps what moves the fewest
// bytes: past values that are needed transposed anyway or not, as that can cost
// a transpose for each reader; and splitting them at reshapes or not.
func layOut(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindTranspose) {
		return g, nil
	}
	best, least := g, transposed(g)
	for way := range 4 {
		l := &layout{values: make([]permuted, g.Len()), emitted: map[emission]graph.ID{}, thrifty: way&1 == 0, regroup: way&2 != 0}
		h, err := l.rewrite(g)
		if err == nil {
			h, err = dead(h)
		}
		if err != nil {
			return nil, err
		}
		if n := transposed(h); n <= least {
			best, least = h, n
		}
	}
	return best, nil
}

// transposed is the number of bytes that transposes write.
func transposed(g *graph.Graph) int {
	n := 0
	for i := range g.Len() {
		if nd := g.Node(graph.ID(i)); nd.Op.Kind() == ops.KindTranspose {
			n += nd.Out.Bytes()
		}
	}
	return n
}

func (l *layout) rewrite(g *graph.Graph) (*graph.Graph, error) {
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, _ []graph.ID) graph.ID {
		l.b = b
		v := l.node(n)
		l.values[id] = v
		if v.perm != nil && b.Err() == nil && g.IsOutput(id) {
			return l.emit(v)
		}
		return v.id // readers ask l.values, not the map
	})
}

// permuted is a value that stands for another: dimension i of it is dimension
// perm[i] of node id's value; with flat, the result is reshaped to [n, rest]
// after that. A nil perm is the node's own value.
type permuted struct {
	id   graph.ID
	perm []int
	flat bool
}

type layout struct {
	b       *graph.Builder
	values  []permuted
	emitted map[emission]graph.ID
	thrifty bool // what is emitted is read
	regroup bool // reshapes may split a transpose
}

// emission names a permutation of a value, and its flattening.
type emission struct {
	id   graph.ID
	perm [tensor.MaxRank]int8
	flat bool
}

func emissionOf(v permuted) emission {
	e := emission{id: v.id, flat: v.flat}
	for i, p := range v.perm {
		e.perm[i] = int8(p)
	}
	return e
}

// emit adds the nodes that make v a value of its own. A permutation that moves
// nothing but extents of 1 is a Reshape.
func (l *layout) emit(v permuted) graph.ID {
	if v.perm == nil || l.b.Err() != nil {
		return v.id
	}
	key := emissionOf(v)
	if id, ok := l.emitted[key]; ok {
		return id
	}
	var id graph.ID
	if v.flat {
		id = l.b.Add("", &ops.Reshape{Dims: []int{0, -1}}, nil, l.emit(permuted{id: v.id, perm: v.perm}))
	} else if dims, ok := l.onlyUnits(v); ok {
		id = l.b.Add("", &ops.Reshape{Dims: dims}, nil, v.id)
	} else {
		id = l.b.Add("", &ops.Transpose{Perm: v.perm}, nil, v.id)
	}
	l.emitted[key] = id
	return id
}

// onlyUnits reports a permutation that keeps the order of extents other than 1,
// as the dimensions of a Reshape.
func (l *layout) onlyUnits(v permuted) ([]int, bool) {
	from := l.b.Spec(v.id).Shape
	last, to := -1, make([]int, len(v.perm))
	for i, p := range v.perm {
		to[i] = from.Dim(p)
		if to[i] != 1 {
			if p < last {
				return nil, false
			}
			last = p
		}
	}
	return reshapeDims(l.b, from.Dims(), to)
}

// known reports that emitting v adds no node.
func (l *layout) known(v permuted) bool {
	_, ok := l.emitted[emissionOf(v)]
	return ok || v.perm == nil
}

// plain emits n with every operand as its own value.
func (l *layout) plain(n *graph.Node) permuted {
	in := make([]graph.ID, len(n.In))
	for i, x := range n.In {
		in[i] = l.emit(l.values[x])
	}
	return permuted{id: l.b.Keep(n, in)}
}

// node adds n, above the transposes of its operands where that can be.
func (l *layout) node(n *graph.Node) permuted {
	some := false
	for _, x := range n.In {
		v := l.values[x]
		some = some || v.perm != nil && !(l.thrifty && l.known(v))
	}
	if t, ok := n.Op.(*ops.Transpose); ok && len(n.In) == 1 {
		return l.transpose(n, t, l.values[n.In[0]])
	}
	if !some {
		return l.plain(n)
	}
	var v permuted
	var ok bool
	switch op := n.Op.(type) {
	case *ops.Binary, *ops.Compare, *ops.Logic, *ops.Where, *ops.PRelu:
		v, ok = l.elementwise(n)
	case *ops.Concat:
		v, ok = l.concat(n, op)
	default:
		if x := l.values[n.In[0]]; len(n.In) == 1 && len(x.perm) > 0 {
			v, ok = l.moved(n, x)
		}
	}
	if !ok {
		return l.plain(n)
	}
	return v
}

// transpose combines n's permutation with that of its operand.
func (l *layout) transpose(n *graph.Node, t *ops.Transpose, x permuted) permuted {
	if x.flat {
		return l.plain(n)
	}
	perm := permOf(t, n.Out.Shape.Rank())
	if x.perm != nil {
		perm = compose(x.perm, perm)
	}
	return own(x.id, perm)
}

// own is node id's value permuted, which is its own for the identity.
func own(id graph.ID, perm []int) permuted {
	if slices.IsSorted(perm) {
		return permuted{id: id}
	}
	return permuted{id: id, perm: perm}
}

// moved adds n, of one operand, on the untransposed value of that.
func (l *layout) moved(n *graph.Node, x permuted) (permuted, bool) {
	if x.flat {
		return l.afterFlat(n, x)
	}
	add := func(op ops.Op) (permuted, bool) {
		return permuted{id: l.b.Add(n.Name, op, n.Params, x.id), perm: x.perm}, true
	}
	axis := func(a int) int {
		if a < 0 {
			a += len(x.perm)
		}
		return x.perm[a]
	}
	switch op := n.Op.(type) {
	case *ops.Reduce:
		return l.reduce(n, op, x)
	case *ops.ArgMax:
		c := *op
		c.Axis = axis(op.Axis)
		return l.reduced(n, &c, x, []int{op.Axis}, op.KeepDims)
	case *ops.Reshape:
		return l.reshape(n, x)
	}
	if len(n.Params) > 0 {
		return permuted{}, false
	}
	switch op := n.Op.(type) {
	case *ops.Unary, *ops.Identity, *ops.Cast:
		return add(op)
	case *ops.Dropout:
		return add(op)
	case *ops.Softmax:
		c := *op
		c.Axis = axis(op.Axis)
		if !op.Flatten {
			return add(&c)
		}
	case *ops.LpNorm:
		c := *op
		c.Axis = axis(op.Axis)
		return add(&c)
	case *ops.CumSum:
		c := *op
		c.Axis = axis(op.Axis)
		return add(&c)
	case *ops.Pad:
		c := *op
		c.Lo, c.Hi = unpermute(op.Lo, x.perm), unpermute(op.Hi, x.perm)
		return add(&c)
	case *ops.Tile:
		c := *op
		c.Repeats = unpermute(op.Repeats, x.perm)
		return add(&c)
	case *ops.Resize:
		c := *op
		n := len(x.perm)
		if x.perm[0] != 0 || len(op.ROI) != 0 || len(op.Sizes) != 0 && len(op.Sizes) != n || len(op.Scales) != 0 && len(op.Scales) != n {
			break
		}
		c.Sizes, c.Scales = unpermute(op.Sizes, x.perm), unpermute(op.Scales, x.perm)
		return add(&c)
	case *ops.Slice:
		c := *op
		c.Axes = make([]int, len(op.Starts))
		for i := range c.Axes {
			a := i
			if len(op.Axes) > 0 {
				a = op.Axes[i]
			}
			c.Axes[i] = axis(a)
		}
		return add(&c)
	case *ops.Quantize, *ops.Dequantize:
		if n.Out.Quant.PerTensor() || n.Out.Quant.IsZero() && l.b.Spec(x.id).Quant.PerTensor() {
			return add(op)
		}
	}
	return permuted{}, false
}

// unpermute reorders a list with one entry a dimension to the operand's order.
func unpermute[T any](v []T, perm []int) []T {
	if len(v) != len(perm) {
		return v
	}
	out := make([]T, len(v))
	for i, p := range perm {
		out[p] = v[i]
	}
	return out
}

// reduce renames the axes.
func (l *layout) reduce(n *graph.Node, op *ops.Reduce, x permuted) (permuted, bool) {
	if len(n.Params) > 0 {
		return permuted{}, false
	}
	c := *op
	c.Axes = nil
	gone := slices.Clone(op.Axes)
	for _, a := range op.Axes {
		if a < 0 {
			a += len(x.perm)
		}
		c.Axes = append(c.Axes, x.perm[a])
	}
	if len(op.Axes) == 0 && !op.NoOp {
		for i := range x.perm {
			gone = append(gone, i)
		}
	}
	slices.SortStableFunc(c.Axes, cmp.Compare[int]) // the sort that others need, too
	return l.reduced(n, &c, x, gone, op.KeepDims || len(gone) == 0)
}

// reduced adds op, which takes the dimensions gone away or, with keep, makes
// them 1: without them the others are numbered anew.
func (l *layout) reduced(n *graph.Node, op ops.Op, x permuted, gone []int, keep bool) (permuted, bool) {
	v := permuted{id: l.b.Add(n.Name, op, n.Params, x.id), perm: x.perm}
	if keep {
		return v, true
	}
	stays := make([]bool, len(x.perm)) // by dimension of the untransposed value
	for i, p := range x.perm {
		stays[p] = !slices.Contains(gone, i) && !slices.Contains(gone, i-len(x.perm))
	}
	var perm []int
	for _, p := range x.perm {
		if !stays[p] {
			continue
		}
		number := 0
		for _, s := range stays[:p] {
			if s {
				number++
			}
		}
		perm = append(perm, number)
	}
	return own(v.id, perm), true
}
