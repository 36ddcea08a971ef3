package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
)

// binaryScalar is the definition of a function of two float32 numbers.
func binaryScalar(fn BinaryFn, x, y float32) float32 {
	switch fn {
	case BinaryAdd:
		return x + y
	case BinarySub:
		return x - y
	case BinaryMul:
		return x * y
	case BinaryDiv:
		return x / y
	case BinaryMin:
		return min(x, y)
	case BinaryMax:
		return max(x, y)
	case BinaryPow:
		return float32(math.Pow(float64(x), float64(y)))
	case BinaryMod:
		m := math.Mod(float64(x), float64(y))
		if m != 0 && (m < 0) != (y < 0) {
			m += float64(y)
		}
		return float32(m)
	case BinaryFMod:
		return float32(math.Mod(float64(x), float64(y)))
	case BinarySquaredDiff:
		return (x - y) * (x - y)
	case BinaryFloorDiv:
		return float32(math.Floor(float64(x) / float64(y)))
	case BinaryAtan2:
		return float32(math.Atan2(float64(x), float64(y)))
	case binaryPRelu:
		if x < 0 {
			return x * y
		}
		return x
	}
	panic("BUG: unknown function of two numbers")
}

// binaryInt64 is the definition on integers; an i32 result keeps the low bits.
func binaryInt64(fn BinaryFn, x, y int64) int64 {
	switch fn {
	case BinaryAdd:
		return x + y
	case BinarySub:
		return x - y
	case BinaryMul:
		return x * y
	case BinaryMin:
		return min(x, y)
	case BinaryMax:
		return max(x, y)
	case BinaryPow:
		return powInt(x, y)
	case BinarySquaredDiff:
		return (x - y) * (x - y)
	}
	if y == 0 {
		return 0
	}
	switch fn {
	case BinaryDiv:
		return x / y
	case BinaryMod:
		if m := x % y; m != 0 && (m < 0) != (y < 0) {
			return m + y
		}
		return x % y
	case BinaryFMod:
		return x % y
	case BinaryFloorDiv:
		if q := x / y; x%y != 0 && (x < 0) != (y < 0) {
			return q - 1
		}
		return x / y
	}
	panic("BUG: unknown function of two integers")
}

// powInt is x to the power y, wrapping; a negative power cuts the fraction off.
func powInt(x, y int64) int64 {
	if y < 0 {
		switch {
		case x == 1, x == -1 && y%2 == 0:
			return 1
		case x == -1:
			return -1
		}
		return 0
	}
	r := int64(1)
	for ; y > 0; y >>= 1 {
		if y&1 != 0 {
			r *= x
		}
		x *= x
	}
	return r
}

// kernBinary is the loop of package kern for a function: r for exchanged
// operands. Min and Max are not among them because they drop NaNs there.
func kernBinary(fn BinaryFn) (op, r kern.Binary, ok bool) {
	switch fn {
	case BinaryAdd:
		return kern.Add, kern.Add, true
	case BinarySub:
		return kern.Sub, kern.RSub, true
	case BinaryMul:
		return kern.Mul, kern.Mul, true
	case BinaryDiv:
		return kern.Div, kern.RDiv, true
	}
	return 0, 0, false
}

// binaryRowInt is fn on a row of integers; a step of 0 repeats an operand.
func binaryRowInt[T int32 | int64](fn BinaryFn, dst, x, y []T, sx, sy int) {
	for i := range dst {
		dst[i] = T(binaryInt64(fn, int64(x[i*sx]), int64(y[i*sy])))
	}
}

// binaryRowPlain is fn on a row.
func binaryRowPlain(fn BinaryFn, dst, x, y []float32, sx, sy int) {
	switch fn {
	case BinaryMax:
		for i := range dst {
			dst[i] = max(x[i*sx], y[i*sy])
		}
	case BinaryMin:
		for i := range dst {
			dst[i] = min(x[i*sx], y[i*sy])
		}
	case BinaryPow:
		if sx == 1 && sy == 0 && y[0] == 2 {
			rowStep(kern.Mul, dst, x, x)
			return
		}
		for i := range dst {
			dst[i] = float32(pow(float64(x[i*sx]), float64(y[i*sy])))
		}
	case binaryPRelu:
		for i := range dst {
			v := x[i*sx]
			dst[i] = max(v, 0) + min(v, 0)*y[i*sy] // no branch: signs are random
		}
	default:
		for i := range dst {
			dst[i] = binaryScalar(fn, x[i*sx], y[i*sy])
		}
	}
}

// pow is math.Pow with shorter ways to the usual powers, and one to 1e-13 in about half of its time where x has a logarithm.
//
//go:noinline
func pow(x, y float64) float64 {
	switch {
	case y == 2:
		return x * x
	case y == 3:
		return x * x * x
	case !(x > 0 && x <= math.MaxFloat32 && y-y == 0):
		return math.Pow(x, y)
	case y == 0.5:
		return math.Sqrt(x)
	}
	return math.Exp(y * math.Log(x))
}
