package ops

import "github.com/teff-ml/teff/ops/tensor"

// BCELoss is binary cross entropy, element by element, then reduced:
//
//	loss = -(t*log(p) + (1-t)*log(1-p)),   p = x, or sigmoid(x) with FromLogits
//
// Of given probabilities logarithms are not less than -100, as in PyTorch, so
// that p = 0 stays finite.
// Operands x and target t have one shape, f32. Sums are in float64.
type BCELoss struct {
	FromLogits bool
	Reduction  Reduction
}

// Kind is KindBCELoss.
func (*BCELoss) Kind() Kind { return KindBCELoss }

// Fields lists the attributes.
func (o *BCELoss) Fields(f Fields) {
	f.Bool("from_logits", &o.FromLogits)
	FieldEnum(f, "reduction", &o.Reduction)
}

// Infer is a scalar, or x's shape for LossNone.
func (o *BCELoss) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	return inferPairLoss(KindBCELoss, o.Reduction, in, params)
}
