package format

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant"
)

// Encoding is how a tensor is stored. The numbers are part of the format.
type Encoding uint8

// The encodings. Raw data is used where it lies; the others are decoded when
// the file is opened.
const (
	Raw       Encoding = 0 // the elements
	F16       Encoding = 1 // f32 rounded to half precision
	BF16      Encoding = 2 // f32 rounded to bfloat16
	zstdExact Encoding = 3 // of version 1.0, only read
	zstdInt   Encoding = 4
	zstdF16   Encoding = 5
	Coded     Encoding = 6  // exact, of any type: bytes of an element under an entropy code each
	F16Coded  Encoding = 7  // f16 as in F16, coded
	IntCoded  Encoding = 8  // f32 as integers of 2 to 8 bits with a scale a group, coded
	Palette   Encoding = 9  // f32 as indices into a few values a group, coded
	Sparse    Encoding = 10 // f32 as a bitmap of what is not zero, coded, and those values in another encoding

	// Data of the encodings from here on may start anywhere.
	firstUnaligned = Coded
)

var encodingNames = []string{"raw", "f16", "bf16", "zstd", "int", "f16+zstd", "coded", "f16+coded", "int+coded", "palette", "sparse"}

//go:noinline
func (e Encoding) String() string {
	if int(e) < len(encodingNames) {
		return encodingNames[e]
	}
	return fmt.Sprintf("encoding %d", uint8(e))
}

// Choice is an encoding with its parameters. The zero Choice is Raw.
type Choice struct {
	Encoding Encoding
	Bits     int // of IntCoded and Palette
	Group    int // elements a scale or palette; 0: of IntCoded all of one index of the first dimension, of Palette all
	// Ints and Palette are the very values to store, where something better than
	// the tensor's nearest was found for it.
	Ints    *quant.Ints
	Palette *quant.Palette
	// Keep is the share of a Sparse tensor's elements, the largest, that stay;
	// Inner is how they are stored.
	Keep  float64
	Inner Encoding
}

// encode stores t. The encoding is c's or, where that does not pay, Raw.
func (c Choice) encode(t tensor.Tensor) ([]byte, Encoding, error) {
	e := c.Encoding
	if e != Raw && e != Coded && t.DType != tensor.F32 {
		return nil, e, errorf("format: encoding %v is for f32, not %v", e, t.DType)
	}
	var b []byte
	var err error
	switch e {
	case Raw:
		return t.Data, Raw, nil
	case Coded:
		size := t.DType.Size()
		if b = quant.EncodeExact(nil, t.Data, size, t.DType == tensor.F32); len(b) >= len(t.Data) {
			return t.Data, Raw, nil
		}
	case Sparse:
		inner := c
		inner.Encoding = c.Inner
		if c.Inner == Raw || c.Inner >= Sparse {
			return nil, e, errorf("format: %v values in a sparse tensor", c.Inner)
		}
		b, err = quant.EncodeSparse(nil, quant.Prune(t.F32(), c.Keep), uint8(c.Inner), func(v []float32) ([]byte, error) {
			return inner.floats(v, max(1, len(v)))
		})
	default:
		row := max(1, t.Shape.Elems())
		if t.Shape.Rank() > 1 {
			row = max(1, row/max(1, t.Shape.Dim(0)))
		}
		b, err = c.floats(t.F32(), row)
	}
	return b, e, err
}

// floats encodes v; row is the group of IntCoded when the choice has none.
func (c Choice) floats(v []float32, row int) ([]byte, error) {
	group := c.Group
	switch c.Encoding {
	case F16:
		return quant.EncodeF16(nil, v), nil
	case BF16:
		return quant.EncodeBF16(nil, v), nil
	case F16Coded:
		return quant.EncodeHalf(nil, v), nil
	case IntCoded:
		if c.Ints != nil {
			return c.Ints.Append(nil)
		}
		if group == 0 {
			group = row
		}
		return quant.Linear{Bits: c.Bits, Group: group}.Ints(v).Append(nil)
	case Palette:
		if c.Palette != nil {
			return c.Palette.Append(nil)
		}
		if group == 0 {
			group = max(1, len(v))
		}
		return quant.FitPalette(v, nil, c.Bits, group).Append(nil)
	}
	return nil, errorf("format: encoding %v cannot be written", c.Encoding)
}

