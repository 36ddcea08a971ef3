package ops

import "github.com/teff-ml/teff/ops/tensor"

// Fields is shown every attribute of an operator, by address, so that one list
// serves encoders, decoders, printers and comparisons. A new attribute goes to
// the end of its operator's list, and its zero value must mean what older
// files meant.
type Fields interface {
	Bool(name string, p *bool)
	Int(name string, p *int)
	Float(name string, p *float32)
	String(name string, p *string)
	Ints(name string, p *[]int)
	Floats(name string, p *[]float32)
}

// FieldEnum shows a small enumeration to f as an integer. A number that T
// cannot hold becomes T's largest, which no enumeration uses, so that Infer
// refuses it.
func FieldEnum[T ~uint8 | ~uint16](f Fields, name string, p *T) {
	i := int(*p)
	f.Int(name, &i)
	if *p = T(i); int(*p) != i {
		*p = ^T(0)
	}
}

// OutType is the element type and quantisation an operator gives its result.
// The zero value means: as the first operand has it.
type OutType struct {
	DType tensor.DType
	Scale float32
	Zero  int
}

// QuantOut is the OutType of a quantised activation.
func QuantOut(d tensor.DType, scale float32, zero int) OutType { return OutType{d, scale, zero} }

// OutTypeOf is the OutType that gives s's type and quantisation.
func OutTypeOf(s tensor.Spec) OutType {
	o := OutType{DType: s.DType}
	if s.Quant.PerTensor() {
		sc, z := s.Quant.At(0)
		o.Scale, o.Zero = sc, int(z)
	}
	return o
}

func (o *OutType) fields(f Fields) {
	FieldEnum(f, "out_type", &o.DType)
	f.Float("out_scale", &o.Scale)
	f.Int("out_zero", &o.Zero)
}

// spec is a result of the given shape, with in's type where o says nothing.
func (o OutType) spec(k Kind, in *tensor.Spec, s tensor.Shape) (tensor.Spec, error) {
	out := tensor.Spec{DType: in.DType, Shape: s, Quant: in.Quant}
	if o.DType == tensor.Invalid {
		return out, nil
	}
	if !o.DType.Valid() {
		return out, errf(k, "output type %v", o.DType)
	}
	out.DType, out.Quant = o.DType, tensor.Quant{}
	if o.Scale != 0 {
		out.Quant = tensor.Affine(o.Scale, o.Zero)
	}
	return out, out.Quant.Check(out.DType, out.Shape)
}
