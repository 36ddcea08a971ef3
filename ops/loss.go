package ops

import "github.com/teff-ml/teff/ops/tensor"

// Reduction is how losses of examples become one. The numbers are part of the
// file format.
type Reduction uint8

// The reductions.
const (
	LossMean Reduction = 0
	LossSum  Reduction = 1
	LossNone Reduction = 2 // one loss an example

	numReduction = 3
)

// shape is the result's shape for losses of the given one.
func (r Reduction) spec(k Kind, each tensor.Shape) (tensor.Spec, error) {
	switch r {
	case LossMean, LossSum:
		return tensor.Spec{DType: tensor.F32}, nil
	case LossNone:
		return tensor.Spec{DType: tensor.F32, Shape: each}, nil
	}
	return tensor.Spec{}, errf(k, "reduction %d", r)
}

// classLoss is a loss of scores and labels with everything resolved: scores
// are [outer, classes, inner], labels [outer, inner].
type classLoss struct {
	kind                  Kind
	outer, classes, inner int
	soft                  bool // labels are probabilities, f32 of the scores' shape
	weighted              bool
	labels                tensor.Shape
}

// resolveClasses checks scores, labels and weights. Axis 0 stands for the last
// one, because dimension 0 is the batch.
func resolveClasses(k Kind, in, params []tensor.Spec, axis int) (c classLoss, x *tensor.Spec, err error) {
	o, err := wantOperands(k, in, params, 2, 3)
	if err != nil {
		return c, x, err
	}
	x = &o[0]
	if err := wantF32(k, "scores", x); err != nil {
		return c, x, err
	}
	if axis == 0 {
		axis = -1
	}
	c.kind = k
	if c.outer, c.classes, c.inner, err = axisOf(k, x.Shape, axis); err != nil {
		return c, x, err
	}
	if x.Shape.Rank() == 0 || c.classes == 0 {
		return c, x, notShape(k, "scores", "one class or more", x.Shape.String())
	}
	var dims []int
	for i := range x.Shape.Rank() {
		if i != axis && i != axis+x.Shape.Rank() {
			dims = append(dims, x.Shape.Dim(i))
		}
	}
	if c.labels, err = tensor.NewShape(dims...); err != nil {
		return c, x, err
	}
	switch l := o[1]; {
	case l.DType == tensor.F32 && l.Shape == x.Shape:
		c.soft = true
	case (l.DType == tensor.I32 || l.DType == tensor.I64) && l.Shape == c.labels:
	default:
		return c, x, notShape(k, "labels", "i32 or i64["+c.labels.String()+"], or f32["+x.Shape.String()+"]", l.String())
	}
	if len(o) == 3 {
		c.weighted = true
		if err := wantChannels(k, "class weights", &o[2], c.classes); err != nil {
			return c, x, err
		}
	}
	return c, x, nil
}
