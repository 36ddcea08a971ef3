package quant

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Encodings under an entropy code keep their symbols in chunks of chunkSymbols
// elements (the last may be shorter), each of which is decoded alone:
//
//	u32 length of what follows the checksum, u32 CRC-32C of it, streams
//
// Of several streams in a chunk (one for each byte of an element) all but the
// last have their length, u32, before them.

// chunkSymbols is the number of elements in a chunk.
const chunkSymbols = 32 << 10

// Part decodes some elements of a tensor: parts write to different places, so
// they may run at the same time. scratch is at least ScratchBytes long.
type Part func(scratch []byte) error

// ScratchBytes is what a Part needs.
const ScratchBytes = 8 * chunkSymbols

// chunks makes a part of each chunk of n elements: decode gets the streams and
// which elements they are. The checksum is compared when the part runs.
func chunks(src []byte, n int, decode func(src, scratch []byte, from, to int) bool) ([]Part, error) {
	var parts []Part
	for from := 0; from < n; from += chunkSymbols {
		i, to := from/chunkSymbols, min(from+chunkSymbols, n)
		if len(src) < 8 {
			return nil, corrupt("chunk %d is missing", i)
		}
		size, sum := binary.LittleEndian.Uint32(src), binary.LittleEndian.Uint32(src[4:])
		if src = src[8:]; uint64(size) > uint64(len(src)) {
			return nil, corrupt("chunk %d is cut short", i)
		}
		body := src[:size]
		parts = append(parts, func(scratch []byte) error {
			if crc32.Checksum(body, castagnoli) != sum {
				return corrupt("chunk %d has the wrong checksum", i)
			}
			if !decode(body, scratch, from, to) {
				return corrupt("chunk %d does not hold %d elements", i, to-from)
			}
			return nil
		})
		src = src[size:]
	}
	if len(src) > 0 {
		return nil, corrupt("%d bytes after the last chunk", len(src))
	}
	return parts, nil
}

// DecodeExact is the parts of what EncodeExact wrote: dst holds elements of size
// bytes, which are floats of 32 bits when rotate is set.
func DecodeExact(dst, src []byte, size int, rotate bool) ([]Part, error) {
	return chunks(src, len(dst)/size, func(src, scratch []byte, from, to int) bool {
		return exactChunk(dst[from*size:to*size], src, scratch, size, rotate)
	})
}

// firstStream takes a stream off src that is not a chunk's last.
//
//go:noinline
func firstStream(src []byte) (stream, rest []byte, ok bool) {
	if len(src) < 4 {
		return nil, nil, false
	}
	k := binary.LittleEndian.Uint32(src)
	if src = src[4:]; uint64(k) > uint64(len(src)) {
		return nil, nil, false
	}
	return src[:k], src[k:], true
}

// exactChunk decodes the streams of the bytes of elements.
func exactChunk(out, src, scratch []byte, size int, rotate bool) bool {
	n := len(out) / size
	for p := range size {
		stream := src
		if p < size-1 {
			var ok bool
			if stream, src, ok = firstStream(src); !ok {
				return false
			}
		}
		if !decodeStream(scratch[p*n:p*n+n], stream) {
			return false
		}
	}
	if rotate {
		a, b, c, d := scratch[:n], scratch[n:][:n], scratch[2*n:][:n], scratch[3*n:][:n]
		for i := range a {
			v := uint32(a[i]) | uint32(b[i])<<8 | uint32(c[i])<<16 | uint32(d[i])<<24
			binary.LittleEndian.PutUint32(out[4*i:], v>>1|v<<31)
		}
		return true
	}
	join(out, scratch, size)
	return true
}

// DecodeHalf is the parts of what EncodeHalf wrote: float32 as exact f16.
func DecodeHalf(dst []float32, src []byte) ([]Part, error) {
	return chunks(src, len(dst), func(src, scratch []byte, from, to int) bool {
		n := to - from
		stream, src, ok := firstStream(src)
		if !ok {
			return false
		}
		lo, ok := streamBytes(scratch[:n], stream)
		if !ok {
			return false
		}
		hi, ok := streamBytes(scratch[n:][:n], src)
		if ok {
			halves(dst[from:to], lo, hi)
		}
		return ok
	})
}

