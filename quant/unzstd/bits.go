package unzstd

import (
	"encoding/binary"
	"math/bits"
)

// Entropy coded streams are read from their end towards their start. A position
// in one is the number of bits before it, and reading k bits lowers it by k. A
// position may fall below the stream's start when bytes are wrong; as it only
// falls, one comparison after the last symbol finds that, and the loops need
// none.

// last is the position of the first bit to read: below the highest bit that is
// set in the last byte. false: there is no such bit.
func last(b []byte) (int, bool) {
	if len(b) == 0 || b[len(b)-1] == 0 {
		return 0, false
	}
	return 8*len(b) - 9 + bits.Len8(b[len(b)-1]), true
}

// top returns the bits below position at, the next one first: at least 57 of
// them, zeros where b has no more.
func top(b []byte, at int) uint64 {
	if end := (at + 7) >> 3; end >= 8 {
		return binary.LittleEndian.Uint64(b[end-8:]) << (-at & 7)
	}
	return topOfFew(b, at)
}

// topOfFew is top within the first 8 bytes.
func topOfFew(b []byte, at int) (v uint64) {
	for i := range max(0, (at+7)>>3) {
		v = v>>8 | uint64(b[i])<<56
	}
	return v << (-at & 7)
}

// high is the first k bits of v, k under 64.
func high(v uint64, k uint8) uint32 { return uint32(v >> 1 >> ((63 - k) & 63)) }
