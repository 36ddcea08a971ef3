package ops

import "math"

// constGrad says that the gradient reads no value of the forward run: it is 1,
// -1 or, for functions that move in steps, 0.
func (fn UnaryFn) constGrad() bool {
	switch fn {
	case UnaryNone, UnaryNeg, UnaryFloor, UnaryCeil, UnaryRound, UnarySign:
		return true
	}
	return false
}

// gradFromOut says that the slope at x can be told from fn(x) alone.
func (u *Unary) gradFromOut() bool {
	switch u.Fn {
	case UnaryRelu, UnaryClip, UnarySigmoid, UnaryHardSigmoid, UnaryTanh, UnaryExp, UnarySqrt, UnaryReciprocal, UnaryRsqrt:
		return true
	case UnaryLeakyRelu, UnaryElu:
		return u.A > 0
	}
	return false
}

// unarySlopeOut is the slope of fn where its value is y.
func unarySlopeOut(fn UnaryFn, a, b, y float64) float64 {
	switch fn {
	case UnaryRelu:
		return step(y > 0, 1)
	case UnaryClip:
		return step(y > a && y < b, 1)
	case UnaryLeakyRelu:
		if y < 0 {
			return a
		}
		return 1
	case UnaryElu:
		if y < 0 {
			return y + a
		}
		return 1
	case UnarySigmoid:
		return y * (1 - y)
	case UnaryHardSigmoid:
		return step(y > 0 && y < 1, a)
	case UnaryTanh:
		return 1 - y*y
	case UnaryExp:
		return y
	case UnarySqrt:
		return 0.5 / y
	case UnaryReciprocal:
		return -y * y
	case UnaryRsqrt:
		return -0.5 * y * y * y
	}
	panic("BUG: slope of a function that its value does not tell")
}

func step(on bool, v float64) float64 {
	if on {
		return v
	}
	return 0
}

// unarySlope is the slope of fn at x. At a kink it is the one on the left or 0.
func unarySlope(fn UnaryFn, a, b, x float64) float64 {
	switch fn {
	case UnaryLeakyRelu:
		if x < 0 {
			return a
		}
		return 1
	case UnaryElu:
		if x < 0 {
			return a * math.Exp(x)
		}
		return 1
	case UnarySelu:
		if x > 0 {
			return b
		}
		return b * a * math.Exp(x)
	case UnaryCelu:
		s := step(x > 0, 1)
		if a*math.Expm1(x/a) < 0 {
			s += math.Exp(x / a)
		}
		return s
	case UnaryHardSwish:
		switch {
		case x <= -3:
			return 0
		case x >= 3:
			return 1
		}
		return x/3 + 0.5
	case UnarySwish:
		a = swishFactor(a)
		s := sigmoid64(a * x)
		return s + a*x*s*(1-s)
	case UnaryMish:
		t := math.Tanh(softplus64(x))
		return t + x*sigmoid64(x)*(1-t*t)
	case UnaryGelu:
		if a == 1 {
			t := math.Tanh(geluTanh(x))
			return 0.5*(1+t) + 0.5*x*(1-t*t)*math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x)
		}
		return 0.5*math.Erfc(-x/math.Sqrt2) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case UnarySoftplus:
		return sigmoid64(x)
	case UnarySoftsign:
		v := 1 + math.Abs(x)
		return 1 / (v * v)
	case UnaryLogSigmoid:
		return sigmoid64(-x)
	case UnaryThreshold:
		return step(x > a, 1)
	case UnaryShrink:
		return step(x < -a || x > a, 1)
	}
	return plainSlope(fn, x)
}

func plainSlope(fn UnaryFn, x float64) float64 {
	switch fn {
	case UnaryLog:
		return 1 / x
	case UnaryAbs:
		return plain64(UnarySign, x)
	case UnaryErf:
		return 2 / math.Sqrt(math.Pi) * math.Exp(-x*x)
	case UnarySin:
		return math.Cos(x)
	case UnaryCos:
		return -math.Sin(x)
	case UnarySquare:
		return 2 * x
	case UnaryTan:
		t := math.Tan(x)
		return 1 + t*t
	case UnarySinh:
		return math.Cosh(x)
	case UnaryCosh:
		return math.Sinh(x)
	case UnaryAsin:
		return 1 / math.Sqrt(1-x*x)
	case UnaryAcos:
		return -1 / math.Sqrt(1-x*x)
	case UnaryAtan:
		return 1 / (1 + x*x)
	case UnaryAsinh:
		return 1 / math.Sqrt(x*x+1)
	case UnaryAcosh:
		return 1 / math.Sqrt(x*x-1)
	case UnaryAtanh:
		return 1 / (1 - x*x)
	}
	panic("BUG: slope of an unknown function")
}
