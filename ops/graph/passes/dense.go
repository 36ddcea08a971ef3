package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Dense makes a matrix product with a constant weight a Dense, whose weights
// are packed: x·B is Dense with B transposed, and a factor Alpha goes into it. A
// product of two values reads transposed ones as they were before.
func Dense(g *graph.Graph) (*graph.Graph, error) { return apply(g, denses) }

func denses(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindMatMul) {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if op, ok := n.Op.(*ops.MatMul); ok {
			if len(in) == 2 {
				op, in = transposedOperands(b, op, in)
				return b.Add(n.Name, op, n.Params, in...)
			}
			if d, params, ok := denseOf(n, op); ok {
				return b.Add(n.Name, d, params, in...)
			}
		}
		return b.Keep(n, in)
	})
}

// transposedOperands reads what a transpose of the last two dimensions reads,
// which a product does by itself.
func transposedOperands(b *graph.Builder, op *ops.MatMul, in []graph.ID) (*ops.MatMul, []graph.ID) {
	for i := range in {
		src := b.Node(in[i])
		t, ok := src.Op.(*ops.Transpose)
		rank := src.Out.Shape.Rank()
		if !ok || rank < 2 || len(src.In) != 1 {
			continue
		}
		perm := permOf(t, rank)
		perm[rank-1], perm[rank-2] = perm[rank-2], perm[rank-1]
		if !slices.IsSorted(perm) {
			continue
		}
		c := *op
		if i == 0 {
			c.TransA = !c.TransA
		} else {
			c.TransB = !c.TransB
		}
		op, in = &c, slices.Clone(in)
		in[i] = src.In[0]
	}
	return op, in
}

func denseOf(n *graph.Node, op *ops.MatMul) (*ops.Dense, []tensor.Tensor, bool) {
	if len(n.In) != 1 || len(n.Params) != 1 || op.TransA || n.Out.Shape.Rank() < 2 {
		return nil, nil, false
	}
	w := n.Params[0]
	if w.Shape.Rank() != 2 || w.DType != tensor.F32 || n.Out.DType != tensor.F32 {
		return nil, nil, false
	}
	if !op.TransB {
		t, err := ops.Run(&ops.Transpose{Perm: []int{1, 0}}, []tensor.Tensor{w}, nil)
		if err != nil {
			return nil, nil, false
		}
		w = t
	}
	if op.Alpha != 0 && op.Alpha != 1 {
		w = w.Clone()
		for i, v := range w.F32() {
			w.F32()[i] = v * op.Alpha
		}
	}
	return &ops.Dense{Act: op.Act}, []tensor.Tensor{w}, true
}

// GlobalPool makes the mean over all spatial dimensions a GlobalPool.
func GlobalPool(g *graph.Graph) (*graph.Graph, error) { return apply(g, globalPools) }

func globalPools(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindReduce) {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if op, ok := n.Op.(*ops.Reduce); ok && len(in) == 1 && spatialMean(op, b.Spec(in[0])) {
			id := b.Add(n.Name, &ops.GlobalPool{Fn: ops.PoolAvg}, nil, in[0])
			if !op.KeepDims {
				dims, ok := reshapeDims(b, b.Spec(id).Shape.Dims(), n.Out.Shape.Dims())
				if !ok {
					return b.Keep(n, in)
				}
				id = b.Add("", &ops.Reshape{Dims: dims}, nil, id)
			}
			return id
		}
		return b.Keep(n, in)
	})
}

// spatialMean reports a mean over every dimension but the first and the last.
func spatialMean(op *ops.Reduce, in tensor.Spec) bool {
	rank := in.Shape.Rank()
	if op.Fn != ops.ReduceMean || in.DType != tensor.F32 || rank < 3 || rank > 5 || len(op.Axes) != rank-2 {
		return false
	}
	for i := 1; i < rank-1; i++ {
		if !slices.Contains(op.Axes, i) && !slices.Contains(op.Axes, i-rank) {
			return false
		}
	}
	return true
}
