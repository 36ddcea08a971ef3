package quant

import (
	"bytes"
	"encoding/binary"
	"math"
	"sync/atomic"
)

// Stored is a float32 tensor as its encoding keeps it but for the entropy code: a byte or two an element, which become
// numbers as they are wanted. It is safe for concurrent use. It is a tensor.Source.
type Stored struct {
	bytes  []byte // f16, or integers
	hi     []byte // of f16 whose bytes lie apart
	scales []float32
	group  int
	zero   int32
	wide   atomic.Bool // an integer may have more than 8 bits
}

// StoreF16 is n numbers of half precision, which stay where they lie.
func StoreF16(src []byte, n int) (*Stored, error) {
	if len(src) != 2*n {
		return nil, corrupt("%d bytes for %d f16", len(src), n)
	}
	return &Stored{bytes: src}, nil
}

// StoreHalf is n numbers that EncodeHalf wrote, there when the parts have run.
func StoreHalf(src []byte, n int) (*Stored, []Part, error) {
	s := &Stored{bytes: make([]byte, n), hi: make([]byte, n)}
	parts, err := chunks(src, n, func(src, _ []byte, from, to int) bool {
		stream, src, ok := firstStream(src)
		return ok && exactStream(s.bytes[from:to], stream) && exactStream(s.hi[from:to], src)
	})
	return s, parts, err
}

// exactStream is streamBytes into dst.
func exactStream(dst, src []byte) bool {
	b, ok := streamBytes(dst, src)
	if ok && len(b) > 0 && &b[0] != &dst[0] {
		copy(dst, b)
	}
	return ok
}

// StoreInts is n numbers that Ints.Append wrote, there when the parts have run.
func StoreInts(src []byte, n int) (*Stored, []Part, error) {
	bits, group, scales, src, err := groupHead(src, n, func(int) int { return 1 })
	if err != nil {
		return nil, nil, err
	}
	s := &Stored{bytes: make([]byte, n), scales: scales, group: group, zero: int32(1)<<bits/2 - 1}
	parts, err := chunks(src, n, func(src, _ []byte, from, to int) bool {
		sym := s.bytes[from:to]
		if !decodeStream(sym, src) {
			return false
		}
		if bits == 8 && bytes.IndexByte(sym, 255) >= 0 || bits < 8 && allBits(sym)>>bits != 0 {
			s.wide.Store(true)
		}
		return true
	})
	return s, parts, err
}

// allBits is the bits that are set in any of b.
func allBits(b []byte) byte {
	var all uint64
	for ; len(b) >= 8; b = b[8:] {
		all |= binary.LittleEndian.Uint64(b)
	}
	for _, v := range b {
		all |= uint64(v)
	}
	all |= all >> 32
	all |= all >> 16
	return byte(all | all>>8)
}

// Bytes are where the elements, or most of them, lie: no two tensors share them.
func (s *Stored) Bytes() []byte { return s.bytes }

// Size is the bytes that the elements take.
func (s *Stored) Size() int { return len(s.bytes) + len(s.hi) + 4*len(s.scales) }

// Half says that every element is a number of half precision.
func (s *Stored) Half() bool { return s.scales == nil }

// Steps are the factors of rows of that many elements which are 8-bit integers times their factor, 1 of a row of zeros, or nil
// where they are something else.
func (s *Stored) Steps(row int) []float32 {
	if s.group != row || s.wide.Load() {
		return nil
	}
	steps := make([]float32, len(s.scales))
	for i, f := range s.scales {
		switch {
		case f == 0:
			f = 1
		case !(f < math.MaxFloat32 && f > -math.MaxFloat32):
			return nil
		}
		steps[i] = f
	}
	return steps
}

// Floats writes the elements from one on.
func (s *Stored) Floats(dst []float32, from int) {
	switch to := from + len(dst); {
	case s.hi != nil:
		halves(dst, s.bytes[from:to], s.hi[from:to])
	case s.scales == nil:
		_ = DecodeF16(dst, s.bytes[2*from:2*to])
	default:
		for from < to {
			g := from / s.group
			n := min(to, (g+1)*s.group) - from
			scale(dst[:n], s.bytes[from:from+n], s.zero, s.scales[g])
			dst, from = dst[n:], from+n
		}
	}
}
