package ops

import "github.com/teff-ml/teff/ops/tensor"

// Where is y = cond ? a : b, element by element, with broadcasting of all
// three operands. cond is bool; a and b have one type and quantisation, any.
type Where struct{}

// Kind is KindWhere.
func (*Where) Kind() Kind { return KindWhere }

// Fields lists the attributes: none.
func (*Where) Fields(Fields) {}

// Infer is the broadcast shape, with a's type.
func (*Where) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindWhere, in, params, 3, 3)
	if err != nil {
		return tensor.Spec{}, err
	}
	if o[0].DType != tensor.Bool {
		return tensor.Spec{}, &ShapeError{KindWhere, "condition", "bool", o[0].String()}
	}
	if !o[1].DType.Valid() || o[1].DType != o[2].DType || !o[1].Quant.Equal(o[2].Quant) {
		return tensor.Spec{}, errf(KindWhere, "operands are %v and %v, want one type", o[1], o[2])
	}
	if len(o[1].Quant.Scale) > 1 {
		return tensor.Spec{}, errf(KindWhere, "operands have more than one scale")
	}
	s, err := tensor.Broadcast(o[1].Shape, o[2].Shape)
	if err == nil {
		s, err = tensor.Broadcast(s, o[0].Shape)
	}
	if err != nil {
		return tensor.Spec{}, errf(KindWhere, "%w", err)
	}
	return tensor.Spec{DType: o[1].DType, Shape: s, Quant: o[1].Quant}, nil
}
