// Package quant holds the encodings of weights: pure functions between floats
// and bytes. A file names an encoding by its number; what each number means is
// in format/SPEC.md.
package quant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/x448/float16"
)

// ErrCorrupt says that encoded bytes do not hold what they should.
var ErrCorrupt = errors.New("quant: corrupt encoding")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// EncodeF16 appends v rounded to half precision, half to even; what is too
// large becomes infinite.
func EncodeF16(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint16(dst, float16.Fromfloat32(x).Bits())
	}
	return dst
}

// DecodeF16 reads len(dst) half precision numbers.
func DecodeF16(dst []float32, src []byte) error {
	if len(src) != 2*len(dst) {
		return corrupt("%d bytes for %d f16", len(src), len(dst))
	}
	for i := range dst {
		// Its exponent and mantissa are those of a float32 that is 2^112 too small.
		h := uint32(binary.LittleEndian.Uint16(src[2*i:]))
		f := math.Float32bits(math.Float32frombits(h&0x7fff<<13) * (1 << 112))
		if h&0x7c00 == 0x7c00 {
			f |= 0xff << 23 // infinite or no number
		}
		dst[i] = math.Float32frombits(f | h>>15<<31)
	}
	return nil
}

// BF16 is x rounded to bfloat16, half to even; NaN stays NaN.
func BF16(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | 1<<6
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// EncodeBF16 appends v rounded to bfloat16.
func EncodeBF16(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint16(dst, BF16(x))
	}
	return dst
}

// DecodeBF16 reads len(dst) bfloat16 numbers.
func DecodeBF16(dst []float32, src []byte) error {
	if len(src) != 2*len(dst) {
		return corrupt("%d bytes for %d bf16", len(src), len(dst))
	}
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
	return nil
}
