package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
)

// unaryScalar is the definition of a function of one number: computed in
// float64 and rounded once.
func unaryScalar(fn UnaryFn, a, b, x float32) float32 {
	return float32(unary64(fn, float64(a), float64(b), float64(x)))
}

func sigmoid64(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func softplus64(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// geluTanh is the argument of tanh in Gelu's approximation.
func geluTanh(x float64) float64 { return math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x) }

// swishFactor is Swish's A, of which 0 stands for 1.
func swishFactor(a float64) float64 {
	if a == 0 {
		return 1
	}
	return a
}

func unary64(fn UnaryFn, a, b, x float64) float64 {
	if x != x {
		return x
	}
	switch fn {
	case UnaryNone:
		return x
	case UnaryRelu:
		return max(x, 0)
	case UnaryClip:
		return min(max(x, a), b)
	case UnaryLeakyRelu:
		if x < 0 {
			return a * x
		}
		return x
	case UnaryElu:
		if x < 0 {
			return a * math.Expm1(x)
		}
		return x
	case UnarySelu:
		if x > 0 {
			return b * x
		}
		return b * a * math.Expm1(x)
	case UnaryCelu:
		return max(0, x) + min(0, a*math.Expm1(x/a))
	case UnarySigmoid:
		return sigmoid64(x)
	case UnaryHardSigmoid:
		return max(0, min(1, a*x+b))
	case UnaryHardSwish:
		return x * max(0, min(1, x/6+0.5))
	case UnarySwish:
		return x * sigmoid64(swishFactor(a)*x)
	case UnaryMish:
		return x * math.Tanh(softplus64(x))
	case UnaryGelu:
		if a == 1 {
			return 0.5 * x * (1 + math.Tanh(geluTanh(x)))
		}
		return 0.5 * x * math.Erfc(-x/math.Sqrt2)
	case UnaryTanh:
		return math.Tanh(x)
	case UnarySoftplus:
		return softplus64(x)
	case UnarySoftsign:
		return x / (1 + math.Abs(x))
	case UnaryLogSigmoid:
		return -softplus64(-x)
	case UnaryThreshold:
		if x > a {
			return x
		}
		return 0
	case UnaryShrink:
		switch {
		case x < -a:
			return x + b
		case x > a:
			return x - b
		}
		return 0
	}
	return plain64(fn, x)
}

// plain64 is the functions without parameters that are no activations.
func plain64(fn UnaryFn, x float64) float64 {
	switch fn {
	case UnaryExp:
		return math.Exp(x)
	case UnaryLog:
		return math.Log(x)
	case UnarySqrt:
		return math.Sqrt(x)
	case UnaryAbs:
		return math.Abs(x)
	case UnaryNeg:
		return -x
	case UnaryReciprocal:
		return 1 / x
	case UnaryErf:
		return math.Erf(x)
	case UnaryFloor:
		return math.Floor(x)
	case UnaryCeil:
		return math.Ceil(x)
	case UnaryRound:
		return math.RoundToEven(x)
	case UnarySign:
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return 0
	case UnarySin:
		return math.Sin(x)
	case UnaryCos:
		return math.Cos(x)
	case UnaryRsqrt:
		return 1 / math.Sqrt(x)
	case UnarySquare:
		return x * x
	case UnaryTan:
		return math.Tan(x)
	case UnarySinh:
		return math.Sinh(x)
	case UnaryCosh:
		return math.Cosh(x)
	case UnaryAsin:
		return math.Asin(x)
	case UnaryAcos:
		return math.Acos(x)
	case UnaryAtan:
		return math.Atan(x)
	case UnaryAsinh:
		return math.Asinh(x)
	case UnaryAcosh:
		return math.Acosh(x)
	case UnaryAtanh:
		return math.Atanh(x)
	}
	return x
}

// unaryRow is fn on a slice; dst may be x. Where kern has a loop it is used,
// whose results may differ from unaryScalar's by a few units in the last place.
func unaryRow(fn UnaryFn, a, b float32, dst, x []float32) {
	switch fn {
	case UnaryNone:
		copy(dst, x)
	case UnaryRelu:
		kern.ClampF32(dst, x, 0, posInf)
	case UnaryClip:
		kern.ClampF32(dst, x, a, b)
	case UnaryLeakyRelu:
		kern.LeakyReluF32(dst, x, a)
	case UnarySigmoid:
		kern.SigmoidF32(dst, x)
	case UnaryTanh:
		kern.TanhF32(dst, x)
	case UnaryExp:
		kern.ExpF32(dst, x)
	case UnarySqrt:
		kern.SqrtF32(dst, x)
	case UnaryHardSigmoid:
		kern.HardSigmoidF32(dst, x, a, b)
	case UnaryHardSwish:
		kern.HardSwishF32(dst, x, 1.0/6, 0.5)
	case UnaryNeg:
		kern.BinaryScalarF32(kern.Mul, dst, x, -1, negInf, posInf)
	case UnarySquare:
		kern.BinaryF32(kern.Mul, dst, x, x, negInf, posInf)
	case UnaryGelu:
		geluRow(a == 1, dst, x)
	case UnaryAbs:
		kern.AbsF32(dst, x)
	case UnaryErf:
		kern.ErfF32(dst, x)
	case UnarySin:
		kern.SinF32(0, dst, x)
	case UnaryCos:
		kern.SinF32(1, dst, x)
	case UnaryFloor:
		kern.RoundF32(kern.Down, dst, x)
	case UnaryCeil:
		kern.RoundF32(kern.Up, dst, x)
	case UnaryRound:
		kern.RoundF32(kern.ToEven, dst, x)
	default:
		if fn == UnarySwish && (a == 0 || a == 1) {
			kern.SwishF32(dst, x)
			return
		}
		if unarySteps(fn, a, b, dst, x) {
			return
		}
		for i, v := range x {
			dst[i] = unaryScalar(fn, a, b, v)
		}
	}
}

// geluRow is Gelu by the rows of kern.
func geluRow(tanh bool, dst, x []float32) {
	if kern.GeluF32(tanh, dst, x) {
		return
	}
	var buf [rowBuffer]float32
	for len(dst) > 0 {
		n := min(len(dst), rowBuffer)
		e := buf[:n]
		if tanh {
			geluTanhRow(e, x[:n])
			for i, v := range e {
				dst[i] = 0.5 * x[i] * (1 + v)
			}
		} else {
			gaussRow(e, x[:n])
			for i, v := range x[:n] {
				// x*(1-tail) right of 0, x*tail left of it.
				dst[i] = max(v, 0) - float32(math.Abs(float64(v)))*normalTail(v, e[i])
			}
		}
		dst, x = dst[n:], x[n:]
	}
}

// geluTanhRow is the hyperbolic tangent in Gelu's approximation.
func geluTanhRow(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(0.7978845608) * (v + float32(0.044715)*v*v*v)
	}
	kern.TanhF32(dst, dst)
}

