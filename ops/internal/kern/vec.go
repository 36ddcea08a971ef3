package kern

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Elementwise loops in fp32. Slices of a call have the same length; dst may be one of the inputs, but must not overlap
// one otherwise. An element's bits depend on its own inputs only, never on its place in a slice, so callers may cut
// anywhere. Every loop clamps where it takes lo and hi (-Inf and +Inf for none); a NaN passes a clamp.

var (
	useVecAVX512 = cpu.AVX512 && haveAsm
	useVecAVX2   = cpu.AVX2 && haveAsm
	useVecNEON   = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("vec/avx512", &useVecAVX512)
	cpu.Register("vec/avx2", &useVecAVX2)
	cpu.Register("vec/neon", &useVecNEON)
}

// Binary names an operation of two operands.
type Binary uint8

// Operations of BinaryF32. Max and Min give y when the operands are equal or one is NaN.
const (
	Add  Binary = iota // x + y
	Sub                // x - y
	RSub               // y - x
	Mul                // x · y
	Div                // x / y
	RDiv               // y / x
	Max
	Min
)

// vecOp is a loop that exists in assembly: the binary operations, the same with a scalar y, then the rest, in the order of
// asmgen's.
type vecOp uint8

const (
	vecScalar vecOp = 8
	vecClamp  vecOp = iota + 15
	vecScaleShift
	vecAxpy
	vecLeakyRelu
	vecHardSigmoid
	vecHardSwish
	vecExp
	vecSigmoid
	vecSwish
	vecTanh
	vecSqrt
	vecGelu
	vecGeluTanh
	vecRound
	vecFloor
	vecCeil
	vecAbs
	vecErf
	vecLarger
	vecWhere
	vecLess
	vecAtMost
	vecEqual
	vecDifferent
	vecSin
	vecSum
	vecSumSquares
	vecDot
	vecMaxOf
	vecExpSum

	vecSGD // of training, see vecTrain
	vecMask
	vecAddMasked
)

// vecArgs is what a loop is handed; assembly knows the offsets (see TestVecLayout).
type vecArgs struct {
	dst, x, y  *float32
	n          int
	p0, p1, p2 float32 // parameters; a reduction's result in p2
	_          float32
	lo, hi     float32
	z          *float32
}

func first(s []float32) *float32 {
	if len(s) == 0 {
		return nil
	}
	return &s[0]
}

func useVec() bool { return useVecAVX512 || useVecAVX2 || useVecNEON }

// BinaryF32 sets dst = clamp(x op y).
func BinaryF32(op Binary, dst, x, y []float32, lo, hi float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	if !useVec() {
		binaryGeneric(op, dst, x, y, 0, lo, hi)
		return
	}
	vecRun(vecOp(op), &vecArgs{dst: first(dst), x: first(x), y: first(y), n: len(dst), lo: lo, hi: hi})
}

// BinaryScalarF32 sets dst = clamp(x op s).
func BinaryScalarF32(op Binary, dst, x []float32, s, lo, hi float32) {
	x = x[:len(dst)]
	if !useVec() {
		binaryGeneric(op, dst, x, nil, s, lo, hi)
		return
	}
	vecRun(vecScalar+vecOp(op), &vecArgs{dst: first(dst), x: first(x), n: len(dst), p0: s, lo: lo, hi: hi})
}

// ClampF32 sets dst = clamp(x): Relu, Relu6, Clip.
func ClampF32(dst, x []float32, lo, hi float32) {
	x = x[:len(dst)]
	if !useVec() {
		for i, v := range x {
			dst[i] = clampF32(v, lo, hi)
		}
		return
	}
	vecRun(vecClamp, &vecArgs{dst: first(dst), x: first(x), n: len(dst), lo: lo, hi: hi})
}

func clampF32(v, lo, hi float32) float32 {
	if v < lo {
		v = lo
	}
	if v > hi {
		v = hi
	}
	return v
}

