package quant

import "encoding/binary"

// Streams of byte symbols under an entropy code: range asymmetric numeral systems
// (Duda 2009) with 12-bit probabilities and four interleaved states (Giesen 2014).
// A stream is
//
//	u8 0, the symbols
//	u8 1, the one symbol that all are
//	u8 2, table, four u48 states, u32 words
//
// Symbol i belongs to state i mod 4. A state x gives the symbol that owns slot
// x mod 4096 and becomes freq * (x / 4096) + slot - first slot; below 1<<16 it
// takes in the next word from below. In the end all words are used and each
// state is 1<<16 again. Words of 32 bits are taken in seldom, so that a branch
// guesses well: twice as fast as words of 16.
const (
	streamRaw = iota
	streamOne
	streamRANS

	ransBits = 12
	ransMask = 1<<ransBits - 1
	ransLow  = 1 << 16
)

// The table of frequencies is
//
//	u8 first symbol, u8 last symbol, u8 resolution r (0 to 3) | k << 2 (k: 0 to 7),
//	Rice codes, least bit first, filled up to a byte
//
// For each symbol from first to last a level: 0 means never, l that the frequency
// is in proportion to 2^((l-1) / 2^r). Levels are coded as the difference to the
// last one (1 before the first), zigzag, k low bits after a quotient of ones that
// a zero ends. That is half of what exact frequencies take, and costs the symbols
// next to nothing.

// eighths are 256 * 2^(i/8), rounded.
var eighths = [8]uint16{256, 279, 304, 332, 362, 395, 431, 470}

// frequencies turns levels of resolution r into frequencies that sum to 4096:
// each its share, rounded half up, but at least 1; what is missing then goes to
// the largest (the first of equals), what is too much comes off the largest
// bit by bit. false: no symbol occurs, or one alone.
func frequencies(freq *[256]uint16, level *[256]uint8, r int) bool {
	const all = 1 << ransBits
	var total, used uint64
	weight := func(i int) uint64 {
		if level[i] == 0 {
			return 0
		}
		l := int(level[i]) - 1
		return uint64(eighths[l<<(3-r)&7]) << (l >> r)
	}
	for i := range level {
		if level[i] > 0 {
			total += weight(i)
			used++
		}
	}
	if used < 2 {
		return false
	}
	sum := 0
	for i := range level {
		freq[i] = 0
		if level[i] > 0 {
			freq[i] = uint16(max(1, (2*all*weight(i)+total)/(2*total)))
			sum += int(freq[i])
		}
	}
	for sum != all {
		top := 0
		for i, f := range freq {
			if f > freq[top] {
				top = i
			}
		}
		d := all - sum
		if d < 0 {
			d = -1
		}
		freq[top] += uint16(d)
		sum += d
	}
	return true
}

// ransTable reads a table and says how long it was; 0: it is none. An entry is
// freq<<20 | (slot - first slot)<<8 | symbol.
func ransTable(tab *[1 << ransBits]uint32, b []byte) int {
	if len(b) < 3 || b[0] > b[1] || b[2] > 31 {
		return 0
	}
	r, k := int(b[2]&3), int(b[2]>>2)
	var level [256]uint8
	at, last := 24, 1
	for i := int(b[0]); i <= int(b[1]); i++ {
		// A code is at most 194 ones, a zero and 7 bits long.
		q := 0
		for ; at < 8*len(b) && b[at>>3]>>(at&7)&1 == 1; at++ {
			q++
		}
		at++
		v := q << k
		for j := range k {
			if at < 8*len(b) {
				v |= int(b[at>>3]) >> (at & 7) & 1 << j
			}
			at++
		}
		if last += v>>1 ^ -(v & 1); last < 0 || last > ransBits<<r+1 {
			return 0
		}
		level[i] = uint8(last)
	}
	var freq [256]uint16
	if at = (at + 7) / 8; at > len(b) || !frequencies(&freq, &level, r) {
		return 0
	}
	slot := 0
	for s, f := range freq {
		for j := range uint32(f) {
			tab[slot] = uint32(f)<<20 | j<<8 | uint32(s)
			slot++
		}
	}
	return at
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

// streamBytes is what decodeStream fills dst with: dst, or the symbols where they
// lie in src.
func streamBytes(dst, src []byte) ([]byte, bool) {
	if len(src) == len(dst)+1 && src[0] == streamRaw {
		return src[1:], true
	}
	return dst, decodeStream(dst, src)
}

// decodeStream fills dst from all of src.
func decodeStream(dst, src []byte) bool {
	if len(src) == 0 {
		return false
	}
	kind := src[0]
	src = src[1:]
	switch {
	case kind == streamRaw && len(src) == len(dst):
		copy(dst, src)
		return true
	case kind == streamOne && len(src) == 1:
		fill(dst, src[0])
		return true
	case kind != streamRANS:
		return false
	}
	var tab [1 << ransBits]uint32
	n := ransTable(&tab, src)
	if n == 0 || len(src) < n+24 {
		return false
	}
	src = src[n:]
	le := binary.LittleEndian
	var x [4]uint64
	for i := range x {
		x[i] = uint64(le.Uint32(src[6*i:])) | uint64(le.Uint16(src[6*i+4:]))<<32
	}
	src = src[24:]
	i, at := ransFours(dst, src, &tab, &x)
	dst, src = dst[i:], src[at:]
	for i := range dst {
		s := &x[i&3]
		e := tab[*s&ransMask]
		*s = uint64(e>>20)*(*s>>ransBits) + uint64(e>>8&ransMask)
		dst[i] = byte(e)
		if *s < ransLow {
			if len(src) < 4 {
				return false
			}
			*s = *s<<32 | uint64(le.Uint32(src))
			src = src[4:]
		}
	}
	return len(src) == 0 && x == [4]uint64{ransLow, ransLow, ransLow, ransLow}
}
