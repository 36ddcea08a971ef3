package ops

import "github.com/teff-ml/teff/ops/tensor"

var elementwiseOps = []Desc{
	{KindUnary, "Unary", func() Op { return new(Unary) }},
	{KindPRelu, "PRelu", func() Op { return new(PRelu) }},
	{KindBinary, "Binary", func() Op { return new(Binary) }},
	{KindCompare, "Compare", func() Op { return new(Compare) }},
	{KindLogic, "Logic", func() Op { return new(Logic) }},
	{KindWhere, "Where", func() Op { return new(Where) }},
	{KindCast, "Cast", func() Op { return new(Cast) }},
	{KindDropout, "Dropout", func() Op { return new(Dropout) }},
}

// isQuantised says that a spec holds quantised 8-bit numbers, which operators
// compute by their integer forms.
//
//go:noinline
func isQuantised(s *tensor.Spec) bool { return s.DType.IsInt8() && !s.Quant.IsZero() }

// wantF32 checks that an operand is float32. Half precision is a storage type:
// a Cast goes in front.
func wantF32(k Kind, operand string, s *tensor.Spec) error {
	if s.DType == tensor.F32 {
		return nil
	}
	want := "f32"
	if s.DType.IsFloat() {
		want = "f32 (put a Cast in front)"
	}
	return notShape(k, operand, want, s.String())
}

// sameType is the result of an operator that keeps its operand's type: o may
// repeat the type, or requantise a quantised one.
func (o OutType) sameType(k Kind, in *tensor.Spec, s tensor.Shape) (tensor.Spec, error) {
	out, err := o.spec(k, in, s)
	if err == nil && out.DType != in.DType && !isQuantised(in) {
		return out, errf(k, "result %v of an operand %v", out.DType, in.DType)
	}
	return out, err
}
