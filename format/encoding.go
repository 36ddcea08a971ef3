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
	Raw    Encoding = 0 // the elements
	F16    Encoding = 1 // f32 rounded to half precision
	BF16   Encoding = 2 // f32 rounded to bfloat16
	Planes Encoding = 3 // exact: byte planes, zstd, in chunks
	Int    Encoding = 4 // f32 as integers of 2 to 8 bits with a scale a group
	F16Z   Encoding = 5 // f16 as in F16, then byte planes
)

var encodingNames = []string{"raw", "f16", "bf16", "zstd", "int", "f16+zstd"}

func (e Encoding) String() string {
	if int(e) < len(encodingNames) {
		return encodingNames[e]
	}
	return fmt.Sprintf("encoding %d", uint8(e))
}

// Choice is an encoding with its parameters.
type Choice struct {
	Encoding Encoding
	Bits     int // of Int
	Group    int // elements a scale, of Int; 0: all elements of one index of the first dimension
}

// encode stores t.
func (c Choice) encode(t tensor.Tensor) ([]byte, error) {
	if c.Encoding != Raw && c.Encoding != Planes && t.DType != tensor.F32 {
		return nil, fmt.Errorf("format: encoding %v is for f32, not %v", c.Encoding, t.DType)
	}
	switch c.Encoding {
	case Raw:
		return t.Data, nil
	case F16:
		return quant.EncodeF16(nil, t.F32()), nil
	case BF16:
		return quant.EncodeBF16(nil, t.F32()), nil
	case Planes:
		return quant.EncodePlanes(nil, t.Data, t.DType.Size())
	case F16Z:
		return quant.EncodePlanes(nil, quant.EncodeF16(nil, t.F32()), 2)
	case Int:
		group := c.Group
		if group == 0 {
			group = max(1, t.Shape.Elems())
			if t.Shape.Rank() > 1 {
				group = max(1, t.Shape.Elems()/max(1, t.Shape.Dim(0)))
			}
		}
		return quant.Linear{Bits: c.Bits, Group: group}.EncodeLinear(nil, t.F32())
	}
	return nil, fmt.Errorf("format: encoding %v is not known", c.Encoding)
}

// decode is the inverse. Raw data is not copied.
func decode(e Encoding, spec tensor.Spec, data []byte) (tensor.Tensor, error) {
	t := tensor.Tensor{Spec: spec}
	if e == Raw {
		if len(data) != spec.Bytes() {
			return t, fmt.Errorf("%d bytes for %v", len(data), spec)
		}
		t.Data = data
		if !tensor.Aligned(data, spec.DType.Size()) { // a stream's buffer may lie anywhere
			t.Data = tensor.AlignedBytes(len(data))
			copy(t.Data, data)
		}
		return t, nil
	}
	if e != Planes && spec.DType != tensor.F32 {
		return t, fmt.Errorf("encoding %v of %v", e, spec.DType)
	}
	t.Data = tensor.AlignedBytes(spec.Bytes())
	var err error
	switch e {
	case F16:
		err = quant.DecodeF16(t.F32(), data)
	case BF16:
		err = quant.DecodeBF16(t.F32(), data)
	case Planes:
		err = quant.DecodePlanes(t.Data, data, spec.DType.Size())
	case F16Z:
		half := make([]byte, 2*spec.Shape.Elems())
		if err = quant.DecodePlanes(half, data, 2); err == nil {
			err = quant.DecodeF16(t.F32(), half)
		}
	case Int:
		err = quant.DecodeLinear(t.F32(), data)
	default:
		err = &UnsupportedError{e.String()}
	}
	return t, err
}
