package ops

import "github.com/teff-ml/teff/ops/tensor"

// SoftmaxCrossEntropy is the loss of a classifier:
//
//	logp = log softmax of the scores over the classes
//	loss = -w[label] * logp[label]
//
// Operands: scores, f32, with the classes along Axis; labels, i32 or i64 of the
// scores' shape without Axis, or f32 of the scores' shape: then they are
// probabilities t and loss = -sum over c of w[c] * t[c] * logp[c]; class
// weights w [classes], optional.
//
// Smoothing e replaces the label's distribution t by (1-e)*t + e/classes, as
// PyTorch does. The mean divides by the sum of the labels' weights, or with
// probabilities by their number. Examples whose label is IgnoreIndex count for
// nothing. A label outside the classes makes its loss NaN. Sums are in float64.
type SoftmaxCrossEntropy struct {
	Axis        int // of the classes; 0 means the last
	Reduction   Reduction
	IgnoreIndex int
	HasIgnore   bool
	Smoothing   float32
	Output      int // 0 the loss, 1 logp
}

// Kind is KindSoftmaxCrossEntropy.
func (*SoftmaxCrossEntropy) Kind() Kind { return KindSoftmaxCrossEntropy }

// Fields lists the attributes.
func (o *SoftmaxCrossEntropy) Fields(f Fields) {
	f.Int("axis", &o.Axis)
	FieldEnum(f, "reduction", &o.Reduction)
	f.Int("ignore_index", &o.IgnoreIndex)
	f.Bool("has_ignore", &o.HasIgnore)
	f.Float("smoothing", &o.Smoothing)
	f.Int("output", &o.Output)
}

// Infer is a scalar, the labels' shape for LossNone, or the scores' for logp.
func (o *SoftmaxCrossEntropy) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	c, x, err := resolveClasses(KindSoftmaxCrossEntropy, in, params, o.Axis)
	if err != nil {
		return tensor.Spec{}, err
	}
	if !(o.Smoothing >= 0 && o.Smoothing <= 1) {
		return tensor.Spec{}, errf(KindSoftmaxCrossEntropy, "smoothing %v", o.Smoothing)
	}
	switch o.Output {
	case 0:
		return o.Reduction.spec(KindSoftmaxCrossEntropy, c.labels)
	case 1:
		return *x, nil
	}
	return tensor.Spec{}, errf(KindSoftmaxCrossEntropy, "output %d", o.Output)
}
