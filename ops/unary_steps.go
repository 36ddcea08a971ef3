package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
)

// unarySteps is fn by several loops of kern, rowBuffer elements at a time; false
// for a function that has no such form. dst may be x.
func unarySteps(fn UnaryFn, a, b float32, dst, x []float32) bool {
	switch fn {
	case UnaryReciprocal, UnaryRsqrt, UnaryElu, UnarySelu, UnarySoftplus, UnaryLogSigmoid, UnaryMish, UnarySign, UnaryTan:
	case UnaryCelu:
		if !(a > 0) {
			return false
		}
	default:
		return false
	}
	var e, t [rowBuffer]float32
	for len(dst) > 0 {
		n := min(len(dst), rowBuffer)
		unaryStep(fn, a, b, dst[:n], x[:n], e[:n], t[:n])
		dst, x = dst[n:], x[n:]
	}
	return true
}

// unaryStep is unarySteps on a few elements, with two buffers of as many.
func unaryStep(fn UnaryFn, a, b float32, dst, x, e, t []float32) {
	switch fn {
	case UnaryRsqrt, UnaryReciprocal:
		if fn == UnaryRsqrt {
			kern.SqrtF32(dst, x)
			x = dst
		}
		scalarStep(kern.RDiv, dst, x, 1)
	case UnaryElu:
		expm1Step(0.5, 2*a, 1, dst, x, e, t)
	case UnarySelu:
		expm1Step(0.5, 2*a*b, b, dst, x, e, t)
	case UnaryCelu:
		expm1Step(0.5/a, 2*a, 1, dst, x, e, t)
	case UnaryMish:
		// tanh(log(1+e)) = (e² + 2e) / (e² + 2e + 2) with e = exp(x); from 20 on it is 1.
		kern.ClampF32(e, x, negInf, 20)
		kern.ExpF32(e, e)
		scalarStep(kern.Add, t, e, 2)
		rowStep(kern.Mul, e, e, t)
		scalarStep(kern.Add, t, e, 2)
		rowStep(kern.Div, e, e, t)
		rowStep(kern.Mul, dst, x, e)
	case UnarySoftplus, UnaryLogSigmoid:
		sign := float32(1)
		if fn == UnaryLogSigmoid {
			sign = -1
		}
		kern.LeakyReluF32(e, x, -1)
		scalarStep(kern.Mul, e, e, -1)
		kern.ExpF32(e, e)
		for i, v := range x {
			dst[i] = sign * (max(sign*v, 0) + log1pUnit(e[i]))
		}
	case UnaryTan:
		kern.SinF32(0, e, x)
		kern.SinF32(1, t, x)
		rowStep(kern.Div, dst, e, t)
	case UnarySign: // the smallest numbers become 1 in two steps
		kern.BinaryScalarF32(kern.Mul, e, x, 1<<100, -1, 1)
		kern.BinaryScalarF32(kern.Mul, dst, e, 1<<100, -1, 1)
	}
}

// scalarStep and rowStep are a kern operation without a clamp.
//
//go:noinline
func scalarStep(op kern.Binary, dst, x []float32, s float32) {
	kern.BinaryScalarF32(op, dst, x, s, negInf, posInf)
}

//go:noinline
func rowStep(op kern.Binary, dst, x, y []float32) { kern.BinaryF32(op, dst, x, y, negInf, posInf) }

// expm1Step is dst = right*max(x, 0) + left/2*(exp(2*half*min(x, 0)) - 1), by
// exp(2z) - 1 = 2t/(1-t) with t = tanh z, which is as exact near 0.
func expm1Step(half, left, right float32, dst, x, e, t []float32) {
	kern.BinaryScalarF32(kern.Mul, e, x, half, negInf, 0)
	kern.TanhF32(e, e)
	scalarStep(kern.RSub, t, e, 1)
	rowStep(kern.Div, e, e, t)
	kern.ClampF32(dst, x, 0, posInf)
	kern.AxpyF32(dst, e, left, right)
}

// log1pUnit is log(1+e) for e from 0 to 1: 2 atanh(e/(2+e)) by its series, to 2e-8.
func log1pUnit(e float32) float32 {
	z := e / (2 + e)
	q := z * z
	return z * (2 + q*(2./3+q*(2./5+q*(2./7+q*(2./9+q*(2./11+q*(2./13)))))))
}

// logRow is the natural logarithm: of x = m*2^k with m from 1/√2 to √2, k log 2 +
// 2 atanh((m-1)/(m+1)) by its series.
func logRow(dst, x []float32) {
	for i, v := range x {
		bits := math.Float32bits(v)
		if bits-0x00800000 >= 0x7f000000 { // no positive normal number
			dst[i] = unaryScalar(UnaryLog, 0, 0, v)
			continue
		}
		bits -= 0x3f3504f3
		k := float32(int32(bits) >> 23)
		m := math.Float32frombits(bits&0x007fffff + 0x3f3504f3)
		z := (m - 1) / (m + 1)
		q := z * z
		dst[i] = k*float32(math.Ln2) + z*(2+q*(2./3+q*(2./5+q*(2./7+q*(2./9)))))
	}
}