// ScaleShiftF32 sets dst = clamp(x·scale + shift) for one pixel's channels: a batch norm left unfolded. Assembly fuses
// the product and the sum.
func ScaleShiftF32(dst, x, scale, shift []float32, lo, hi float32) {
	n := len(dst)
	x, scale, shift = x[:n], scale[:n], shift[:n]
	if !useVec() {
		scaleShiftGeneric(dst, x, scale, shift, lo, hi)
		return
	}
	vecRun(vecScaleShift, &vecArgs{dst: first(dst), x: first(x), y: first(scale), z: first(shift), n: n, lo: lo, hi: hi})
}

// AxpyF32 sets dst = a·x + b·dst: with b = 1 it accumulates, with a = 1-b it averages.
func AxpyF32(dst, x []float32, a, b float32) {
	x = x[:len(dst)]
	if !useVec() {
		for i, v := range x {
			dst[i] = a*v + float32(b*dst[i])
		}
		return
	}
	vecRun(vecAxpy, &vecArgs{dst: first(dst), x: first(x), y: first(dst), n: len(dst), p0: a, p1: b})
}

// SGDF32 is a step of gradient descent with momentum and weight decay, of either form, in place:
//
//	v = momentum·v + (scale·g + decay·w);  w = shrink·w - rate·v
type SGDF32 struct{ Rate, Momentum, Decay, Scale, Shrink float32 }

// Step changes w and v by gradient g.
func (s *SGDF32) Step(w, g, v []float32) {
	g, v = g[:len(w)], v[:len(w)]
	if !useVec() {
		for i, x := range w {
			v[i] = s.Momentum*v[i] + (s.Scale*g[i] + s.Decay*x)
			w[i] = s.Shrink*x - s.Rate*v[i]
		}
		return
	}
	vecTrain(vecSGD, &vecArgs{dst: first(w), x: first(g), y: first(v), n: len(w), p0: s.Rate, p1: s.Momentum, p2: s.Decay, lo: s.Scale, hi: s.Shrink})
}

// SumF32 returns Σ x. Reductions sum in lanes: the order depends on the instruction set and the length only.
func SumF32(x []float32) float32 {
	if !useVec() {
		var s float32
		for _, v := range x {
			s += v
		}
		return s
	}
	return reduce(vecSum, x, nil, 0)
}

// SumSquaresF32 returns Σ x².
func SumSquaresF32(x []float32) float32 {
	if !useVec() {
		return dotGeneric(x, x)
	}
	return reduce(vecSumSquares, x, nil, 0)
}

// DotF32 returns Σ x·y.
func DotF32(x, y []float32) float32 {
	y = y[:len(x)]
	if !useVec() {
		return dotGeneric(x, y)
	}
	return reduce(vecDot, x, y, 0)
}

// MaxOfF32 returns the largest element, -Inf for none. NaNs may be overlooked.
func MaxOfF32(x []float32) float32 {
	if !useVec() {
		m := float32(math.Inf(-1))
		for _, v := range x {
			if v > m {
				m = v
			}
		}
		return m
	}
	return reduce(vecMaxOf, x, nil, float32(math.Inf(-1)))
}

func reduce(op vecOp, x, y []float32, p0 float32) float32 {
	t := vecArgs{x: first(x), y: first(y), n: len(x), p0: p0}
	vecRun(op, &t)
	return t.p2
}

// SoftmaxF32 sets dst = e^(beta·(x - max x)) / Σ of the same, one row. beta is 1 but for TFLite models.
func SoftmaxF32(dst, x []float32, beta float32) {
	x = x[:len(dst)]
	if len(x) == 0 {
		return
	}
	if beta != 1 {
		BinaryScalarF32(Mul, dst, x, beta, float32(math.Inf(-1)), float32(math.Inf(1)))
		x = dst
	}
	sum := ExpSumF32(dst, x, MaxOfF32(x))
	BinaryScalarF32(Mul, dst, dst, 1/sum, float32(math.Inf(-1)), float32(math.Inf(1)))
}

// ExpSumF32 sets dst = e^(x - m) and returns the sum.
func ExpSumF32(dst, x []float32, m float32) float32 {
	x = x[:len(dst)]
	if !useVec() {
		return expSumGeneric(dst, x, m)
	}
	t := vecArgs{dst: first(dst), x: first(x), n: len(x), p1: m}
	vecRun(vecExpSum, &t)
	return t.p2
}
