package quant

import (
	"encoding/binary"
	"math"
)

// The inner loops of decoding, and which of them run in assembly: the switch "decode/amd64".

// ransFours decodes symbols, one of each state in turn, as long as src certainly holds the words that they might take in,
// and says how many symbols they were and how many bytes of words.
func ransFours(dst, src []byte, tab *[1 << ransBits]uint32, x *[4]uint64) (n, at int) {
	if useDecode && len(dst) >= 4 && len(src) >= 16 {
		t := ransRun{dst: &dst[0], src: &src[0], words: len(src) / 4, tab: tab, x: *x, fours: len(dst) / 4}
		ransRunFours(&t)
		*x = t.x
		return t.n, 4 * t.words
	}
	return ransFoursGeneric(dst, src, tab, x)
}

// ransRun is what the loop is handed; assembly knows the offsets.
type ransRun struct {
	dst, src *byte
	words    int // in src; those taken in
	tab      *[1 << ransBits]uint32
	x        [4]uint64
	fours, n int // symbols wanted, by four; symbols made
}

// ransFoursGeneric is the definition. Nobody can guess which states take in a word, so there is no branch for it.
func ransFoursGeneric(dst, src []byte, tab *[1 << ransBits]uint32, x *[4]uint64) (n, at int) {
	a, b, c, d := x[0], x[1], x[2], x[3]
	for n+4 <= len(dst) && at+16 <= len(src) { // four symbols use at most four words
		next := (*[16]byte)(src[at:])
		e := tab[a&ransMask]
		a = uint64(e>>20)*(a>>ransBits) + uint64(e>>8&ransMask)
		m := uint64(int64(a-ransLow) >> 63) // all ones, or zero
		a ^= ((a<<32 | uint64(binary.LittleEndian.Uint32(next[:]))) ^ a) & m
		k := m & 4
		f := tab[b&ransMask]
		b = uint64(f>>20)*(b>>ransBits) + uint64(f>>8&ransMask)
		m = uint64(int64(b-ransLow) >> 63)
		b ^= ((b<<32 | uint64(binary.LittleEndian.Uint32(next[k&12:]))) ^ b) & m
		k += m & 4
		g := tab[c&ransMask]
		c = uint64(g>>20)*(c>>ransBits) + uint64(g>>8&ransMask)
		m = uint64(int64(c-ransLow) >> 63)
		c ^= ((c<<32 | uint64(binary.LittleEndian.Uint32(next[k&12:]))) ^ c) & m
		k += m & 4
		h := tab[d&ransMask]
		d = uint64(h>>20)*(d>>ransBits) + uint64(h>>8&ransMask)
		m = uint64(int64(d-ransLow) >> 63)
		d ^= ((d<<32 | uint64(binary.LittleEndian.Uint32(next[k&12:]))) ^ d) & m
		k += m & 4
		at += int(k)
		binary.LittleEndian.PutUint32(dst[n:], e&255|f&255<<8|g&255<<16|h<<24)
		n += 4
	}
	*x = [4]uint64{a, b, c, d}
	return n, at
}

// halves makes float32 of the two bytes of f16, as DecodeF16 does of both joined: in one pass, as joining the bytes
// first and converting them after takes half as long again.
func halves(dst []float32, lo, hi []byte) {
	var base [256]uint32 // of the upper byte: sign, exponent and first bits of the mantissa
	for h := range base {
		e := uint32(h) >> 2 & 31
		switch {
		case e == 31:
			e = 255
		case e > 0:
			e += 127 - 15
		}
		base[h] = uint32(h)>>7<<31 | e<<23 | uint32(h)&3<<21
	}
	lo, hi = lo[:len(dst)], hi[:len(dst)]
	for len(dst) > 0 {
		n := len(dst)
		if useDecode {
			if n >= 16 {
				t := halvesRun{dst: &dst[0], lo: &lo[0], hi: &hi[0], n: n / 16}
				halvesRun16(&t)
				dst, lo, hi = dst[t.n:], lo[t.n:], hi[t.n:]
			}
			n = min(16, len(dst)) // with a number that is rare among weights, or the last ones
		}
		halvesGeneric(dst[:n], lo[:n], hi[:n], &base)
		dst, lo, hi = dst[n:], lo[n:], hi[n:]
	}
}

// halvesRun is what the loop is handed; assembly knows the offsets.
type halvesRun struct {
	dst    *float32
	lo, hi *byte
	n      int // blocks of 16; numbers made
}

// halvesGeneric is the definition. Assembly stops at the first 16 with a number that is not a normal one.
func halvesGeneric(dst []float32, lo, hi []byte, base *[256]uint32) {
	lo, hi = lo[:len(dst)], hi[:len(dst)]
	for i := range dst {
		v := base[hi[i]] | uint32(lo[i])<<13
		if v<<1-1 < 1<<24-1 { // the exponent is 0 but the number is not
			v = v&(1<<31) | math.Float32bits(math.Float32frombits(v&^(1<<31))*(1<<112))
		}
		dst[i] = math.Float32frombits(v)
	}
}

// scale makes numbers of the symbols of a group: s times what they are above zero.
func scale(dst []float32, sym []byte, zero int32, s float32) {
	if n := len(dst) &^ 15; useDecode && n > 0 {
		scaleRun16(&scaleRun{dst: &dst[0], sym: &sym[:n][0], n: n / 16, zero: zero, scale: s})
		dst, sym = dst[n:], sym[n:]
	}
	scaleGeneric(dst, sym, zero, s)
}

// scaleRun is what the loop is handed; assembly knows the offsets.
type scaleRun struct {
	dst   *float32
	sym   *byte
	n     int // blocks of 16
	zero  int32
	scale float32
}

// scaleGeneric is the definition.
func scaleGeneric(dst []float32, sym []byte, zero int32, s float32) {
	x := sym[:len(dst)]
	for len(dst) >= 4 && len(x) >= 4 {
		dst[0], dst[1] = s*float32(int32(x[0])-zero), s*float32(int32(x[1])-zero)
		dst[2], dst[3] = s*float32(int32(x[2])-zero), s*float32(int32(x[3])-zero)
		dst, x = dst[4:], x[4:]
	}
	for i := range dst {
		dst[i] = s * float32(int32(x[i])-zero)
	}
}
