package quant

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// Linear is a symmetric encoding in a few bits: elements come in groups that
// share a scale, real = scale * q with |q| <= 2^(Bits-1)-1.
type Linear struct {
	Bits  int // 2 to 8
	Group int // elements of a group, the last may be short
}

// What Linear.Bits may be.
const (
	minLinearBits = 2
	maxLinearBits = 8
)

func (l Linear) limit() int { return 1<<(l.Bits-1) - 1 }

// Scales is the number of groups of n elements.
func (l Linear) Scales(n int) int { return (n + l.Group - 1) / l.Group }

func (l Linear) quantize(x, s float32) int8 {
	if s == 0 || x != x {
		return 0
	}
	m := float64(l.limit())
	return int8(min(max(math.RoundToEven(float64(x)/float64(s)), -m), m))
}

// bestScale is the one of a few candidates below the largest magnitude, rounded
// to f16, that gives the smallest squared error: cutting an outlier often costs
// less than coarser steps for all.
func (l Linear) bestScale(g []float32) float32 {
	top := float32(0)
	for _, x := range g {
		if a := float32(math.Abs(float64(x))); a > top && !math.IsInf(float64(a), 0) {
			top = a
		}
	}
	if top == 0 {
		return 0
	}
	best, least := float32(0), math.Inf(1)
	steps := 1
	if l.Bits < 8 {
		steps = 12
	}
	for i := range steps {
		s := float16.Fromfloat32(top * (1 - 0.04*float32(i)) / float32(l.limit())).Float32()
		if s == 0 {
			// Below half precision's range: the smallest number it has.
			s = float16.Frombits(1).Float32()
		}
		e := 0.0
		for _, x := range g {
			d := float64(x) - float64(s)*float64(l.quantize(x, s))
			e += d * d
		}
		if e < least {
			best, least = s, e
		}
	}
	return best
}

// DecodeLinear fills dst from what version 1.0 of the file format wrote: u8
// bits, u32 group, u8 compressed, the scales as f16, then the integers packed
// least bit first or, compressed, a byte each in chunks as DecodePlanes reads
// them.
func DecodeLinear(dst []float32, src []byte) error {
	if len(src) < 6 {
		return corrupt("linear: no head")
	}
	bits, group, compressed := int(src[0]), binary.LittleEndian.Uint32(src[1:]), src[5]
	if bits < minLinearBits || bits > maxLinearBits || group < 1 || compressed > 1 {
		return corrupt("linear: %d bits in groups of %d", bits, group)
	}
	// One group holds everything, however large it claims to be: sums with Group fit an int of 32 bits.
	l := Linear{Bits: bits, Group: int(min(uint64(group), uint64(max(1, len(dst)))))}
	src = src[6:]
	groups := l.Scales(len(dst))
	if len(src) < 2*groups {
		return corrupt("linear: %d scales are cut short", groups)
	}
	scales, ints := src[:2*groups], src[2*groups:]
	if compressed == 1 {
		raw := make([]byte, len(dst))
		if err := DecodePlanes(raw, ints, 1); err != nil {
			return err
		}
		for i := range dst {
			dst[i] = scaleAt(scales, i/l.Group) * float32(int8(raw[i]))
		}
		return nil
	}
	if len(ints) != (len(dst)*l.Bits+7)/8 {
		return corrupt("linear: %d bytes of integers for %d of %d bits", len(ints), len(dst), l.Bits)
	}
	var acc uint32
	n, at := 0, 0
	for g := 0; g < len(dst); g += l.Group {
		s := scaleAt(scales, g/l.Group)
		for i := g; i < min(g+l.Group, len(dst)); i++ {
			for n < l.Bits {
				acc |= uint32(ints[at]) << n
				at++
				n += 8
			}
			x := int8(acc<<(8-l.Bits)) >> (8 - l.Bits)
			dst[i] = s * float32(x)
			acc >>= l.Bits
			n -= l.Bits
		}
	}
	return nil
}

func scaleAt(scales []byte, i int) float32 {
	return float16.Frombits(binary.LittleEndian.Uint16(scales[2*i:])).Float32()
}
