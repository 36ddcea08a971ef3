package kern

import "math"

// sinMost is how far from 0 the loops' π/2 is good.
const sinMost = 1 << 17

// SinF32 sets dst = sin(x + quarters·π/2), so that 1 makes it the cosine, to 3 ulp. Elements beyond ±2^17 go through float64.
func SinF32(quarters int, dst, x []float32) {
	x = x[:len(dst)]
	if !useVecAVX512 && !useVecAVX2 { // NEON has no loop for it
		for i, v := range x {
			dst[i] = sinGeneric(quarters, v)
		}
		return
	}
	var far [256]float32
	for len(dst) > 0 {
		n := min(len(dst), len(far))
		check := 0
		if !(SumSquaresF32(x[:n]) <= sinMost*sinMost) { // else none is beyond
			check = copy(far[:], x[:n])
		}
		unary(vecSin, dst[:n], x[:n], math.Float32frombits(uint32(quarters)), 0)
		for i, v := range far[:check] {
			if !(v >= -sinMost && v <= sinMost) {
				dst[i] = sinGeneric(quarters, v)
			}
		}
		dst, x = dst[n:], x[n:]
	}
}

func sinGeneric(quarters int, v float32) float32 {
	x := math.Sin(float64(v))
	if quarters&1 != 0 {
		x = math.Cos(float64(v))
	}
	if quarters&2 != 0 {
		x = -x
	}
	return float32(x)
}
