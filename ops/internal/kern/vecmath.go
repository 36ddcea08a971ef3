package kern

import "math"

// Activation functions. Assembly evaluates Cephes' single precision polynomials; the portable forms go through float64.
// Errors measured over the whole range: ExpF32 2 ulp, SigmoidF32 and SwishF32 4 ulp, TanhF32 3 ulp. ExpF32 saturates to 0 and +Inf; the
// smallest results are subnormal.

// ExpF32 sets dst = e^x.
func ExpF32(dst, x []float32) { unary(vecExp, dst, x, 0, 0) }

// SigmoidF32 sets dst = 1/(1 + e^-x).
func SigmoidF32(dst, x []float32) { unary(vecSigmoid, dst, x, 0, 0) }

// SwishF32 sets dst = x/(1 + e^-x), also known as SiLU.
func SwishF32(dst, x []float32) { unary(vecSwish, dst, x, 0, 0) }

// TanhF32 sets dst = tanh x.
func TanhF32(dst, x []float32) { unary(vecTanh, dst, x, 0, 0) }

// GeluF32 sets dst = x·Φ(x), Φ being the normal distribution, or with tanh its approximation x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2,
// and reports whether there is a loop for it: callers have a form of their own by ExpF32. The error is 6 ulp, and
// where the approximation is less than that 1e-7.
func GeluF32(tanh bool, dst, x []float32) bool {
	if !useVec() {
		return false
	}
	op := vecGelu
	if tanh {
		op = vecGeluTanh
	}
	unary(op, dst, x, 0, 0)
	return true
}

// SqrtF32 sets dst = √x, correctly rounded.
func SqrtF32(dst, x []float32) { unary(vecSqrt, dst, x, 0, 0) }

// LeakyReluF32 sets dst = x for x > 0 and slope·x otherwise.
func LeakyReluF32(dst, x []float32, slope float32) { unary(vecLeakyRelu, dst, x, slope, 0) }

// HardSigmoidF32 sets dst = clamp(a·x + b, 0, 1), rounding the product and the sum.
func HardSigmoidF32(dst, x []float32, a, b float32) { unary(vecHardSigmoid, dst, x, a, b) }

// HardSwishF32 sets dst = x·clamp(a·x + b, 0, 1); MobileNetV3 has a = 1/6, b = 1/2.
func HardSwishF32(dst, x []float32, a, b float32) { unary(vecHardSwish, dst, x, a, b) }

func unary(op vecOp, dst, x []float32, p0, p1 float32) {
	x = x[:len(dst)]
	if !useVec() {
		for i, v := range x {
			dst[i] = unaryGeneric(op, v, p0, p1)
		}
		return
	}
	vecRun(op, &vecArgs{dst: first(dst), x: first(x), n: len(dst), p0: p0, p1: p1})
}

func unaryGeneric(op vecOp, v, p0, p1 float32) float32 {
	x := float64(v)
	switch op {
	case vecExp:
		return float32(math.Exp(x))
	case vecSigmoid:
		return float32(1 / (1 + math.Exp(-x)))
	case vecSwish:
		return float32(x / (1 + math.Exp(-x)))
	case vecTanh:
		return float32(math.Tanh(x))
	case vecSqrt:
		return float32(math.Sqrt(x))
	case vecLeakyRelu:
		if v <= 0 {
			return p0 * v
		}
		return v
	case vecHardSigmoid:
		return clampF32(float32(p0*v)+p1, 0, 1)
	case vecHardSwish:
		return v * clampF32(float32(p0*v)+p1, 0, 1)
	}
	panic("kern: BUG: no such function")
}

// binaryGeneric is the definition; without y it takes s for each element.
func binaryGeneric(op Binary, dst, x, y []float32, s, lo, hi float32) {
	if y != nil {
		binaryLoop(op, dst, x, y)
	} else {
		var same [64]float32
		for i := range same {
			same[i] = s
		}
		for i := 0; i < len(dst); i += len(same) {
			n := min(len(same), len(dst)-i)
			binaryLoop(op, dst[i:i+n], x[i:i+n], same[:n])
		}
	}
	if lo != negInf || hi != posInf {
		for i, v := range dst {
			dst[i] = clampF32(v, lo, hi)
		}
	}
}

func binaryLoop(op Binary, dst, x, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	switch op {
	case Add:
		for i, v := range x {
			dst[i] = v + y[i]
		}
	case Sub:
		for i, v := range x {
			dst[i] = v - y[i]
		}
	case RSub:
		for i, v := range x {
			dst[i] = y[i] - v
		}
	case Mul:
		for i, v := range x {
			dst[i] = v * y[i]
		}
	case Div:
		for i, v := range x {
			dst[i] = v / y[i]
		}
	case RDiv:
		for i, v := range x {
			dst[i] = y[i] / v
		}
	case Max:
		for i, v := range x {
			if !(v > y[i]) {
				v = y[i]
			}
			dst[i] = v
		}
	case Min:
		for i, v := range x {
			if !(v < y[i]) {
				v = y[i]
			}
			dst[i] = v
		}
	}
}

func scaleShiftGeneric(dst, x, scale, shift []float32, lo, hi float32) {
	for i, v := range x {
		dst[i] = clampF32(v*scale[i]+shift[i], lo, hi)
	}
}

func dotGeneric(x, y []float32) float32 {
	var s float32
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

// expSumGeneric sets dst = e^(x-m) and returns the sum.
func expSumGeneric(dst, x []float32, m float32) float32 {
	var sum float32
	for i, v := range x {
		e := float32(math.Exp(float64(v - m)))
		dst[i] = e
		sum += e
	}
	return sum
}
