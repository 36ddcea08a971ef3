package kern

import "math"

// Slope names an activation whose gradient is a loop of its own.
type Slope uint8

// The functions; HardSwish is MobileNetV3's, Gelu the one by the normal distribution.
const (
	SlopeHardSwish Slope = iota
	SlopeSwish
	SlopeGelu
	SlopeGeluTanh
)

// SlopeF32 sets dst = d·f'(x) and reports whether there is a loop for it, which there is with AVX-512 and AVX2: callers
// have forms of their own. dst may be d. The slopes' error is 1e-6, that of Gelu's approximation 3e-6. HardSwish's slope at its kinks is that
// beyond them. The "vec/..." switches govern it.
func SlopeF32(f Slope, dst, d, x []float32) bool {
	d, x = d[:len(dst)], x[:len(dst)]
	if !useVecAVX512 && !useVecAVX2 {
		return false
	}
	slopeRun(f, &vecArgs{dst: first(dst), x: first(x), y: first(d), n: len(dst), p0: 1.0 / 6, p1: 0.5, lo: -3, hi: 3})
	return true
}

// slopeGeneric is the definition.
func slopeGeneric(f Slope, v float32) float64 {
	x := float64(v)
	switch f {
	case SlopeHardSwish:
		switch {
		case x <= -3:
			return 0
		case x >= 3:
			return 1
		}
		return x/3 + 0.5
	case SlopeSwish:
		s := 1 / (1 + math.Exp(-x))
		return s + x*s*(1-s)
	case SlopeGelu:
		return 0.5*math.Erfc(-x/math.Sqrt2) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case SlopeGeluTanh:
		c := math.Sqrt(2 / math.Pi)
		t := math.Tanh(c * (x + 0.044715*x*x*x))
		return 0.5*(1+t) + 0.5*x*(1-t*t)*c*(1+3*0.044715*x*x)
	}
	panic("kern: BUG: no such slope")
}
