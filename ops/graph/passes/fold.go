package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// A folded constant may be this large, or foldGrowth times what it is computed
// from: a model must not grow by a node that repeats a small constant.
const (
	foldLimit  = 1 << 20
	foldGrowth = 4
)

// Fold computes what depends on constants alone, and makes constant operands
// parameters where an operator packs or prefers those. What depends on an
// input, and so on the batch, is never touched. The values are those of the
// reference kernels.
func Fold(g *graph.Graph) (*graph.Graph, error) { return apply(g, fold) }

func fold(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindConstant) {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if t, ok := evaluate(b, n, in); ok {
			return b.Const(n.Name, t)
		}
		params := n.Params
		if bin, ok := n.Op.(*ops.Binary); ok && len(in) == 2 && len(params) == 0 && commutes(bin.Fn) && n.Out.DType == tensor.F32 {
			if _, ok := constant(b.Node(in[0])); ok {
				in = []graph.ID{in[1], in[0]}
			}
		}
		if k := leadingInputs(n.Op); k > 0 && len(in) > k {
			in, params = asParams(b, in, params, k)
		}
		return b.Add(n.Name, n.Op, params, in...)
	})
}

// evaluate computes n if all its inputs are constants.
func evaluate(b *graph.Builder, n *graph.Node, in []graph.ID) (tensor.Tensor, bool) {
	if len(in) == 0 {
		return tensor.Tensor{}, false
	}
	if d, ok := n.Op.(*ops.Dropout); ok && (d.Rate > 0 || d.Training) {
		return tensor.Tensor{}, false
	}
	args, size := make([]tensor.Tensor, len(in)), 0
	for i, x := range in {
		t, ok := constant(b.Node(x))
		if !ok {
			return t, false
		}
		args[i] = t
		size += t.Held()
	}
	if n.Out.Bytes() > max(foldLimit, foldGrowth*size) {
		return tensor.Tensor{}, false
	}
	t, err := ops.Run(n.Op, args, n.Params)
	return t, err == nil // what cannot be computed now says so when it is built
}

// leadingInputs is the number of operands that stay inputs of an operator whose
// others are better as parameters, 0 for an operator that does not care.
func leadingInputs(op ops.Op) int {
	switch o := op.(type) {
	case *ops.Conv:
		if !o.Residual {
			return 1
		}
	case *ops.Dense:
		if !o.Residual {
			return 1
		}
	case *ops.BatchNorm:
		if !o.Training {
			return 1
		}
	case *ops.ConvTranspose, *ops.GroupNorm, *ops.LayerNorm, *ops.PRelu, *ops.MatMul, *ops.Binary, *ops.Quantize, *ops.Dequantize:
		return 1
	}
	return 0
}

// asParams moves inputs from the k-th on to the parameters if all of them are
// constants: operators tell weights from inputs by whether there are
// parameters at all.
func asParams(b *graph.Builder, in []graph.ID, params []tensor.Tensor, k int) ([]graph.ID, []tensor.Tensor) {
	moved := make([]tensor.Tensor, 0, len(in)-k+len(params))
	for _, x := range in[k:] {
		t, ok := constant(b.Node(x))
		if !ok {
			return in, params
		}
		moved = append(moved, t)
	}
	return in[:k:k], append(moved, params...)
}

// commutes reports functions with fn(a, b) = fn(b, a), to the bit.
func commutes(fn ops.BinaryFn) bool {
	return slices.Contains([]ops.BinaryFn{ops.BinaryAdd, ops.BinaryMul, ops.BinaryMin, ops.BinaryMax, ops.BinarySquaredDiff}, fn)
}
