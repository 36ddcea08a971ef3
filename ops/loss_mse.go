package ops

import "github.com/teff-ml/teff/ops/tensor"

// MSELoss is loss = (x - target)², element by element, then reduced: the mean
// is over all elements. Operands x and target have one shape, f32. Sums are in
// float64.
type MSELoss struct{ Reduction Reduction }

// Kind is KindMSELoss.
func (*MSELoss) Kind() Kind { return KindMSELoss }

// Fields lists the attributes.
func (o *MSELoss) Fields(f Fields) { FieldEnum(f, "reduction", &o.Reduction) }

// Infer is a scalar, or x's shape for LossNone.
func (o *MSELoss) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	return inferPairLoss(KindMSELoss, o.Reduction, in, params)
}

func inferPairLoss(k Kind, r Reduction, in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(k, in, params, 2, 2)
	if err != nil {
		return tensor.Spec{}, err
	}
	for i, name := range []string{"input", "target"} {
		if err := wantF32(k, name, &o[i]); err != nil {
			return tensor.Spec{}, err
		}
	}
	if o[0].Shape != o[1].Shape {
		return tensor.Spec{}, notShape(k, "target", o[0].Shape.String(), o[1].Shape.String())
	}
	return r.spec(k, o[0].Shape)
}
