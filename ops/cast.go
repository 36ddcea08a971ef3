package ops

import "github.com/teff-ml/teff/ops/tensor"

// Cast gives each element another type, between any two types, as ONNX does:
//
//   - float to integer cuts the fraction off; a number outside int64 becomes
//     the nearest one, a NaN 0, and narrower types keep the low bits
//   - to bool: whether it is not 0; from bool: 0 or 1
//   - to f16 and bf16: nearest, ties to even
//
// Quantised elements are taken as the integers they are; the result has no
// quantisation.
type Cast struct{ To tensor.DType }

// Kind is KindCast.
func (*Cast) Kind() Kind { return KindCast }

// Fields lists the attributes.
func (c *Cast) Fields(f Fields) { FieldEnum(f, "to", &c.To) }

// Infer is the operand's shape with the type To.
func (c *Cast) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindCast, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if !c.To.Valid() || !o[0].DType.Valid() {
		return tensor.Spec{}, errf(KindCast, "from %v to %v", o[0].DType, c.To)
	}
	return tensor.Spec{DType: c.To, Shape: o[0].Shape}, nil
}
