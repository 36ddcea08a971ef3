package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

var quantOps = []Desc{
	{KindQuantize, "Quantize", func() Op { return new(Quantize) }},
	{KindDequantize, "Dequantize", func() Op { return new(Dequantize) }},
	{KindDynamicQuantize, "DynamicQuantize", func() Op { return new(DynamicQuantize) }},
	{KindQLinearConv, "QLinearConv", func() Op { return new(QLinearConv) }},
	{KindQLinearMatMul, "QLinearMatMul", func() Op { return new(QLinearMatMul) }},
	{KindConvInteger, "ConvInteger", func() Op { return new(ConvInteger) }},
	{KindMatMulInteger, "MatMulInteger", func() Op { return new(MatMulInteger) }},
}

// checkScale checks a scale operand: f32, one value or n.
func checkScale(k Kind, what string, s *tensor.Spec, n int) error {
	if s.DType != tensor.F32 || (s.Shape.Elems() != 1 && s.Shape.Elems() != n) {
		return notShape(k, what, fmt.Sprintf("f32, 1 or %d values", n), s.String())
	}
	return nil
}

// checkZero checks a zero point operand: of type d, one value or n.
func checkZero(k Kind, what string, s *tensor.Spec, d tensor.DType, n int) error {
	if s.DType != d || (s.Shape.Elems() != 1 && s.Shape.Elems() != n) {
		return notShape(k, what, fmt.Sprintf("%v, 1 or %d values", d, n), s.String())
	}
	return nil
}

// checkQLinear checks what QLinearConv and QLinearMatMul have besides x, w and a
// bias: scales and zero points of x, one or nx of each, and of w, one or nw.
func checkQLinear(k Kind, o []tensor.Spec, nx, nw int) error {
	for i, n := range []int{nx, nw, 1} {
		name, at, d := [...]string{"input", "weight", "output"}[i], [...]int{1, 4, 6}[i], o[[...]int{0, 3, 7}[i]].DType
		if err := checkScale(k, name+" scale", &o[at], n); err != nil {
			return err
		}
		if err := checkZero(k, name+" zero point", &o[at+1], d, n); err != nil {
			return err
		}
	}
	if d := o[7].DType; !d.IsInt8() {
		return errf(k, "output is %v, want i8 or u8", d)
	}
	return nil
}

// checkZeros checks the zero points of x and w that ConvInteger and MatMulInteger
// may have behind these: one or nx, one or nw.
func checkZeros(k Kind, o []tensor.Spec, nx, nw int) error {
	for i, z := range o[2:] {
		if err := checkZero(k, [...]string{"input", "weight"}[i]+" zero point", &z, o[i].DType, [...]int{nx, nw}[i]); err != nil {
			return err
		}
	}
	return nil
}

// scaleAt is value c of a scale operand.
func scaleAt(t *tensor.Tensor, c int) float32 {
	v := f32(t)
	if len(v) == 1 {
		return v[0]
	}
	return v[c]
}

// zeroAt is value c of a zero point operand of any integer type, 0 where there
// is none.
func zeroAt(t *tensor.Tensor, c int) int32 {
	if t == nil || t.IsZero() {
		return 0
	}
	if t.Shape.Elems() == 1 {
		c = 0
	}
	return intAt(t, c)
}

// intAt is element i of an integer tensor.
func intAt(t *tensor.Tensor, i int) int32 {
	switch t.DType {
	case tensor.I8:
		return int32(int8(t.Data[i]))
	case tensor.U8:
		return int32(t.Data[i])
	}
	return i32(t)[i]
}

// optional is operand i, nil where there are fewer than i+1.
func optional(a *Args, params []tensor.Tensor, i int) *tensor.Tensor {
	if i < len(a.In)+len(params) {
		return arg(a, params, i)
	}
	return nil
}

// axisOf splits a shape at an axis: outer * n * inner elements.
func axisOf(k Kind, s tensor.Shape, axis int) (outer, n, inner int, err error) {
	if axis < 0 {
		axis += s.Rank()
	}
	if s.Rank() == 0 && (axis == 0 || axis == -1) {
		return 1, 1, 1, nil
	}
	if axis < 0 || axis >= s.Rank() {
		return 0, 0, 0, errf(k, "axis %d of shape %v", axis, s)
	}
	outer, inner = 1, 1
	for i := range s.Rank() {
		switch {
		case i < axis:
			outer *= s.Dim(i)
		case i > axis:
			inner *= s.Dim(i)
		}
	}
	return outer, s.Dim(axis), inner, nil
}
