package tensor

import (
	"fmt"
	"math"
	"slices"
)

// Quant says how integers stand for real numbers: real = Scale * (q - Zero).
// Activations have one scale and zero point; weights one for each index of
// dimension Axis, with zero points of 0 unless the source had others. The zero
// value means the elements stand for themselves.
type Quant struct {
	Scale []float32
	Zero  []int32 // nil means all 0; else as long as Scale
	Axis  int     // which dimension the scales run along; only with more than one
}

// Affine is the quantisation of an activation tensor.
//
//go:noinline
func Affine(scale float32, zero int) Quant {
	return Quant{Scale: []float32{scale}, Zero: []int32{int32(zero)}}
}

// PerChannel is the symmetric quantisation of a weight tensor along axis.
func PerChannel(scale []float32, axis int) Quant { return Quant{Scale: scale, Axis: axis} }

// IsZero reports whether q says nothing.
func (q Quant) IsZero() bool { return len(q.Scale) == 0 }

// PerTensor reports whether q has exactly one scale.
func (q Quant) PerTensor() bool { return len(q.Scale) == 1 }

// At is the scale and zero point of channel i.
//
//go:noinline
func (q Quant) At(i int) (scale float32, zero int32) {
	if len(q.Scale) == 1 {
		i = 0
	}
	if q.Zero != nil {
		zero = q.Zero[i]
	}
	return q.Scale[i], zero
}

// Equal compares values, not storage; missing zero points equal zeros.
func (q Quant) Equal(r Quant) bool {
	if !slices.Equal(q.Scale, r.Scale) || (len(q.Scale) > 1 && q.Axis != r.Axis) {
		return false
	}
	for i := range q.Scale {
		_, a := q.At(i)
		_, b := r.At(i)
		if a != b {
			return false
		}
	}
	return true
}

// Check says what is wrong with q as the quantisation of a tensor of type d
// and shape s.
func (q Quant) Check(d DType, s Shape) error {
	if q.IsZero() {
		if q.Zero != nil {
			return errf("quantisation has zero points but no scale")
		}
		return nil
	}
	if d != I8 && d != U8 && d != I32 {
		return errf("%v cannot be quantised", d)
	}
	if len(q.Scale) > 1 {
		if q.Axis < 0 || q.Axis >= s.Rank() {
			return errf("quantisation axis %d of shape %v", q.Axis, s)
		}
		if s.Dim(q.Axis) != len(q.Scale) {
			return errf("%d scales for %d channels", len(q.Scale), s.Dim(q.Axis))
		}
	}
	if q.Zero != nil && len(q.Zero) != len(q.Scale) {
		return errf("%d zero points for %d scales", len(q.Zero), len(q.Scale))
	}
	for i, sc := range q.Scale {
		if !(sc >= 0) || math.IsInf(float64(sc), 0) {
			return errf("scale %d is %v", i, sc)
		}
	}
	lo, hi := IntRange(d)
	for i, z := range q.Zero {
		if int64(z) < lo || int64(z) > hi {
			return errf("zero point %d is %d, outside %v", i, z, d)
		}
	}
	return nil
}

// IntRange is the smallest and largest number an integer type holds; 0, 0 for
// the other types.
//
//go:noinline
func IntRange(d DType) (lo, hi int64) {
	switch d {
	case I8:
		return math.MinInt8, math.MaxInt8
	case U8:
		return 0, math.MaxUint8
	case I32:
		return math.MinInt32, math.MaxInt32
	case I64:
		return math.MinInt64, math.MaxInt64
	}
	return 0, 0
}

func (q Quant) String() string {
	switch {
	case q.IsZero():
		return ""
	case q.PerTensor():
		s, z := q.At(0)
		return fmt.Sprintf("q(%g,%d)", s, z)
	}
	return fmt.Sprintf("q(%d scales, axis %d)", len(q.Scale), q.Axis)
}
