package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
)

// unarySteps is fn by several loops of kern, rowBuffer elements at a time; false
// for a function that has no such form. dst may be x.
func unarySteps(fn UnaryFn, a, b float32, dst, x []float32) bool {
	switch fn {
	case UnaryReciprocal, UnaryRsqrt, UnaryElu, UnarySelu, UnarySoftplus, UnaryLogSigmoid, UnaryMish, UnarySign, UnaryTan, UnaryLog, UnaryAtan:
	case UnaryCelu:
		if !(a > 0) {
			return false
		}
	default:
		return false
	}
	var e, t, u [rowBuffer]float32
	for len(dst) > 0 {
		n := min(len(dst), rowBuffer)
		unaryStep(fn, a, b, dst[:n], x[:n], e[:n], t[:n], u[:n])
		dst, x = dst[n:], x[n:]
	}
	return true
}

// unaryStep is unarySteps on a few elements, with three buffers of as many.
func unaryStep(fn UnaryFn, a, b float32, dst, x, e, t, u []float32) {
	switch fn {
	case UnaryLog:
		logStep(dst, x, e, t, u)
	case UnaryAtan:
		atanStep(dst, x, e, t, u)
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
	case UnarySoftplus, UnaryLogSigmoid: // the part of x beyond 0, and log(1 + exp(-|x|)) as 2 atanh(e/(2+e)) by its series, to 2e-8
		kern.LeakyReluF32(e, x, -1)
		scalarStep(kern.Mul, e, e, -1)
		kern.ExpF32(e, e)
		scalarStep(kern.Add, t, e, 2)
		rowStep(kern.Div, e, e, t)
		rowStep(kern.Mul, t, e, e)
		seriesStep(u, t, 2, 2./3, 2./5, 2./7, 2./9, 2./11, 2./13)
		rowStep(kern.Mul, u, u, e)
		op, lo, hi := kern.Add, float32(0), posInf
		if fn == UnaryLogSigmoid {
			op, lo, hi = kern.Sub, negInf, 0
		}
		kern.ClampF32(dst, x, lo, hi)
		rowStep(op, dst, dst, u)
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

// seriesStep is dst = c[0] + q·(c[1] + q·(c[2] + ...)), dst not being q.
func seriesStep(dst, q []float32, c ...float32) {
	n := len(c) - 1
	scalarStep(kern.Mul, dst, q, c[n])
	for n--; n > 0; n-- {
		scalarStep(kern.Add, dst, dst, c[n])
		rowStep(kern.Mul, dst, dst, q)
	}
	scalarStep(kern.Add, dst, dst, c[0])
}

// logStep is the natural logarithm: of x = m*2^k with m from 1/√2 to √2, k log 2 +
// 2 atanh((m-1)/(m+1)) by its series.
func logStep(dst, x, k, m, u []float32) {
	k, m = k[:len(x)], m[:len(x)]
	for i, v := range x {
		bits := math.Float32bits(v)
		if bits-0x00800000 >= 0x7f000000 { // no positive normal number
			k[i], m[i] = unaryScalar(UnaryLog, 0, 0, v), 1
			continue
		}
		bits -= 0x3f3504f3
		k[i] = float32(int32(bits)>>23) * float32(math.Ln2)
		m[i] = math.Float32frombits(bits&0x007fffff + 0x3f3504f3)
	}
	scalarStep(kern.Sub, dst, m, 1)
	scalarStep(kern.Add, m, m, 1)
	rowStep(kern.Div, dst, dst, m)
	rowStep(kern.Mul, m, dst, dst)
	seriesStep(u, m, 2, 2./3, 2./5, 2./7, 2./9)
	rowStep(kern.Mul, dst, dst, u)
	rowStep(kern.Add, dst, dst, k)
}

// atanStep is the arc tangent, by a polynomial for z = |x|, or 1/|x| and the rest of π/2 where that is less.
func atanStep(dst, x, z, t, u []float32) {
	kern.AbsF32(t, x)
	scalarStep(kern.RDiv, z, t, 1)
	rowStep(kern.Min, z, t, z)
	rowStep(kern.Mul, t, z, z)
	seriesStep(u, t, 1, -0.33333037, 0.19991872, -0.14197798, 0.106183706, -0.07456855, 0.042137624, -0.01573125, 0.0027662835)
	rowStep(kern.Mul, u, u, z)
	const sign, one = 1 << 31, 0x3f800000
	u = u[:len(x)]
	for i, v := range x { // no branch: sizes are random
		bits := math.Float32bits(v)
		far := uint32(int32(one-bits&^sign) >> 31) // all ones where |x| > 1
		p := math.Float32frombits(math.Float32bits(u[i])^far&sign) + math.Float32frombits(far&math.Float32bits(math.Pi/2))
		dst[i] = math.Float32frombits(math.Float32bits(p) | bits&sign)
	}
}