// groupHead reads what grouped encodings start with: u8 bits, u32 group, and per
// values in f16 for each group of n elements.
func groupHead(src []byte, n int, per func(bits int) int) (bits, group int, values []float32, rest []byte, err error) {
	if len(src) < 5 {
		return 0, 0, nil, nil, corrupt("no head")
	}
	bits = int(src[0])
	size := uint64(binary.LittleEndian.Uint32(src[1:]))
	if bits < 1 || bits > 8 || size < 1 || size > math.MaxInt32 {
		return 0, 0, nil, nil, corrupt("%d bits in groups of %d", bits, size)
	}
	group = int(size)
	groups, each := (uint64(n)+size-1)/size, uint64(per(bits))
	src = src[5:]
	if groups > uint64(len(src))/(2*each) {
		return 0, 0, nil, nil, corrupt("values of %d groups are cut short", groups)
	}
	values = make([]float32, groups*each)
	err = DecodeF16(values, src[:2*len(values)])
	return bits, group, values, src[2*len(values):], err
}

// DecodeInts is the parts of what Ints.Append wrote.
func DecodeInts(dst []float32, src []byte) ([]Part, error) {
	bits, group, scales, src, err := groupHead(src, len(dst), func(int) int { return 1 })
	if err != nil {
		return nil, err
	}
	zero := int32(1)<<bits/2 - 1
	return chunks(src, len(dst), func(src, scratch []byte, from, to int) bool {
		sym := scratch[:to-from]
		if !decodeStream(sym, src) {
			return false
		}
		for from < to {
			g := from / group
			n := min(to, (g+1)*group) - from
			scale(dst[from:from+n], sym[:n], zero, scales[g])
			from, sym = from+n, sym[n:]
		}
		return true
	})
}

// DecodePalette is the parts of what Palette.Append wrote.
func DecodePalette(dst []float32, src []byte) ([]Part, error) {
	bits, group, values, src, err := groupHead(src, len(dst), func(bits int) int { return 1 << bits })
	if err != nil {
		return nil, err
	}
	return chunks(src, len(dst), func(src, scratch []byte, from, to int) bool {
		sym := scratch[:to-from]
		if !decodeStream(sym, src) {
			return false
		}
		over := byte(0)
		for from < to {
			g := from / group
			n := min(to, (g+1)*group) - from
			var v [256]float32
			copy(v[:], values[g<<bits:(g+1)<<bits])
			out := dst[from : from+n]
			for i, x := range sym[:len(out)] {
				out[i] = v[x]
				over |= x >> bits
			}
			from, sym = from+n, sym[n:]
		}
		return over == 0
	})
}

// DecodeSparse is the one part of what EncodeSparse wrote. inner decodes the
// values that are not zero, under an encoding of that number.
func DecodeSparse(dst []float32, src []byte, inner func(encoding uint8, dst []float32, src []byte) ([]Part, error)) ([]Part, error) {
	if len(src) < 9 {
		return nil, corrupt("no head")
	}
	encoding, count, mapped := src[0], binary.LittleEndian.Uint32(src[1:]), binary.LittleEndian.Uint32(src[5:])
	src = src[9:]
	if uint64(mapped) > uint64(len(src)) || uint64(count) > uint64(len(dst)) {
		return nil, corrupt("%d values and a map of %d bytes", count, mapped)
	}
	bitmap := make([]byte, (len(dst)+7)/8)
	parts, err := DecodeExact(bitmap, src[:mapped], 1, false)
	if err != nil {
		return nil, err
	}
	values := make([]float32, count)
	more, err := inner(encoding, values, src[mapped:])
	if err != nil {
		return nil, err
	}
	return []Part{func(scratch []byte) error {
		for _, p := range append(parts, more...) {
			if err := p(scratch); err != nil {
				return err
			}
		}
		at := 0
		for i := range dst {
			dst[i] = 0
			if bitmap[i>>3]>>(i&7)&1 == 1 {
				if at == len(values) {
					return corrupt("the map has more than %d values", count)
				}
				dst[i] = values[at]
				at++
			}
		}
		if at != len(values) {
			return corrupt("the map has %d values of %d", at, count)
		}
		return nil
	}}, nil
}
