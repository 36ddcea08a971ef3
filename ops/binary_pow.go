package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
)

// powRow is powers, rowBuffer elements at a time; a step of 0 repeats an operand. dst may be x or y.
func powRow(dst, x, y []float32, sx, sy int) {
	for len(dst) > 0 {
		n := min(len(dst), rowBuffer)
		if sx == 0 || sy != 0 || !powUsual(dst[:n], x[:n], y[0]) {
			powStep(dst[:n], x, y, sx, sy)
		}
		dst, x, y = dst[n:], x[min(len(x), n*sx):], y[min(len(y), n*sy):]
	}
}

// powUsual is the powers that take few multiplications; false for others.
func powUsual(dst, x []float32, y float32) bool {
	switch y {
	case 2, 3:
		var buf [rowBuffer]float32
		squares := buf[:len(x)]
		if y == 2 {
			squares = dst
		}
		rowStep(kern.Mul, squares, x, x)
		if y == 3 {
			rowStep(kern.Mul, dst, squares, x)
		}
	case -1:
		scalarStep(kern.RDiv, dst, x, 1)
	case 0.5:
		for i, v := range x {
			if v == negInf { // whose power is not that of other negative numbers
				v = posInf
			}
			dst[i] = float32(math.Sqrt(float64(v + 0))) // no -0
		}
	default:
		return false
	}
	return true
}

// powStep is 2^(y log₂ x) in float64, to 1e-11, for positive numbers, and the definition for others.
func powStep(dst, x, y []float32, sx, sy int) {
	var buf [rowBuffer]float64
	exp := buf[:len(dst)]
	for i := range exp {
		v, w := x[i*sx], y[i*sy]
		bits := math.Float32bits(v)
		if bits-0x00800000 >= 0x7f000000 || w-w != 0 { // no positive normal number, or an infinite power
			dst[i], exp[i] = binaryScalar(BinaryPow, v, w), math.NaN()
			continue
		}
		bits -= 0x3f3504f3
		m := float64(math.Float32frombits(bits&0x007fffff + 0x3f3504f3)) // as in logStep
		z := (m - 1) / (m + 1)
		q := z * z
		s := q * q // terms in pairs, so that fewer wait for each other
		log := z * (2 + q*(2./3) + s*(2./5+q*(2./7)+s*(2./9+q*(2./11)+s*(2./13))))
		exp[i] = float64(w) * (float64(int32(bits)>>23) + log*math.Log2E)
	}
	for i, e := range exp {
		if e != e {
			continue
		}
		e = min(max(e, -200), 200)
		n := int(e+1024.5) - 1024
		f := (e - float64(n)) * math.Ln2 // at most ln2/2
		s := f * f
		p := 1 + f + s*(1./2+f*(1./6)+s*(1./24+f*(1./120)+s*(1./720+f*(1./5040)+s*(1./40320+f*(1./362880)))))
		dst[i] = float32(p * math.Float64frombits(uint64(n+1023)<<52))
	}
}
