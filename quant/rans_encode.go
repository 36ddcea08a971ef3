package quant

import (
	"encoding/binary"
	"math"
	"slices"
)

// appendStream appends symbols in the shortest of the kinds of streams.
func appendStream(dst, sym []byte) []byte {
	var count [256]float64
	for _, s := range sym {
		count[s]++
	}
	if len(sym) == 0 {
		return append(dst, streamRaw)
	}
	if count[sym[0]] == float64(len(sym)) {
		return append(dst, streamOne, sym[0])
	}
	if t, cost := bestTable(&count); t != nil && cost+24*8+32 < 8*float64(len(sym)) {
		at := len(dst)
		if dst = t.appendCoded(append(dst, streamRANS), sym); len(dst)-at <= len(sym) {
			return dst
		}
		dst = dst[:at]
	}
	return append(append(dst, streamRaw), sym...)
}

// table is a table of frequencies with its description.
type table struct {
	bytes []byte
	freq  [256]uint16
}

// bestTable is the table that describes itself and symbols of these counts in the
// fewest bits, for at least two that occur. Smoother counts than the true ones
// cost the symbols a little and the description less.
func bestTable(count *[256]float64) (*table, float64) {
	var best *table
	least := math.Inf(1)
	for _, smooth := range []int{0, 1, 2, 4, 8} {
		smoothed := smoother(count, smooth)
		for r := range 4 {
			level := levels(smoothed, r)
			t := &table{}
			if !frequencies(&t.freq, &level, r) {
				continue
			}
			bits := 0.0
			for s, c := range count {
				if c > 0 {
					bits += c * (ransBits - math.Log2(float64(t.freq[s])))
				}
			}
			for k := range 8 {
				t.bytes = describe(&level, r, k)
				if b := bits + 8*float64(len(t.bytes)); b < least {
					c := *t
					best, least = &c, b
				}
			}
		}
	}
	return best, least
}

// smoother spreads counts over their neighbours n times.
func smoother(count *[256]float64, n int) *[256]float64 {
	c := *count
	for range n {
		d := c
		for i := range c {
			lo, hi := c[max(i-1, 0)], c[min(i+1, 255)]
			d[i] = (lo + 2*c[i] + hi) / 4
		}
		c = d
	}
	lo, hi := 0, 255
	for count[lo] == 0 {
		lo++
	}
	for count[hi] == 0 {
		hi--
	}
	for i := range c {
		if i < lo || i > hi {
			c[i] = 0
		}
	}
	return &c
}

// levels rounds counts to levels of resolution r.
func levels(count *[256]float64, r int) (level [256]uint8) {
	total := 0.0
	for _, c := range count {
		total += c
	}
	for i, c := range count {
		if c > 0 {
			l := math.Round(float64(int(1)<<r)*(math.Log2(c/total)+ransBits)) + 1
			level[i] = uint8(min(max(l, 1), float64(int(ransBits)<<r+1)))
		}
	}
	return level
}

// describe is the description of levels.
func describe(level *[256]uint8, r, k int) []byte {
	lo, hi := 0, 255
	for level[lo] == 0 {
		lo++
	}
	for level[hi] == 0 {
		hi--
	}
	b := []byte{byte(lo), byte(hi), byte(r | k<<2)}
	at := 24
	put := func(bit int) {
		if at&7 == 0 {
			b = append(b, 0)
		}
		b[at>>3] |= byte(bit << (at & 7))
		at++
	}
	last := 1
	for _, l := range level[lo : hi+1] {
		d := int(l) - last
		last = int(l)
		v := d << 1 // zigzag
		if d < 0 {
			v = ^v
		}
		for range v >> k {
			put(1)
		}
		put(0)
		for j := range k {
			put(v >> j & 1)
		}
	}
	return b
}

// appendCoded appends table, states and words.
func (t *table) appendCoded(dst, sym []byte) []byte {
	var first [256]uint64
	sum := uint64(0)
	for s, f := range t.freq {
		first[s] = sum
		sum += uint64(f)
	}
	x := [4]uint64{ransLow, ransLow, ransLow, ransLow}
	var words []uint32 // from the last to the first
	for i := len(sym) - 1; i >= 0; i-- {
		s := &x[i&3]
		f := uint64(t.freq[sym[i]])
		if *s >= f<<(48-ransBits) {
			words = append(words, uint32(*s))
			*s >>= 32
		}
		*s = *s/f<<ransBits + *s%f + first[sym[i]]
	}
	dst = append(dst, t.bytes...)
	for _, s := range x {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(s))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(s>>32))
	}
	for _, w := range slices.Backward(words) {
		dst = binary.LittleEndian.AppendUint32(dst, w)
	}
	return dst
}
