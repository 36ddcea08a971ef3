package kern

import "math"

// Rounding is a way of RoundF32.
type Rounding uint8

// The ways: to the nearest whole number and of two to the even one, down, up.
const (
	ToEven Rounding = iota
	Down
	Up
)

// RoundF32 sets dst to x as whole numbers.
func RoundF32(mode Rounding, dst, x []float32) {
	if useVec() {
		unary(vecRound+vecOp(mode), dst, x, 0, 0)
		return
	}
	for i, v := range x[:len(dst)] {
		w := float64(v)
		switch mode {
		case ToEven:
			w = math.RoundToEven(w)
		case Down:
			w = math.Floor(w)
		default:
			w = math.Ceil(w)
		}
		dst[i] = float32(w)
	}
}

// AbsF32 sets dst = |x|.
func AbsF32(dst, x []float32) {
	if useVec() {
		unary(vecAbs, dst, x, 0, 0)
		return
	}
	for i, v := range x[:len(dst)] {
		dst[i] = math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
	}
}

// ErfF32 sets dst to the error function of x, to 1e-7.
func ErfF32(dst, x []float32) {
	if useVec() {
		unary(vecErf, dst, x, 0, 0)
		return
	}
	for i, v := range x[:len(dst)] {
		dst[i] = float32(math.Erf(float64(v)))
	}
}

// LargerF32 is a step of a search for the largest: where x is larger than top, or x alone is no number, top becomes x and at
// becomes v.
func LargerF32(at []uint32, top, x []float32, v uint32) {
	at, x = at[:len(top)], x[:len(top)]
	if useVec() && len(top) > 0 {
		vecRun(vecLarger, &vecArgs{dst: &asBits(at)[0], x: &x[0], y: &top[0], n: len(top), p0: math.Float32frombits(v)})
		return
	}
	for i, w := range x {
		if w > top[i] || w != w && top[i] == top[i] {
			top[i], at[i] = w, v
		}
	}
}

// whole is how many of n elements the loops without a masked end take.
func whole(n int) int {
	if !useVec() {
		return 0
	}
	return n &^ 15
}

// WhereF32 sets dst to x where cond is not 0, else to y: the bits as they are, whatever they stand for.
func WhereF32(dst []float32, cond []byte, x, y []float32) {
	n := len(dst)
	cond, x, y = cond[:n], x[:n], y[:n]
	from := whole(n)
	if from > 0 {
		vecRun(vecWhere, &vecArgs{dst: &dst[0], x: &x[0], y: &y[0], z: &asFloats(cond)[0], n: from})
	}
	for i := from; i < n; i++ {
		v := y[i]
		if cond[i] != 0 {
			v = x[i]
		}
		dst[i] = v
	}
}

// Comparison is a relation of two numbers.
type Comparison uint8

// The relations of CompareF32.
const (
	Less Comparison = iota
	AtMost
	Equal
	Different
)

// CompareF32 sets dst to 1 where the relation holds for x and y, else to 0.
func CompareF32(c Comparison, dst []byte, x, y []float32) {
	n := len(dst)
	x, y = x[:n], y[:n]
	from := whole(n)
	if from > 0 {
		vecRun(vecLess+vecOp(c), &vecArgs{dst: &asFloats(dst)[0], x: &x[0], y: &y[0], n: from})
	}
	for i := from; i < n; i++ {
		v, w := x[i], y[i]
		on := v < w
		switch c {
		case AtMost:
			on = v <= w
		case Equal:
			on = v == w
		case Different:
			on = v != w
		}
		dst[i] = 0
		if on {
			dst[i] = 1
		}
	}
}
