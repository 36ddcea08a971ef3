package kern

import "math"

// Gradients of clamps: they pass where the clamp did not cut.

// MaskF32 sets dst to 0 where y is not between the limits.
func MaskF32(dst, y []float32, lo, hi float32) {
	y = y[:len(dst)]
	if !useVec() {
		maskGeneric(dst, y, lo, hi)
		return
	}
	vecTrain(vecMask, &vecArgs{dst: first(dst), x: first(dst), y: first(y), n: len(dst), lo: lo, hi: hi})
}

// AddMaskedF32 adds x to dst where y is between the limits.
func AddMaskedF32(dst, x, y []float32, lo, hi float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	if !useVec() {
		addMaskedGeneric(dst, x, y, lo, hi)
		return
	}
	vecTrain(vecAddMasked, &vecArgs{dst: first(dst), x: first(dst), y: first(x), z: first(y), n: len(dst), lo: lo, hi: hi})
}

func maskGeneric(dst, y []float32, lo, hi float32) {
	for j, v := range y {
		dst[j] = math.Float32frombits(math.Float32bits(dst[j]) & inside(v, lo, hi))
	}
}

func addMaskedGeneric(dst, x, y []float32, lo, hi float32) {
	for j, v := range y {
		dst[j] += math.Float32frombits(math.Float32bits(x[j]) & inside(v, lo, hi))
	}
}

// inside is all ones when lo < v < hi and 0 when not, told from the signs of
// differences: half of all activations are cut, at random, and a branch would
// be guessed wrong as often.
func inside(v, lo, hi float32) uint32 {
	return uint32(int32(math.Float32bits(lo-v))>>31) & uint32(int32(math.Float32bits(v-hi))>>31)
}
