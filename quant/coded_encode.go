package quant

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"

	"github.com/x448/float16"
)

// appendChunks appends n elements in chunks; encode appends the streams of some.
func appendChunks(dst []byte, n int, encode func(dst []byte, from, to int) []byte) []byte {
	for from := 0; from < n; from += chunkSymbols {
		at := len(dst)
		dst = encode(append(dst, 0, 0, 0, 0, 0, 0, 0, 0), from, min(from+chunkSymbols, n))
		body := dst[at+8:]
		binary.LittleEndian.PutUint32(dst[at:], uint32(len(body)))
		binary.LittleEndian.PutUint32(dst[at+4:], crc32.Checksum(body, castagnoli))
	}
	return dst
}

// EncodeExact appends elements of size bytes so that they come back bit for bit:
// in each chunk a stream of all first bytes, one of all second ones, and so on.
// With rotate, for float32, each element is rotated left by a bit before: then the
// last byte is the exponent, which is what there is to win.
func EncodeExact(dst, data []byte, size int, rotate bool) []byte {
	return appendChunks(dst, len(data)/size, func(dst []byte, from, to int) []byte {
		plane := make([]byte, to-from)
		for p := range size {
			for i := range plane {
				e := data[(from+i)*size:]
				plane[i] = e[p]
				if rotate {
					plane[i] = byte(bits.RotateLeft32(binary.LittleEndian.Uint32(e), 1) >> (8 * p))
				}
			}
			if p == size-1 {
				return appendStream(dst, plane)
			}
			at := len(dst)
			dst = appendStream(append(dst, 0, 0, 0, 0), plane)
			binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
		}
		return dst
	})
}

// EncodeHalf appends v rounded to half precision, coded.
func EncodeHalf(dst []byte, v []float32) []byte {
	return EncodeExact(dst, EncodeF16(nil, v), 2, false)
}

// Ints is a tensor as integers of Bits bits in groups that share a scale: the
// value of Q[i] is Scale[i/Group] * Q[i].
type Ints struct {
	Bits  int // 2 to 8
	Group int
	Scale []float32 // f16 can hold them
	Q     []int8    // at most 2^(Bits-1)-1 in size
}

// Ints rounds v to integers, each group by the scale of the least squared error.
func (l Linear) Ints(v []float32) *Ints {
	t := &Ints{Bits: l.Bits, Group: l.Group}
	for at := 0; at < len(v); at += l.Group {
		g := v[at:min(at+l.Group, len(v))]
		s := l.bestScale(g)
		t.Scale = append(t.Scale, s)
		for _, x := range g {
			t.Q = append(t.Q, l.quantize(x, s))
		}
	}
	return t
}

// Append appends the encoding: u8 bits, u32 group, the scales as f16, then in
// chunks a stream of q + 2^(bits-1) - 1.
func (t *Ints) Append(dst []byte) ([]byte, error) {
	limit := int8(Linear{Bits: t.Bits}.limit())
	if t.Bits < minLinearBits || t.Bits > maxLinearBits || t.Group < 1 || len(t.Scale) != (len(t.Q)+t.Group-1)/t.Group {
		return nil, fmt.Errorf("quant: %d integers of %d bits in groups of %d with %d scales", len(t.Q), t.Bits, t.Group, len(t.Scale))
	}
	sym := make([]byte, len(t.Q))
	for i, q := range t.Q {
		if q < -limit || q > limit {
			return nil, fmt.Errorf("quant: %d in %d bits", q, t.Bits)
		}
		sym[i] = byte(q + limit)
	}
	return appendGrouped(dst, t.Bits, t.Group, t.Scale, sym), nil
}

// Decoded is what the encoding stands for.
func (t *Ints) Decoded() []float32 {
	v := make([]float32, len(t.Q))
	for i, q := range t.Q {
		v[i] = t.Scale[i/t.Group] * float32(q)
	}
	return v
}

func appendGrouped(dst []byte, bits, group int, values []float32, sym []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(append(dst, byte(bits)), uint32(group))
	dst = EncodeF16(dst, values)
	return appendChunks(dst, len(sym), func(dst []byte, from, to int) []byte { return appendStream(dst, sym[from:to]) })
}

// Palette is a tensor as indices into a few values for each group: that of element
// i is Values[i/Group<<Bits + Index[i]].
type Palette struct {
	Bits   int // 1 to 8
	Group  int
	Values []float32 // f16 can hold them; each group's in ascending order
	Index  []uint8
}

// Append appends the encoding: u8 bits, u32 group, the values as f16, then in
// chunks a stream of the indices.
func (p *Palette) Append(dst []byte) ([]byte, error) {
	if p.Bits < 1 || p.Bits > 8 || p.Group < 1 || len(p.Values) != (len(p.Index)+p.Group-1)/p.Group<<p.Bits {
		return nil, fmt.Errorf("quant: %d indices of %d bits in groups of %d with %d values", len(p.Index), p.Bits, p.Group, len(p.Values))
	}
	for _, x := range p.Index {
		if int(x) >= 1<<p.Bits {
			return nil, fmt.Errorf("quant: index %d of %d values", x, 1<<p.Bits)
		}
	}
	return appendGrouped(dst, p.Bits, p.Group, p.Values, p.Index), nil
}

// Decoded is what the encoding stands for.
func (p *Palette) Decoded() []float32 {
	v := make([]float32, len(p.Index))
	for i, x := range p.Index {
		v[i] = p.Values[i/p.Group<<p.Bits+int(x)]
	}
	return v
}

// EncodeSparse appends v as a bitmap of what is not zero, coded, and those
// values under an encoding that a reader knows by that number: u8 encoding, u32
// values, u32 length of the map, the map, the values.
func EncodeSparse(dst []byte, v []float32, encoding uint8, inner func(v []float32) ([]byte, error)) ([]byte, error) {
	var values []float32
	bitmap := make([]byte, (len(v)+7)/8)
	for i, x := range v {
		if x != 0 {
			bitmap[i>>3] |= 1 << (i & 7)
			values = append(values, x)
		}
	}
	mapped := EncodeExact(nil, bitmap, 1, false)
	dst = binary.LittleEndian.AppendUint32(append(dst, encoding), uint32(len(values)))
	dst = append(binary.LittleEndian.AppendUint32(dst, uint32(len(mapped))), mapped...)
	b, err := inner(values)
	return append(dst, b...), err
}

// Prune sets all but the largest share of v to zero.
func Prune(v []float32, share float64) []float32 {
	order := sortedBySize(v)
	out := make([]float32, len(v))
	for _, i := range order[:min(len(v), int(math.Ceil(share*float64(len(v)))))] {
		out[i] = v[i]
	}
	return out
}

// HalfPrecision is x rounded to f16.
func HalfPrecision(x float32) float32 { return float16.Fromfloat32(x).Float32() }
