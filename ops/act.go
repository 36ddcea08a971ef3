package ops

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Act is an activation fused into the operator before it: applied to each
// element of the result. The zero value does nothing.
type Act struct {
	Fn   UnaryFn // UnaryNone or one of the fusable functions
	A, B float32 // the function's parameters, as in Unary
}

// Relu is max(x, 0) as a fused activation, Clip limits to [lo, hi].
var Relu = Act{Fn: UnaryRelu}

// Clip is the fused activation min(max(x, lo), hi).
func Clip(lo, hi float32) Act { return Act{UnaryClip, lo, hi} }

func (a *Act) fields(f Fields) {
	FieldEnum(f, "act", &a.Fn)
	f.Float("act_a", &a.A)
	f.Float("act_b", &a.B)
}

// Clamp is the activation as limits, which kernels apply as they store: ok is
// false for a function that is more than that.
func (a Act) Clamp() (lo, hi float32, ok bool) {
	switch a.Fn {
	case UnaryNone:
		return float32(math.Inf(-1)), float32(math.Inf(1)), true
	case UnaryRelu:
		return 0, float32(math.Inf(1)), true
	case UnaryClip:
		return a.A, a.B, true
	}
	return 0, 0, false
}

// limits is Clamp for a kernel that has rows of any other function done to them
// once they are stored: rest is that function, or nil.
//
//go:noinline
func (a *Act) limits() (lo, hi float32, rest *Act) {
	lo, hi, ok := a.Clamp()
	if !ok {
		return negInf, posInf, a
	}
	return lo, hi, nil
}

// check refuses functions that are not fused.
func (a Act) check(k Kind) error {
	switch a.Fn {
	case UnaryNone, UnaryRelu, UnaryLeakyRelu, UnarySigmoid, UnaryTanh, UnaryHardSwish, UnarySwish, UnaryHardSigmoid, UnaryGelu, UnaryElu, UnarySoftplus, UnaryMish:
		return nil
	case UnaryClip:
		if a.A > a.B || a.A != a.A || a.B != a.B {
			return errf(k, "activation limits [%v, %v]", a.A, a.B)
		}
		return nil
	}
	return errf(k, "activation %d cannot be fused", a.Fn)
}

// apply is the definition of the activation on one number.
func (a Act) apply(x float32) float32 {
	switch a.Fn {
	case UnaryNone:
		return x
	case UnaryRelu:
		return max(x, 0)
	case UnaryClip:
		return min(max(x, a.A), a.B)
	}
	return unaryScalar(a.Fn, a.A, a.B, x)
}

// QuantLimits is the range of integers that a result with the activation has, or
// why it cannot be fused.
func (a Act) QuantLimits(out tensor.Spec) (lo, hi int32, err error) {
	scale, zero := out.Quant.At(0)
	least, most := tensor.IntRange(out.DType)
	return a.quantLimits(scale, zero, least, most)
}

// quantLimits are the limits of a fused clamp in quantised units: the range of
// [lo, hi] (an integer type's own range) narrowed to round(limit/scale)+zero.
func (a Act) quantLimits(scale float32, zero int32, lo, hi int64) (qmin, qmax int32, err error) {
	l, h, ok := a.Clamp()
	if !ok {
		return 0, 0, fmt.Errorf("activation %v cannot be fused into integers", a.Fn)
	}
	qmin, qmax = int32(lo), int32(hi)
	if !math.IsInf(float64(l), -1) {
		qmin = int32(max(float64(lo), math.RoundToEven(float64(l/scale))+float64(zero)))
	}
	if !math.IsInf(float64(h), 1) {
		qmax = int32(min(float64(hi), math.RoundToEven(float64(h/scale))+float64(zero)))
	}
	if qmin > qmax {
		return 0, 0, fmt.Errorf("activation limits [%v, %v] are outside the quantised range", l, h)
	}
	return qmin, qmax, nil
}
