package kern

import (
	"encoding/binary"
	"math"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Elementwise loops over bytes that stand for int8 or uint8. Slices of a call have the same length; dst may be an input.
// Every path gives the same bits.

var (
	useVecI8Words  = cpu.AVX2 && haveAsm
	useVecI8AVX512 = cpu.AVX512 && haveAsm
	useVecI8AVX2   = cpu.AVX2 && haveAsm
	useVecI8NEON   = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("veci8/words", &useVecI8Words)
	cpu.Register("veci8/avx512", &useVecI8AVX512)
	cpu.Register("veci8/avx2", &useVecI8AVX2)
	cpu.Register("veci8/neon", &useVecI8NEON)
}

// vecI8Op is a loop that exists in assembly.
type vecI8Op uint8

const (
	vecAddI8 vecI8Op = iota
	vecAddI8Words
	vecMulI8
	vecQuantize
	vecQuantizeTimes // by the reciprocal of the scale; AVX-512 alone
	vecDequantize
	vecAccI8
	vecRequantI8 // NEON alone
)

// vecI8Args is what a loop is handed; assembly knows the offsets (see TestVecI8Layout).
type vecI8Args struct {
	dst, x, y       *byte
	n               int
	mx, my          int32 // of vecQuantizeTimes mx is the reciprocal of scale, a float32
	bias            int32
	shift           int32
	zero, lo, hi    int32
	flipX, flipY    uint32
	scale, flo, fhi float32
	words           *addWords // vecAddI8Words, which needs nothing else but pointers, n and, for AVX2, what the last sum is shifted by
}

func flipOf(signed bool) uint32 {
	if signed {
		return 0x80
	}
	return 0
}

func valueI8(b byte, signed bool) int32 {
	if signed {
		return int32(int8(b))
	}
	return int32(b)
}

// vectorsI8 is how many of n elements assembly does: whole vectors.
func vectorsI8(n int) int {
	switch {
	case useVecI8AVX512:
		return n &^ 15
	case useVecI8AVX2, useVecI8NEON:
		return n &^ 7
	}
	return 0
}

// MulI8Args are the constants of an integer product.
type MulI8Args struct {
	XSigned, YSigned bool
	XZero, YZero     int32
	Scale            float32
	Zero, Lo, Hi     int32 // zero point of the result, and limits after adding it
}

// MulI8 sets dst = clamp(roundHalfEven(float32((x-XZero)·(y-YZero))·Scale) + Zero, Lo, Hi).
func MulI8(dst, x, y []byte, a *MulI8Args) {
	x, y = x[:len(dst)], y[:len(dst)]
	n := vectorsI8(len(dst))
	if n > 0 {
		fx, fy := flipOf(a.XSigned), flipOf(a.YSigned)
		vecI8Run(vecMulI8, &vecI8Args{dst: &dst[0], x: &x[0], y: &y[0], n: n, mx: a.XZero + int32(fx), my: a.YZero + int32(fy), zero: a.Zero,
			flipX: fx, flipY: fy, scale: a.Scale, flo: float32(a.Lo - a.Zero), fhi: float32(a.Hi - a.Zero)})
	}
	for i := n; i < len(dst); i++ {
		dst[i] = requantI8((valueI8(x[i], a.XSigned)-a.XZero)*(valueI8(y[i], a.YSigned)-a.YZero), a.Scale, a.Zero, a.Lo, a.Hi)
	}
}

// QuantizeI8 sets dst = clamp(roundHalfEven(x/scale) + zero, lo, hi); lo for a NaN.
func QuantizeI8(dst []byte, x []float32, scale float32, zero, lo, hi int32) {
	x = x[:len(dst)]
	n := vectorsI8(len(dst))
	if n > 0 {
		t := vecI8Args{dst: &dst[0], x: bytePointer(&x[0]), n: n, zero: zero, scale: scale, flo: float32(lo - zero), fhi: float32(hi - zero)}
		if useVecI8AVX512 && 1.0/(1<<60) <= scale && scale <= 1<<60 { // what is multiplied with keeps away from the ends of float32
			t.flo, t.fhi, t.mx = t.flo*scale, t.fhi*scale, int32(math.Float32bits(1/scale))
			vecI8Run(vecQuantizeTimes, &t)
		} else {
			vecI8Run(vecQuantize, &t)
		}
	}
	for i := n; i < len(dst); i++ {
		dst[i] = roundI8(x[i]/scale, zero, lo, hi)
	}
}

// DequantizeI8 sets dst = float32(x - zero)·scale.
func DequantizeI8(dst []float32, x []byte, signed bool, scale float32, zero int32) {
	x = x[:len(dst)]
	n := vectorsI8(len(dst))
	if n > 0 {
		f := flipOf(signed)
		vecI8Run(vecDequantize, &vecI8Args{dst: bytePointer(&dst[0]), x: &x[0], n: n, mx: zero + int32(f), flipX: f, scale: scale})
	}
	for i := n; i < len(dst); i++ {
		dst[i] = float32(valueI8(x[i], signed)-zero) * scale
	}
}

// AccumulateI8 adds x - zero to dst: the inner loop of averages.
func AccumulateI8(dst []int32, x []byte, signed bool, zero int32) {
	x = x[:len(dst)]
	n := vectorsI8(len(dst))
	if n > 0 {
		f := flipOf(signed)
		vecI8Run(vecAccI8, &vecI8Args{dst: bytePointer(&dst[0]), x: &x[0], n: n, mx: zero + int32(f), flipX: f})
	}
	for i := n; i < len(dst); i++ {
		dst[i] += valueI8(x[i], signed) - zero
	}
}

// MaxI8 sets dst = max(dst, x): the inner loop of maximum pooling.
func MaxI8(dst, x []byte, signed bool) {
	x = x[:len(dst)]
	f := byte(flipOf(signed))
	// Eight bytes a step: with the top bits set apart, no byte of the difference
	// borrows from the next, and its top bit says which of the lower bits won.
	const top = 0x8080808080808080
	flip := uint64(f) * 0x0101010101010101
	i := 0
	for ; i+8 <= len(dst); i += 8 {
		a := binary.LittleEndian.Uint64(dst[i:]) ^ flip
		b := binary.LittleEndian.Uint64(x[i:]) ^ flip
		low := (a | top) - (b &^ top)
		ge := ((a &^ b) | (^(a ^ b) & low)) & top
		m := ge >> 7 * 0xff
		binary.LittleEndian.PutUint64(dst[i:], (a&m|b&^m)^flip)
	}
	for ; i < len(dst); i++ {
		if x[i]^f > dst[i]^f {
			dst[i] = x[i]
		}
	}
}

// RequantizeI8 sets dst = clamp(roundHalfEven(float32(x)·scale) + zero, lo, hi).
func RequantizeI8(dst []byte, x []int32, scale float32, zero, lo, hi int32) {
	x = x[:len(dst)]
	n := 0
	if useVecI8NEON {
		n = vectorsI8(len(dst))
	}
	if n > 0 {
		vecI8Run(vecRequantI8, &vecI8Args{dst: &dst[0], x: bytePointer(&x[0]), n: n, zero: zero, scale: scale, flo: float32(lo - zero),
			fhi: float32(hi - zero)})
	}
	for i, v := range x[n:] {
		dst[n+i] = requantI8(v, scale, zero, lo, hi)
	}
}
