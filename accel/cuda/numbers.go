package cuda

import (
	"fmt"
	"math"

	"github.com/x448/float16"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// numbers is what a program computes with: the type of activations in the
// device's memory, and what convolutions multiply.
type numbers struct {
	element string // of kernels' names
	size    int    // bytes
	product string // of convolutions on tensor cores, "" for plain float32
	needs   int    // the least capability
}

// numbersOf is what a precision means on this backend. Every kernel computes in
// float32; tensor cores multiply shorter numbers and add in float32.
func numbersOf(p ops.Precision) (numbers, error) {
	switch p {
	case ops.PrecisionF32:
		return numbers{"f32", 4, "", 0}, nil
	case ops.PrecisionTF32:
		return numbers{"f32", 4, "tf32", 80}, nil
	case ops.PrecisionF16:
		return numbers{"f16", 2, "f16", 80}, nil
	case ops.PrecisionBF16:
		return numbers{"bf16", 2, "bf16", 80}, nil
	}
	return numbers{}, fmt.Errorf("precision %v has no kernels", p)
}

// stored is a weight as activations are stored.
func (l *lowering) stored(t tensor.Tensor) weight {
	if t.DType != tensor.F32 {
		return raw(t)
	}
	switch l.numbers.element {
	case "f16":
		return made("f16", 2*t.Shape.Elems(), func() ([]byte, error) { return halves(t.F32()) }, t)
	case "bf16":
		return made("bf16", 2*t.Shape.Elems(), func() ([]byte, error) { return bfloats(t.F32()), nil }, t)
	}
	return raw(t)
}

// filtered is a weight as tensor cores take it.
func (l *lowering) filtered(t tensor.Tensor) weight {
	if l.numbers.product == "tf32" {
		return made("tf32", len(t.Data), func() ([]byte, error) { return tf32s(t.F32()), nil }, t)
	}
	return l.stored(t)
}

// halves are numbers as IEEE's binary16, to nearest, ties to even.
func halves(v []float32) ([]byte, error) {
	b := make([]uint16, len(v))
	for i, f := range v {
		h := float16.Fromfloat32(f)
		if h.IsInf(0) && !math.IsInf(float64(f), 0) {
			return nil, fmt.Errorf("a weight of %g is beyond f16's 65504", f)
		}
		b[i] = h.Bits()
	}
	return tensor.BytesOf(b), nil
}

// bfloats are the upper halves of numbers, to nearest, ties to even.
func bfloats(v []float32) []byte {
	b := make([]uint16, len(v))
	for i, f := range v {
		u := math.Float32bits(f)
		if f != f {
			b[i] = uint16(u>>16) | 0x40
			continue
		}
		b[i] = uint16((u + 0x7fff + u>>16&1) >> 16)
	}
	return tensor.BytesOf(b)
}

// tf32s are numbers with 10 bits of fraction, to nearest, ties away from 0, as the
// device rounds activations.
func tf32s(v []float32) []byte {
	b := make([]uint32, len(v))
	for i, f := range v {
		b[i] = math.Float32bits(f)
		if !math.IsInf(float64(f), 0) && f == f {
			b[i] = (b[i] + 0x1000) &^ 0x1fff
		}
	}
	return tensor.BytesOf(b)
}
