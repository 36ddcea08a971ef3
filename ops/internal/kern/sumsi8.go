package kern

import (
	"encoding/binary"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

var useSumsI8AVX2 = cpu.AVX2 && haveAsm

func init() { cpu.Register("sumsi8/avx2", &useSumsI8AVX2) }

// sumsI8Tile is what assembly is handed: whole vectors. It knows the offsets (see TestSumsI8).
type sumsI8Tile struct {
	x        *byte
	n        int
	flip     uint32
	up, size uint64 // results: the numbers with 128 added, and their magnitudes
}

// sumsI8 is the sum of w's numbers, and that of their magnitudes: int8, or uint8 less 128. The plain loop takes eight at a
// time, added up in four times 16 bits, which hold those of 128 steps.
func sumsI8(w []byte, signed bool) (sum, size int64) {
	const (
		ones = 0x0101010101010101
		top  = 0x80 * ones
		even = 0x00ff00ff00ff00ff
	)
	var flip uint64
	if !signed {
		flip = top
	}
	n := int64(len(w))
	if whole := len(w) &^ 31; useSumsI8AVX2 && whole > 0 {
		t := sumsI8Tile{x: &w[0], n: whole, flip: uint32(flip)}
		sumsI8Run(&t)
		sum, size, w = int64(t.up), int64(t.size), w[whole:]
	}
	for len(w) >= 8 {
		var up, mags uint64 // of the numbers with 128 added
		block := w[:min(len(w)&^7, 8*128)]
		for i := 0; i+8 <= len(block); i += 8 {
			v := binary.LittleEndian.Uint64(block[i:]) ^ flip
			negative := v & top >> 7
			mag := (v ^ negative*0xff) + negative
			v ^= top
			up += v&even + v>>8&even
			mags += mag&even + mag>>8&even
		}
		sum, size = sum+lanes16(up), size+lanes16(mags)
		w = w[len(block):]
	}
	for _, v := range w {
		x := int64(int8(v ^ byte(flip)))
		sum, size = sum+x+128, size+max(x, -x)
	}
	return sum - 128*n, size
}

// lanes16 is the sum of v's four 16-bit numbers.
func lanes16(v uint64) int64 {
	return int64(v&0xffff + v>>16&0xffff + v>>32&0xffff + v>>48)
}
