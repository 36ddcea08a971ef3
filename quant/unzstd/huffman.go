package unzstd

import "math/bits"

const (
	maxCode  = 11 // bits of a Huffman code
	batch    = 5  // codes that surely are in the bits of top
	topShift = 64 - maxCode
)

// huffman decodes literals: symbol<<8 | bits of its code, by the next maxCode
// bits whatever the longest code is, which makes the shift a constant.
type huffman struct {
	ok    bool
	table [1 << maxCode]uint16
}

// read builds the code whose weights are described at the start of b (RFC 8878,
// 4.2.1) and returns the description's length; 0: it is wrong.
func (h *huffman) read(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	var weight [256]uint8
	n, used := 0, 1+int(b[0])
	if b[0] >= 128 { // 4 bits each
		n = int(b[0]) - 127
		used = 1 + (n+1)/2
	}
	if used > len(b) {
		return 0
	}
	if n > 0 {
		for i := range n {
			weight[i] = b[1+i/2] >> (4 - i%2*4) & 15
		}
	} else if n = readWeights(&weight, b[1:used]); n == 0 {
		return 0
	}

	// A weight w is 1<<w>>1 of the codes of the longest length. The last symbol's
	// is not stated: it makes their sum a power of two.
	sum := 0
	for _, w := range weight[:n] {
		sum += 1 << w >> 1
	}
	log := bits.Len(uint(sum))
	rest := 1<<log - sum
	if sum == 0 || log > maxCode || rest&(rest-1) != 0 {
		return 0
	}
	weight[n] = uint8(bits.Len(uint(rest)))
	n++

	at := 0
	for w := uint8(1); int(w) <= log; w++ {
		for s, x := range weight[:n] {
			if x != w {
				continue
			}
			codes := h.table[at : at+1<<(int(w)-1+maxCode-log)]
			for i := range codes {
				codes[i] = uint16(s)<<8 | uint16(log+1-int(w))
			}
			at += len(codes)
		}
		// The longest codes come in pairs.
		if w == 1 && (at == 0 || at>>(maxCode-log)&1 != 0) {
			return 0
		}
	}
	h.ok = true
	return used
}

// readWeights decodes weights that two states of one FSE table tell in turns,
// and returns how many; 0: b is wrong.
func readWeights(weight *[256]uint8, b []byte) int {
	var t fseTable
	used := t.read(b, &weights)
	if used == 0 {
		return 0
	}
	b = b[used:]
	at, ok := last(b)
	if at -= 2 * int(t.log); !ok || at < 0 {
		return 0
	}
	v := top(b, at+2*int(t.log))
	now, then := high(v, t.log), high(v<<t.log, t.log)
	for n := 0; n < 254; {
		e := t.entry[now]
		weight[n] = uint8(e.base)
		n++
		// The end is where a next state would need more bits than are left.
		if at < int(e.bits) {
			weight[n] = uint8(t.entry[then].base)
			return n + 1
		}
		now, then = then, uint32(e.next)+high(top(b, at), e.bits)
		at -= int(e.bits)
	}
	return 0
}

// stream decodes len(dst) symbols from b below position at; it returns the
// position below the last one.
func (h *huffman) stream(dst, b []byte, at int) int {
	for ; len(dst) >= batch && at >= 64; dst = dst[batch:] {
		v, sum := top(b, at), uint16(0)
		for i := range batch {
			e := h.table[v>>topShift]
			dst[i] = byte(e >> 8)
			v <<= e & 63
			sum += e & 63
		}
		at -= int(sum)
	}
	for i := range dst {
		e := h.table[top(b, at)>>topShift]
		dst[i] = byte(e >> 8)
		at -= int(e & 63)
	}
	return at
}

// streams decodes dst from four streams, each a quarter of it (RFC 8878, 4.2.2).
// They are read in turns: a code is found only once the one before it is, so
// that one stream alone would leave the processor waiting.
func (h *huffman) streams(dst, b []byte) bool {
	if len(b) < 6 || len(dst) < 6 {
		return false
	}
	var out [4][]byte
	var from, at [4]int
	quarter, start := (len(dst)+3)/4, 6
	for i := range at {
		end := len(b)
		if i < 3 {
			end = start + int(b[2*i]) + int(b[2*i+1])<<8
			out[i], dst = dst[:quarter], dst[quarter:]
		} else {
			out[i] = dst
		}
		if end > len(b) {
			return false
		}
		n, ok := last(b[start:end])
		if !ok {
			return false
		}
		from[i], at[i] = 8*start, 8*start+n
		start = end
	}
	done := h.four(&out, b, &at)
	for i := range at {
		if h.stream(out[i][done:], b, at[i]) != from[i] {
			return false
		}
	}
	return true
}

// four decodes as much of the four streams as goes without regard to ends, and
// returns how many symbols of each.
func (h *huffman) four(out *[4][]byte, b []byte, at *[4]int) int {
	d0, d1, d2, d3 := out[0], out[1], out[2], out[3]
	a0, a1, a2, a3 := at[0], at[1], at[2], at[3]
	i := 0
	for ; i+batch <= len(d3) && min(a0, a1, a2, a3) >= 64; i += batch {
		v0, v1, v2, v3 := top(b, a0)|1, top(b, a1)|1, top(b, a2)|1, top(b, a3)|1
		o0, o1, o2, o3 := (*[batch]byte)(d0[i:]), (*[batch]byte)(d1[i:]), (*[batch]byte)(d2[i:]), (*[batch]byte)(d3[i:])
		for j := range batch {
			e0, e1 := h.table[v0>>topShift], h.table[v1>>topShift]
			e2, e3 := h.table[v2>>topShift], h.table[v3>>topShift]
			o0[j], o1[j], o2[j], o3[j] = byte(e0>>8), byte(e1>>8), byte(e2>>8), byte(e3>>8)
			v0 <<= e0 & 63
			v1 <<= e1 & 63
			v2 <<= e2 & 63
			v3 <<= e3 & 63
		}
		a0 -= bits.TrailingZeros64(v0)
		a1 -= bits.TrailingZeros64(v1)
		a2 -= bits.TrailingZeros64(v2)
		a3 -= bits.TrailingZeros64(v3)
	}
	*at = [4]int{a0, a1, a2, a3}
	return i
}
