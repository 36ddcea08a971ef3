package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

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
	x := &o[0]
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

// Prepare picks the table for quantised numbers, else a loop over tasks of
// chunkElems.
func (u *Unary) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if isQuantised(x) {
		return u.prepareInt(p)
	}
	if len(p.In) > 0 {
		p.InPlace(0)
	}
	k := &unaryKernel{fn: u.Fn, a: u.A, b: u.B, params: p.Params, n: x.Shape.Elems(), reference: p.Reference}
	k.lo, k.hi = saturate64(math.Ceil(float64(u.A))), saturate64(math.Floor(float64(u.B)))
	p.Path("vec")
	if p.Reference || x.DType != tensor.F32 {
		p.Path("reference")
	}
	return k, nil
}

// unaryKernel computes a function in tasks of chunkElems.
type unaryKernel struct {
	fn        UnaryFn
	a, b      float32
	lo, hi    int64 // limits of Clip on integers
	params    []tensor.Tensor
	n         int
	reference bool
}

func (k *unaryKernel) Run(a *Args) { a.Parallel((k.n+chunkElems-1)/chunkElems, k) }

func (k *unaryKernel) Do(a *Args, i, _ int) {
	from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
	x := arg(a, k.params, 0)
	switch x.DType {
	case tensor.I32:
		lo, hi := int32(max(k.lo, math.MinInt32)), int32(min(k.hi, math.MaxInt32))
		unaryInts(k.fn, lo, hi, i32(&a.Out)[from:to], i32(x)[from:to])
		return
	case tensor.I64:
		unaryInts(k.fn, k.lo, k.hi, i64(&a.Out)[from:to], i64(x)[from:to])
		return
	}
	dst, src := f32(&a.Out)[from:to], f32(x)[from:to]
	if k.reference {
		for i, v := range src {
			dst[i] = unaryScalar(k.fn, k.a, k.b, v)
		}
		return
	}
	unaryRow(k.fn, k.a, k.b, dst, src)
}

// saturate64 is the nearest int64, 0 for NaN.
func saturate64(v float64) int64 {
	switch {
	case v != v:
		return 0
	case v >= math.MaxInt64:
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	}
	return int64(v)
}
