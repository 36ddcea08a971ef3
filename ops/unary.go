package ops

import "github.com/teff-ml/teff/ops/tensor"

// Unary is y = fn(x), element by element, for the functions of UnaryFn.
//
// One operand, of any shape: f32 for every function; i32 and i64 for None,
// Relu, Clip, Abs, Neg, Sign and Square; quantised i8 and u8 by table. On f32
// the function is computed in float64 and rounded once; fast paths may differ
// in the last bits. A NaN stays a NaN.
type Unary struct {
	Fn   UnaryFn
	A, B float32 // parameters of the function, see UnaryFn
	Out  OutType // of the integer form
}

// Kind is KindUnary.
func (*Unary) Kind() Kind { return KindUnary }

// Fields lists the attributes.
func (u *Unary) Fields(f Fields) {
	FieldEnum(f, "fn", &u.Fn)
	f.Float("a", &u.A)
	f.Float("b", &u.B)
	u.Out.fields(f)
}

// Infer is the operand's shape and type.
func (u *Unary) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindUnary, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := o[0]
	switch {
	case u.Fn > UnaryAtanh:
		return tensor.Spec{}, errf(KindUnary, "function %d is not known", u.Fn)
	case u.Fn == UnaryClip && !(u.A <= u.B):
		return tensor.Spec{}, errf(KindUnary, "limits [%v, %v]", u.A, u.B)
	case u.Fn == UnaryCelu && u.A == 0:
		return tensor.Spec{}, errf(KindUnary, "Celu with A = 0")
	case x.DType == tensor.F32, isQuantised(x):
	case x.DType == tensor.I32, x.DType == tensor.I64:
		if !u.Fn.onIntegers() {
			return tensor.Spec{}, errf(KindUnary, "function %d has no meaning on %v", u.Fn, x.DType)
		}
	default:
		return tensor.Spec{}, wantF32(KindUnary, "input", x)
	}
	return u.Out.sameType(KindUnary, x, x.Shape)
}

func (fn UnaryFn) onIntegers() bool {
	switch fn {
	case UnaryNone, UnaryRelu, UnaryClip, UnaryAbs, UnaryNeg, UnarySign, UnarySquare:
		return true
	}
	return false
}
