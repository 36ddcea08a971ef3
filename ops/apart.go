package ops

import "github.com/teff-ml/teff/ops/tensor"

// Apart reports that samples stay apart in op: what lies at i along the first dimension of its result follows from what lies
// there in those inputs that apart names, which have one sample at each place along theirs. It is asked of specs at some
// batch and says so for each; the caller makes sure that no other extent of any value follows the batch.
// It knows the operators that networks are made of, and is false for the others.
func Apart(op Op, in []tensor.Spec, params []tensor.Tensor, apart []bool, out tensor.Spec) bool {
	rank := out.Shape.Rank()
	all := true
	for i := range in {
		all = all && apart[i]
	}
	switch o := op.(type) {
	case *Conv, *ConvTranspose, *Dense, *QLinearConv:
		return all && len(params) > 0 && in[0].Shape.Rank() > 1 // a second input is a residual
	case *BatchNorm:
		return all && len(in) == 1 && !o.Training // or all have the same mean
	case *Dropout:
		return all && !o.Training // which elements goes by their place in the batch
	case *Pool:
		return all && len(in) == 1 && o.Output == 0 // places count the whole input
	case *GlobalPool, *GroupNorm, *LRN, *Resize, *DepthToSpace, *SpaceToDepth:
		return all && len(in) == 1
	case *Reshape, *Transpose, *Unary, *Identity, *Cast, *Quantize, *Dequantize, *Reduce:
		return all && len(in) == 1 // the extents say that the first stays where it is
	case *Binary, *PRelu, *Where, *Compare, *Logic, *MatMul:
		if _, ok := op.(*MatMul); ok && rank < 3 && (!apart[0] || len(in) > 1 && apart[1]) {
			return false // a sample is a column, or each meets all others
		}
		for i := range in {
			if apart[i] && in[i].Shape.Rank() != rank {
				return false
			}
		}
		return true
	case *Softmax:
		return all && along(o.Axis, in[0])
	case *LayerNorm:
		return all && along(o.Axis, in[0])
	case *Concat:
		return all && along(o.Axis, in[0])
	case *Gather:
		return apart[0] && along(o.Axis, in[0]) && (len(in) == 1 || !apart[1])
	case *Slice:
		first, step, _, err := o.resolve(in[0].Shape)
		return all && err == nil && first[0] == 0 && step[0] == 1
	case *Pad:
		return all && o.Lo[0] == 0 && o.Hi[0] == 0
	}
	return false
}

// along reports that axis is a dimension of x other than the first.
func along(axis int, x tensor.Spec) bool {
	axis, ok := normAxis(axis, x.Shape.Rank())
	return ok && axis > 0
}
