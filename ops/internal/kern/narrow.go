package kern

import (
	"math"
	"unsafe"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Weights that a file keeps in 16 bits, or as integers of up to 8 times a step for each row, are float32 numbers that fewer bits
// hold exactly: where reading weights is what takes the time (see strips.go), they are packed so and widened in registers, and
// sums do not differ in a bit.

var (
	useNarrowAVX512 = cpu.AVX512 && haveAsm
	useNarrowAVX2   = haveF16C
	useNarrowNEON   = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("narrow/avx512", &useNarrowAVX512)
	cpu.Register("narrow/avx2", &useNarrowAVX2)
	cpu.Register("narrow/neon", &useNarrowNEON)
}

// Narrow is a way of keeping float32 numbers in fewer bits.
type Narrow uint8

// The ways: not at all, as half precision, as the upper half, or as 8-bit multiples of a step.
const (
	NarrowNone Narrow = iota
	NarrowF16
	NarrowBF16
	NarrowI8
)

// String is part of the names of layouts and of paths.
func (n Narrow) String() string { return [...]string{"", "/f16", "/bf16", "/i8"}[n] }

// Size is the bytes of a number.
func (n Narrow) Size() int { return [...]int{4, 2, 2, 1}[n] }

// narrowArgs is what the loops are handed; assembly knows the offsets (see TestNarrowLayout).
type narrowArgs struct {
	to   unsafe.Pointer
	from *float32
	n    int    // a multiple of a vector's lanes, not 0
	lost int    // not 0: what was written is not all of what was read
	step *Steps // of integers
}

// Narrow is the way that keeps every element of w, in rows of k, exactly and that g multiplies by. Steps of NarrowI8 are
// written to steps, one for each row.
func (g *GemmF32) Narrow(w []float32, k int, steps []float32) Narrow {
	if !g.Narrows() {
		return NarrowNone
	}
	for _, n := range []Narrow{NarrowF16, NarrowBF16} {
		if n.holds(w) {
			return n
		}
	}
	if k > 0 && holdsSteps(w, k, steps) {
		return NarrowI8
	}
	return NarrowNone
}

// Narrows says that g multiplies by numbers of fewer bits.
//
//go:noinline
func (g *GemmF32) Narrows() bool {
	return g.isa == isaAVX512 && useNarrowAVX512 || g.isa == isaAVX2 && useNarrowAVX2 || g.isa == isaNEON && useNarrowNEON
}

func (n Narrow) holds(w []float32) bool {
	var from [1024]float32
	var to [1024]uint16
	for len(w) > 0 {
		some := copy(from[:], w)
		if whole := (some + 15) &^ 15; !n.Put(to[:whole], from[:whole]) {
			return false
		}
		w = w[some:]
	}
	return true
}

// Put writes src, whole vectors, in 16 bits, not as NarrowI8, and reports whether that kept every bit. If not, dst is of no use.
func (n Narrow) Put(dst []uint16, src []float32) bool {
	if !useNarrowAVX512 && !useNarrowAVX2 {
		return n.put(dst[:len(src)], src) // NEON has no such loop
	}
	t := narrowArgs{to: unsafe.Pointer(&dst[:len(src)][0]), from: &src[0], n: len(src)}
	narrowPut(n, &t)
	return t.lost == 0
}

// put is the definition of Put, of any length.
func (n Narrow) put(dst []uint16, src []float32) bool {
	for i, v := range src {
		b := math.Float32bits(v)
		dst[i] = uint16(b >> 16)
		if n == NarrowF16 {
			dst[i] = halfBits(b)
		}
	}
	var back [1]float32
	for i, v := range src {
		if n.widen(back[:], dst[i:]); math.Float32bits(back[0]) != math.Float32bits(v) {
			return false
		}
	}
	return true
}

// halfBits is the half of the same value as the float32 of bits b, or any other where there is none.
func halfBits(b uint32) uint16 {
	sign, e := uint16(b>>16)&0x8000, b>>23&255
	switch {
	case e == 255:
		return sign | 0x7c00 | uint16(b>>13&0x3ff)
	case e > 142:
		return sign
	case e < 113: // zero, or a multiple of the least half
		return sign | uint16(math.Abs(float64(math.Float32frombits(b)))*0x1p24)
	}
	return sign | uint16(b>>13-112<<10)
}

// widen is the way back.
func (n Narrow) widen(dst []float32, src []uint16) {
	for i := range dst {
		h := uint32(src[i])
		b := h << 16
		if n == NarrowF16 {
			b = h & 0x8000 << 16
			if size := h & 0x7fff << 13; size >= 31<<23 {
				b |= size + 224<<23
			} else {
				b |= math.Float32bits(math.Float32frombits(size) * 0x1p112)
			}
		}
		dst[i] = math.Float32frombits(b)
	}
}
