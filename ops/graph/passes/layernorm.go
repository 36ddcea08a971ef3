package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// LayerNorm finds layer norms that exporters wrote out,
//
//	d = x - mean(x);  d / sqrt(mean(d²) + eps) * scale + bias
//
// with means over the last dimensions, and makes each one operator, which goes
// over its rows once for all of it. A scale or bias that is no constant of those dimensions
// stays an operator of its own.
func LayerNorm(g *graph.Graph) (*graph.Graph, error) { return apply(g, fold, layerNorms) }

func layerNorms(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindReduce, ops.KindLayerNorm) {
		return g, nil
	}
	readers := uses(g)
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		op, ok := n.Op.(*ops.Binary)
		if !ok || op.Act.Fn != ops.UnaryNone || n.Out.DType != tensor.F32 {
			return b.Keep(n, in)
		}
		m := matcher{b}
		if x, norm, ok := m.normalised(op, in); ok {
			return b.Add(n.Name, norm, nil, x)
		}
		if len(in) == 1 && len(n.Params) == 1 && readers[n.In[0]] == 1 {
			if params := m.affine(op.Fn, n.Params[0], b.Node(in[0])); params != nil {
				norm := b.Node(in[0])
				return b.Add(n.Name, norm.Op, params, norm.In...)
			}
		}
		return b.Keep(n, in)
	})
}

// normalised matches d / sqrt(mean(d²) + eps).
func (m matcher) normalised(op *ops.Binary, in []graph.ID) (graph.ID, *ops.LayerNorm, bool) {
	if op.Fn != ops.BinaryDiv || len(in) != 2 {
		return 0, nil, false
	}
	d, variance, ok := in[0], graph.ID(0), false
	if variance, ok = m.unary(in[1], ops.UnarySqrt); !ok {
		return 0, nil, false
	}
	eps := float32(0)
	if n := m.b.Node(variance); len(n.Params) == 1 {
		add, is := n.Op.(*ops.Binary)
		if eps, ok = scalar(n.Params[0]); !ok || !is || add.Fn != ops.BinaryAdd || add.Act.Fn != ops.UnaryNone || !(eps >= 0) {
			return 0, nil, false
		}
		variance = n.In[0]
	}
	square, axis, ok := m.mean(variance)
	if !ok || !m.isSquare(square, d) {
		return 0, nil, false
	}
	x, mean, ok := m.two(d, ops.BinarySub)
	if !ok {
		return 0, nil, false
	}
	of, same, ok := m.mean(mean)
	return x, &ops.LayerNorm{Axis: axis, Eps: eps}, ok && of == x && same == axis
}

// isSquare matches d·d and d².
func (m matcher) isSquare(id, d graph.ID) bool {
	if p, q, ok := m.two(id, ops.BinaryMul); ok {
		return p == d && q == d
	}
	if x, ok := m.unary(id, ops.UnarySquare); ok {
		return x == d
	}
	x, ok := m.constant(id, ops.BinaryPow, 2)
	return ok && x == d
}

// mean matches the mean over the last dimensions, from axis on, which it keeps.
func (m matcher) mean(id graph.ID) (x graph.ID, axis int, ok bool) {
	n := m.b.Node(id)
	op, is := n.Op.(*ops.Reduce)
	if !is || op.Fn != ops.ReduceMean || !op.KeepDims || len(op.Axes) == 0 || len(n.In) != 1 {
		return 0, 0, false
	}
	rank := n.Out.Shape.Rank()
	axis = rank - len(op.Axes)
	for i := axis; i < rank; i++ {
		if !slices.Contains(op.Axes, i) && !slices.Contains(op.Axes, i-rank) {
			return 0, 0, false
		}
	}
	return n.In[0], axis, true
}

// affine is the parameters of norm with p times its scale, or added to its bias, nil
// where it has no room for p.
func (m matcher) affine(fn ops.BinaryFn, p tensor.Tensor, norm *graph.Node) []tensor.Tensor {
	op, ok := norm.Op.(*ops.LayerNorm)
	if !ok || op.Output != 0 || p.DType != tensor.F32 || p.Scale() != nil || len(norm.In) != 1 {
		return nil
	}
	dims, at := norm.Out.Shape.Dims(), p.Shape.Dims()
	axis := op.Axis
	if axis < 0 {
		axis += len(dims)
	}
	width := dims[axis:]
	for len(at) > len(width) && at[0] == 1 {
		at = at[1:]
	}
	if !slices.Equal(at, width) {
		return nil
	}
	p.Shape = tensor.Of(width...)
	switch {
	case fn == ops.BinaryMul && len(norm.Params) == 0:
		return []tensor.Tensor{p}
	case fn == ops.BinaryAdd && len(norm.Params) == 1:
		return []tensor.Tensor{norm.Params[0], p}
	}
	return nil
}