// decode is the inverse, in parts that may run side by side. Raw data is not
// copied.
func decode(e Encoding, spec tensor.Spec, data []byte) (tensor.Tensor, []quant.Part, error) {
	t := tensor.Tensor{Spec: spec}
	if e == Raw {
		if len(data) != spec.Bytes() {
			return t, nil, errorf("%d bytes for %v", len(data), spec)
		}
		t.Data = data
		if !tensor.Aligned(data, spec.DType.Size()) { // a stream's buffer may lie anywhere
			t.Data = tensor.AlignedBytes(len(data))
			copy(t.Data, data)
		}
		return t, nil, nil
	}
	exact := e == Coded || e == zstdExact
	if !exact && spec.DType != tensor.F32 {
		return t, nil, errorf("encoding %v of %v", e, spec.DType)
	}
	t.Data = tensor.AlignedBytes(spec.Bytes())
	var parts []quant.Part
	var err error
	size := spec.DType.Size()
	switch {
	case e == Coded:
		parts, err = quant.DecodeExact(t.Data, data, size, spec.DType == tensor.F32)
	case exact:
		parts = []quant.Part{func([]byte) error { return quant.DecodePlanes(t.Data, data, size) }}
	case e == Sparse:
		parts, err = quant.DecodeSparse(t.F32(), data, func(inner uint8, dst []float32, src []byte) ([]quant.Part, error) {
			return decodeFloats(Encoding(inner), dst, src)
		})
	default:
		parts, err = decodeFloats(e, t.F32(), data)
	}
	return t, parts, err
}

// keepBytes is the least size, decoded, of a tensor that is kept as the file has it.
const keepBytes = 1 << 20

// keeps says that keep can take such a tensor.
func keeps(e Encoding, spec tensor.Spec) bool {
	return (e == F16 || e == F16Coded || e == IntCoded) && spec.DType == tensor.F32 && spec.Bytes() >= keepBytes
}

// keeper is keep, which is linked where it is asked for.
type keeper func(e Encoding, spec tensor.Spec, data []byte) (tensor.Tensor, []quant.Part, error)

// keep is decode to a tensor with a Source.
func keep(e Encoding, spec tensor.Spec, data []byte) (tensor.Tensor, []quant.Part, error) {
	var s *quant.Stored
	var parts []quant.Part
	var err error
	switch n := spec.Shape.Elems(); e {
	case F16:
		s, err = quant.StoreF16(data, n)
	case F16Coded:
		s, parts, err = quant.StoreHalf(data, n)
	default:
		s, parts, err = quant.StoreInts(data, n)
	}
	return tensor.Tensor{Spec: spec, More: &tensor.More{Source: s}}, parts, err
}

func decodeFloats(e Encoding, dst []float32, src []byte) ([]quant.Part, error) {
	var simple func([]float32, []byte) error
	switch e {
	case F16:
		simple = quant.DecodeF16
	case BF16:
		simple = quant.DecodeBF16
	case zstdInt:
		simple = quant.DecodeLinear
	case zstdF16:
		simple = func(dst []float32, src []byte) error {
			half := make([]byte, 2*len(dst))
			if err := quant.DecodePlanes(half, src, 2); err != nil {
				return err
			}
			return quant.DecodeF16(dst, half)
		}
	case F16Coded:
		return quant.DecodeHalf(dst, src)
	case IntCoded:
		return quant.DecodeInts(dst, src)
	case Palette:
		return quant.DecodePalette(dst, src)
	default:
		return nil, &UnsupportedError{e.String()}
	}
	return []quant.Part{func([]byte) error { return simple(dst, src) }}, nil
}