// gaussRow is exp(-x²/2).
func gaussRow(dst, x []float32) {
	for i, v := range x {
		dst[i] = -0.5 * v * v
	}
	kern.ExpF32(dst, dst)
}

// normalTail is the part of the normal distribution beyond |x|, given
// gauss = exp(-x²/2), by Abramowitz and Stegun 7.1.26 to 1e-7: for z >= 0,
// erfc(z) = t*(a1 + t*(a2 + ...)) * exp(-z²) with t = 1/(1+p*z).
func normalTail(x, gauss float32) float32 {
	const p, a1, a2, a3, a4, a5 = 0.3275911, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429
	z := float32(math.Abs(float64(x))) * float32(1/math.Sqrt2)
	t := 1 / (1 + p*z)
	return 0.5 * t * (a1 + t*(a2+t*(a3+t*(a4+t*a5)))) * gauss
}

var (
	posInf = float32(math.Inf(1))
	negInf = float32(math.Inf(-1))
)

// unaryInts is fn on integers; see UnaryFn.onIntegers.
func unaryInts[T int32 | int64](fn UnaryFn, lo, hi T, dst, x []T) {
	for i, v := range x {
		switch fn {
		case UnaryRelu:
			v = max(v, 0)
		case UnaryClip:
			v = min(max(v, lo), hi)
		case UnaryAbs:
			v = max(v, -v)
		case UnaryNeg:
			v = -v
		case UnarySign:
			v = min(max(v, -1), 1)
		case UnarySquare:
			v *= v
		}
		dst[i] = v
	}
}
