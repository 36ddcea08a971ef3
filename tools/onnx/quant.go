package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// importQuantize is QuantizeLinear.
func importQuantize(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if c.int("block_size", 0) != 0 {
		return fmt.Errorf("scales for blocks")
	}
	op := &ops.Quantize{Axis: c.int("axis", 1)}
	to := tensor.U8
	if z := c.arg(2); z != nil {
		to = z.spec().DType
	} else if t := int32(c.int("output_dtype", 0)); t != 0 {
		d, ok := dtypes[t]
		if !ok {
			return &TypeError{c.outName(0), typeName(t)}
		}
		to = d
	}
	x, err := c.cast(c.in[0], tensor.F32)
	if err != nil {
		return err
	}
	if s, z, ok := c.affine(1); ok && to.IsInt8() {
		return c.anyLayout(0, func(layout) ops.Op { return &ops.Quantize{Out: ops.QuantOut(to, s, z)} }, x)
	}
	op.Out.DType = to
	in, err := c.quantInputs(x)
	if err != nil {
		return err
	}
	return c.out(op, in...)
}

// affine is a constant scale and zero point for a whole tensor, inputs i and
// i+1.
func (c *call) affine(i int) (scale float32, zero int, ok bool) {
	s, z := c.arg(i), c.arg(i+1)
	if s == nil || !s.isConst() || s.c.DType != tensor.F32 || s.c.Shape.Elems() != 1 || !(s.c.F32()[0] > 0) {
		return 0, 0, false
	}
	if z != nil {
		if !z.isConst() || z.c.Shape.Elems() != 1 {
			return 0, 0, false
		}
		f, err := hostFloat(z.c, 0)
		if err != nil {
			return 0, 0, false
		}
		zero = int(f)
	}
	return s.c.F32()[0], zero, true
}

// quantInputs are x, the scale in float32 and the zero point where there is
// one.
func (c *call) quantInputs(x *value) ([]*value, error) {
	rest, err := c.present(1)
	if err != nil {
		return nil, err
	}
	s, err := c.cast(rest[0], tensor.F32)
	if err != nil {
		return nil, err
	}
	return append([]*value{x, s}, rest[1:]...), nil
}

// importDequantize is DequantizeLinear. A quantised activation that says its
// own scale needs no operands; weights keep their integers for FuseQDQ.
func importDequantize(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if c.int("block_size", 0) != 0 {
		return fmt.Errorf("scales for blocks")
	}
	x := c.in[0]
	d := c.in[1].spec().DType
	var y *value
	var err error
	if s, z, ok := c.affine(1); ok && !x.isConst() && x.spec().Quant.Equal(tensor.Affine(s, z)) {
		y, err = c.addAnyLayout(c.outName(0), func(layout) ops.Op { return &ops.Dequantize{} }, x)
	} else {
		in, e := c.quantInputs(x)
		if e != nil {
			return e
		}
		y, err = c.add(c.outName(0), &ops.Dequantize{Axis: c.int("axis", 1)}, in...)
	}
	if err != nil {
		return err
	}
	if y, err = c.cast(y, d); err != nil { // float16 scales give float16
		return err
	}
	c.set(0, y)
	return nil
}

func importDynamicQuantize(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	for i := range 3 {
		if err := c.outAt(i, &ops.DynamicQuantize{Output: i}, c.in[0]); err != nil {
			return err
		}
	}
	return nil
}

// importQLinearConv: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero,
// bias.
func importQLinearConv(c *call) error {
	if err := c.need(8); err != nil {
		return err
	}
	w, err := c.window(c.in[0].rank()-2, false)
	if err != nil {
		return err
	}
	rest, err := c.present(1)
	if err != nil {
		return err
	}
	if rest[2], err = c.weight(rest[2]); err != nil {
		return err
	}
	return c.spatial(0, &ops.QLinearConv{Window: w, Groups: c.int("group", 1)}, c.in[0], rest...)
}

// importQLinearMatMul brings float16 scales to float32, which holds them
// exactly.
func importQLinearMatMul(c *call) error {
	if err := c.need(8); err != nil {
		return err
	}
	in := append([]*value(nil), c.in[:8]...)
	for _, i := range []int{1, 4, 6} {
		var err error
		if in[i], err = c.cast(in[i], tensor.F32); err != nil {
			return err
		}
	}
	return c.out(&ops.QLinearMatMul{}, in...)
}

func importConvInteger(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	w, err := c.window(c.in[0].rank()-2, false)
	if err != nil {
		return err
	}
	rest, err := c.zeroPoints()
	if err != nil {
		return err
	}
	if rest[0], err = c.weight(rest[0]); err != nil {
		return err
	}
	return c.spatial(0, &ops.ConvInteger{Window: w, Groups: c.int("group", 1)}, c.in[0], rest...)
}

func importMatMulInteger(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	rest, err := c.zeroPoints()
	if err != nil {
		return err
	}
	return c.out(&ops.MatMulInteger{}, append([]*value{c.in[0]}, rest...)...)
}

// zeroPoints are inputs 1 to 3: the weight and the zero points; a first one
// left out is 0 when the second is there.
func (c *call) zeroPoints() ([]*value, error) {
	if c.arg(2) == nil && c.arg(3) != nil {
		d := c.in[0].spec().DType
		if !d.IsInt8() {
			return nil, fmt.Errorf("input is %v", d)
		}
		c.in[2] = c.known("zero", tensor.New(tensor.Spec{DType: d}))
	}
	return c.present(1)
}
