package cuda

import (
	"fmt"
	"math"
	"slices"

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
		return float32s(), nil
	case ops.PrecisionTF32:
		return numbers{"f32", 4, "tf32", 80}, nil
	case ops.PrecisionF16:
		return numbers{"f16", 2, "f16", 80}, nil
	case ops.PrecisionBF16:
		return numbers{"bf16", 2, "bf16", 80}, nil
	}
	return numbers{}, fmt.Errorf("precision %v has no kernels", p)
}

// float32s are plain ones.
func float32s() numbers { return numbers{"f32", 4, "", 0} }

// stored is a weight as the node's activations are stored.
func (n *node) stored(t tensor.Tensor) weight { return inKind(n.element, t) }

// filtered is a weight as tensor cores take it.
func (n *node) filtered(t tensor.Tensor) weight { return inKind(n.numbers.product, t) }

func inKind(kind string, t tensor.Tensor) weight {
	if t.DType != tensor.F32 || kind == "f32" {
		return raw(t)
	}
	return made(kind, bytesOf(kind)*t.Shape.Elems(), func() ([]byte, error) { return rounded(kind, t.F32()) }, t)
}

// parted is a weight as tensor cores take it, in two parts that add up to it: the
// second is what rounding the first left: [OC,2,KH,KW,C].
func (n *node) parted(t tensor.Tensor) weight {
	kind := n.numbers.product
	return made(kind+" parted", 2*bytesOf(kind)*t.Shape.Elems(), func() ([]byte, error) {
		high, err := rounded(kind, t.F32())
		if err != nil {
			return nil, err
		}
		rest := floatsOf(kind, high)
		for i, v := range t.F32() {
			if rest[i] = v - rest[i]; rest[i] != rest[i] { // of infinities
				rest[i] = 0
			}
		}
		low, err := rounded(kind, rest)
		if err != nil {
			return nil, err
		}
		both, row := make([]byte, 0, 2*len(high)), len(high)/t.Shape.Dim(0)
		for i := 0; i < len(high); i += row {
			both = append(append(both, high[i:i+row]...), low[i:i+row]...)
		}
		return both, nil
	}, t)
}

func bytesOf(kind string) int {
	if kind == "f16" || kind == "bf16" {
		return 2
	}
	return 4
}

// rounded are numbers as a kind of product has them.
func rounded(kind string, v []float32) ([]byte, error) {
	switch kind {
	case "f16":
		return halves(v)
	case "bf16":
		return bfloats(v), nil
	}
	return tf32s(v), nil
}

// floatsOf are rounded numbers as float32.
func floatsOf(kind string, b []byte) []float32 {
	if kind == "tf32" {
		return slices.Clone(tensor.CastSlice[float32](b))
	}
	v := make([]float32, len(b)/2)
	for i, h := range tensor.CastSlice[uint16](b) {
		if v[i] = math.Float32frombits(uint32(h) << 16); kind == "f16" {
			v[i] = float16.Frombits(h).Float32()
		}
	}
	return v
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
