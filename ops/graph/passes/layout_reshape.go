package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// block is a run of dimensions [from, fromEnd) that a reshape makes the run
// [to, toEnd) of as many elements, with nothing smaller inside.
type block struct{ from, fromEnd, to, toEnd int }

// blocks splits a reshape into its smallest independent parts: elements keep
// their order inside each and the parts keep theirs. ok is false for empty
// tensors.
func blocks(from, to []int) (bs []block, ok bool) {
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		b := block{from: i, to: j}
		p, q := 1, 1
		if i < len(from) {
			p *= from[i]
			i++
		}
		if j < len(to) {
			q *= to[j]
			j++
		}
		for p != q {
			if p == 0 || q == 0 {
				return nil, false
			}
			switch {
			case p < q && i < len(from):
				p *= from[i]
				i++
			case q < p && j < len(to):
				q *= to[j]
				j++
			default:
				return nil, false
			}
		}
		b.fromEnd, b.toEnd = i, j
		bs = append(bs, b)
	}
	return bs, true
}

// reshape moves above the transpose when the dimensions of each part of it are
// neighbours, in order, in the untransposed value too; extents of 1 may lie
// anywhere. So a transpose that moves only those is gone after the reshape.
// Where they are no neighbours (channels that change places between groups) a
// smaller transpose can make them that, and the rest moves on. A
// flattening to [n, rest] that cannot move is remembered for a matrix product
// that can take its weights in the other order.
func (l *layout) reshape(n *graph.Node, x permuted) (permuted, bool) {
	shape := l.b.Spec(x.id).Shape
	view := make([]int, len(x.perm))
	for i, p := range x.perm {
		view[i] = shape.Dim(p)
	}
	to := n.Out.Shape.Dims()
	if v, ok := l.reshapeBlocks(n, x, shape.Dims(), view, to); ok {
		return v, true
	}
	if len(to) == 2 && to[0] == view[0] && x.perm[0] == 0 && to[1] > 0 {
		return permuted{id: x.id, perm: x.perm, flat: true}, true
	}
	return permuted{}, false
}

func (l *layout) reshapeBlocks(n *graph.Node, x permuted, shape, view, to []int) (permuted, bool) {
	bs, ok := blocks(view, to)
	if !ok {
		return permuted{}, false
	}
	place := make([]int, len(bs)) // where the block starts in the untransposed value
	at, joined := 0, true
	for i, b := range bs {
		last := -1
		for d := b.from; d < b.fromEnd; d++ {
			p := x.perm[d]
			if view[d] == 1 {
				continue
			}
			if last < 0 {
				at = p
			} else {
				joined = joined && p > last && allOnes(shape[last+1:max(p, last+1)])
			}
			last = p
		}
		place[i] = at // a block of nothing but 1s stays with the one before it
	}
	order := make([]int, len(bs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return place[i] - place[j] })
	if !joined {
		if !l.regroup || len(bs) < 3 || l.known(x) {
			return permuted{}, false
		}
		// One transpose brings the parts together without changing their order.
		var perm []int
		for _, i := range order {
			perm = append(perm, x.perm[bs[i].from:bs[i].fromEnd]...)
		}
		x.id = l.emit(own(x.id, perm))
		shape = l.b.Spec(x.id).Shape.Dims()
	}
	var dims []int
	perm := make([]int, len(to))
	for _, i := range order {
		for d := bs[i].to; d < bs[i].toEnd; d++ {
			perm[d] = len(dims)
			dims = append(dims, to[d])
		}
	}
	safe, ok := reshapeDims(l.b, shape, dims)
	if !ok {
		return permuted{}, false
	}
	return own(l.b.Add(n.Name, &ops.Reshape{Dims: safe}, nil, x.id), perm), true
}

func allOnes(dims []int) bool {
	for _, d := range dims {
		if d != 1 {
			return false
		}
	}
	return true
}

// afterFlat handles what follows a flattened transposed value: elementwise
// operators pass, a product with constant weights takes them reordered.
func (l *layout) afterFlat(n *graph.Node, x permuted) (permuted, bool) {
	switch op := n.Op.(type) {
	case *ops.Unary, *ops.Dropout, *ops.Identity:
		if len(n.Params) == 0 {
			return permuted{id: l.b.Add(n.Name, n.Op, nil, x.id), perm: x.perm, flat: true}, true
		}
	case *ops.Dense:
		if len(n.Params) > 0 && !op.Residual {
			ps := slices.Clone(n.Params)
			ps[0] = l.reorder(ps[0], x, false)
			return permuted{id: l.b.Add(n.Name, op, ps, l.flatten(x))}, true
		}
	case *ops.MatMul:
		if len(n.Params) == 1 && !op.TransA && n.Params[0].Shape.Rank() == 2 && len(n.Params[0].Quant.Scale) <= 1 {
			ps := []tensor.Tensor{l.reorder(n.Params[0], x, !op.TransB)}
			return permuted{id: l.b.Add(n.Name, op, ps, l.flatten(x))}, true
		}
	}
	return permuted{}, false
}

// flatten reshapes the untransposed value to [n, rest].
func (l *layout) flatten(x permuted) graph.ID {
	key := emission{id: x.id, flat: true}
	id, ok := l.emitted[key]
	if !ok {
		id = l.b.Add("", &ops.Reshape{Dims: []int{0, -1}}, nil, x.id)
		l.emitted[key] = id
	}
	return id
}

// reorder is a weight [out, in] (or [in, out] with inFirst) for inputs in the
// order of x's own value instead of the transposed one.
func (l *layout) reorder(w tensor.Tensor, x permuted, inFirst bool) tensor.Tensor {
	from := l.b.Spec(x.id).Shape
	dims, perm := from.Dims()[1:], x.perm[1:]
	in := 1
	for _, d := range dims {
		in *= d
	}
	src := make([]int, in) // place in the transposed order of each own place
	idx := make([]int, len(dims))
	for i := range src {
		at := 0
		for _, p := range perm {
			at = at*dims[p-1] + idx[p-1]
		}
		src[i] = at
		for d := len(dims) - 1; d >= 0; d-- {
			if idx[d]++; idx[d] < dims[d] {
				break
			}
			idx[d] = 0
		}
	}
	out := tensor.New(w.Spec)
	size := w.DType.Size()
	if inFirst {
		row := w.Shape.Dim(1) * size
		for i, s := range src {
			copy(out.Data[i*row:(i+1)*row], w.Data[s*row:])
		}
		return out
	}
	for r := range w.Shape.Dim(0) {
		for i, s := range src {
			copy(out.Data[(r*in+i)*size:][:size], w.Data[(r*in+s)*size:])
		}
	}
	return out
}
