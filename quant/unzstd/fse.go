package unzstd

import "math/bits"

// fseEntry is what a state of a finite state entropy code means: a symbol, as
// the number it stands for, and the next state, each plus further bits.
type fseEntry struct {
	base  uint32
	next  uint16
	bits  uint8 // added to next
	extra uint8 // added to base
}

// fseTable decodes symbols of a finite state entropy code (RFC 8878, 4.1).
type fseTable struct {
	log   uint8 // of the number of states
	ok    bool
	entry [1 << 9]fseEntry
}

// alphabet is a set of symbols coded so. Symbol s stands for a range of numbers:
// as many as extra[s] bits can tell, after those of the symbol before.
type alphabet struct {
	first  uint32 // number of symbol 0
	extra  string
	maxLog int
	// The predefined probabilities, in characters from '1'; log of their sum.
	prob string
	log  int
}

// The symbols of sequences, in the order of their descriptions.
var (
	literalLengths = alphabet{
		extra: "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x01\x01\x02\x02\x03\x03" +
			"\x04\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
		maxLog: 9, prob: "543333333333322233333333343222220000", log: 6,
	}
	offsets = alphabet{
		first: 1,
		extra: "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17" +
			"\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f",
		maxLog: 8, prob: "22222233322222222222222200000", log: 5,
	}
	matchLengths = alphabet{
		first: 3,
		extra: "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x01\x01\x02\x02\x03\x03\x04\x04\x05\x07\x08\x09\x0a\x0b" +
			"\x0c\x0d\x0e\x0f\x10",
		maxLog: 9, prob: "25433333322222222222222222222222222222222222220000000", log: 6,
	}
	// Weights of Huffman codes stand for themselves. Those too large are refused
	// where they are used.
	weights = alphabet{maxLog: 6}
)

// read builds the table described at the start of b (RFC 8878, 4.1.1) and
// returns the description's length; 0: it is wrong.
func (t *fseTable) read(b []byte, a *alphabet) int {
	at := 0
	peek := func(k int) int {
		v := 0
		for i := min(at>>3+3, len(b)) - 1; i >= at>>3; i-- {
			v = v<<8 | int(b[i])
		}
		return v >> (at & 7) & (1<<k - 1)
	}
	log := peek(4) + 5
	if at = 4; log > a.maxLog {
		return 0
	}
	most := a.symbols()
	var prob [256]int16
	n := 0
	for left := 1 << log; left > 0; n++ {
		if n >= most || at >= 8*len(b) {
			return 0
		}
		// A number from 0 to left+1, which stands for a probability from -1 to
		// left. Where these are not a power of two, the smallest numbers take a
		// bit less.
		k := bits.Len(uint(left + 1))
		few := 1<<k - 2 - left
		v := peek(k)
		if low := v & (1<<(k-1) - 1); low < few {
			v = low
			at--
		} else if v >= 1<<(k-1) {
			v -= few
		}
		at += k
		if v != 1 {
			prob[n] = int16(v - 1)
			left -= max(v-1, 1)
			continue
		}
		for more := 3; more == 3; n += more { // symbols of probability 0
			more = peek(2)
			if at += 2; n+more >= most {
				return 0
			}
		}
	}
	used := (at + 7) / 8
	if used > len(b) {
		return 0
	}
	t.build(prob[:n], log, a)
	return used
}

// predefined builds the table of the predefined probabilities.
func (t *fseTable) predefined(a *alphabet) {
	var prob [64]int16
	for i := range len(a.prob) {
		prob[i] = int16(a.prob[i]) - '1'
	}
	t.build(prob[:len(a.prob)], a.log, a)
}

// single builds the table of one state, which costs no bits.
func (t *fseTable) single(s byte, a *alphabet) bool {
	var prob [64]int16
	if int(s) >= len(a.extra) {
		return false
	}
	prob[s] = 1
	t.build(prob[:s+1], 0, a)
	return true
}

// build spreads symbols over 1<<log states, which prob's sum to. A probability
// of -1 is one of less than one state.
func (t *fseTable) build(prob []int16, log int, a *alphabet) {
	size := 1 << log
	state := t.entry[:size]
	t.log, t.ok = uint8(log), true

	var first [256]uint32
	var count [256]uint16
	number, free := a.first, size
	for s, p := range prob {
		if first[s], count[s] = number, uint16(p); p < 0 {
			free--
			state[free].base = uint32(s)
			count[s] = 1
		}
		number += 1 << a.bits(s)
	}
	at := 0
	for s, p := range prob {
		for range p {
			state[at].base = uint32(s)
			for at = (at + size>>1 + size>>3 + 3) & (size - 1); at >= free; {
				at = (at + size>>1 + size>>3 + 3) & (size - 1)
			}
		}
	}
	for i := range state {
		s := uint8(state[i].base)
		n := log + 1 - bits.Len16(count[s])
		state[i] = fseEntry{first[s], count[s]<<n - uint16(size), uint8(n), a.bits(int(s))}
		count[s]++
	}
}

func (a *alphabet) symbols() int {
	if a.extra == "" {
		return 256
	}
	return len(a.extra)
}

func (a *alphabet) bits(s int) uint8 {
	if a.extra == "" {
		return 0
	}
	return a.extra[s]
}
