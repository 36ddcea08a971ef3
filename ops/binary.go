package ops

import "github.com/teff-ml/teff/ops/tensor"

// BinaryFn is an arithmetic function of two numbers. The numbers are part of
// the file format.
type BinaryFn uint8

// The functions of Binary.
const (
	BinaryAdd         BinaryFn = 0
	BinarySub         BinaryFn = 1
	BinaryMul         BinaryFn = 2
	BinaryDiv         BinaryFn = 3 // integers: toward zero; by zero gives 0
	BinaryMin         BinaryFn = 4
	BinaryMax         BinaryFn = 5
	BinaryPow         BinaryFn = 6
	BinaryMod         BinaryFn = 7 // sign of b, as Python's %; integers: by zero gives 0
	BinaryFMod        BinaryFn = 8 // sign of a, as C's fmod
	BinarySquaredDiff BinaryFn = 9 // (a-b)²
	BinaryFloorDiv    BinaryFn = 10
	BinaryAtan2       BinaryFn = 11

	numBinary = 12
	// binaryPRelu is how PRelu uses the kernels of Binary.
	binaryPRelu BinaryFn = 200
)

// Binary is y = act(fn(a, b)), element by element, with numpy's broadcasting:
// shapes are aligned at the last dimension and an extent of 1 repeats.
//
// Operands a and b have one type: f32, i32, i64 (wrapping), or quantised i8 or
// u8. On f32 the arithmetic is float32's own; Pow, Mod, FMod and Atan2 are
// rounded from float64. Min and Max pass NaN on. Act is for f32 and the
// quantised types.
type Binary struct {
	Fn  BinaryFn
	Act Act
	Out OutType // of the integer form
}

// Kind is KindBinary.
func (*Binary) Kind() Kind { return KindBinary }

// Fields lists the attributes.
func (b *Binary) Fields(f Fields) {
	FieldEnum(f, "fn", &b.Fn)
	b.Act.fields(f)
	b.Out.fields(f)
}

// Infer is the broadcast shape.
func (b *Binary) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindBinary, in, params, 2, 2)
	if err != nil {
		return tensor.Spec{}, err
	}
	if b.Fn >= numBinary {
		return tensor.Spec{}, errf(KindBinary, "function %d is not known", b.Fn)
	}
	if err := b.Act.check(KindBinary); err != nil {
		return tensor.Spec{}, err
	}
	s, err := tensor.Broadcast(o[0].Shape, o[1].Shape)
	if err != nil {
		return tensor.Spec{}, errf(KindBinary, "%w", err)
	}
	switch d := o[0].DType; {
	case isQuantised(&o[0]):
		if !isQuantised(&o[1]) {
			return tensor.Spec{}, notShape(KindBinary, "operand 1", "quantised i8 or u8", o[1].String())
		}
		return b.Out.sameType(KindBinary, &o[0], s)
	case d != o[1].DType:
		return tensor.Spec{}, errf(KindBinary, "operands are %v and %v, want one type", d, o[1].DType)
	case d == tensor.F32:
	case d == tensor.I32, d == tensor.I64:
		if b.Act.Fn != UnaryNone {
			return tensor.Spec{}, errf(KindBinary, "activation on %v", d)
		}
		if b.Fn == BinaryAtan2 {
			return tensor.Spec{}, errf(KindBinary, "function %d has no meaning on %v", b.Fn, d)
		}
	default:
		return tensor.Spec{}, wantF32(KindBinary, "operand 0", &o[0])
	}
	return b.Out.sameType(KindBinary, &o[0], s)
}
