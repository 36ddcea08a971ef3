package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// importQuantize is QuantizeLinear.
func importQuantize(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	op := &ops.Quantize{Axis: c.int("axis", 1)}
	to := tensor.U8
	if z := c.arg(2); z != nil {
		to = z.spec().DType
	} else if t := int32(c.int("output_dtype", 0)); t != 0 {
		d, ok := dtypeOf(t)
		if !ok {
			return &TypeError{c.outName(0), typeName(t)}
		}
		to = d
	}
	if c.int("block_size", 0) != 0 {
		return c.quantizeBlocks(to)
	}
	x, err := c.cast(c.in[0], tensor.F32)
	if err != nil {
		return err
	}
	if s, z, ok := c.affine(1); ok && to.IsInt8() {
		out := ops.QuantOut(to, s, z)
		if y := c.fuseQuantized(x, out); y != nil {
			c.set(0, y)
			return nil
		}
		return c.anyLayout(0, func(layout) ops.Op { return &ops.Quantize{Out: out} }, x)
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
// own scale needs no operands; the integers of
// constants are remembered.
func importDequantize(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if c.int("block_size", 0) != 0 {
		return c.dequantizeBlocks()
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
	if x.isConst() && y.isConst() {
		c.noteIntegers(y, x)
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
	if op, params, ok := c.staticQLinear(w); ok {
		x, err := c.toNHWC(c.in[0])
		if err != nil {
			return err
		}
		if y, err := c.addNode(c.outName(0), op, params, []graph.ID{x.node()}); err == nil {
			if y, err = c.fromNHWC(y); err != nil {
				return err
			}
			c.set(0, y)
			return nil
		}
	}
	if rest[2], err = c.weight(rest[2]); err != nil {
		return err
	}
	return c.spatial(0, &ops.QLinearConv{Window: w, Groups: c.int("group", 1)}, c.in[0], rest...)
}

// staticQLinear is a QLinearConv whose scales are constants, and whose input
// says the same scale, as a convolution of integers.
func (c *call) staticQLinear(w ops.Window) (ops.Op, []tensor.Tensor, bool) {
	sx, zx, okX := c.affine(1)
	sy, zy, okY := c.affine(6)
	x, wv, ws, wz := c.in[0], c.in[3], c.in[4], c.in[5]
	if !okX || !okY || x.isConst() || !x.spec().Quant.Equal(tensor.Affine(sx, zx)) || !wv.isConst() || !ws.isConst() || ws.c.DType != tensor.F32 || !wz.isConst() || wv.rank() < 3 {
		return nil, nil, false
	}
	if !c.copies(len(wv.c.Data)) {
		return nil, nil, false
	}
	q := permute(wv.c, toNHWC(wv.rank()))
	q.Quant = tensor.Quant{Scale: ws.c.F32()}
	for i := range wz.c.Shape.Elems() {
		f, err := hostFloat(wz.c, i)
		if err != nil {
			return nil, nil, false
		}
		q.Quant.Zero = append(q.Quant.Zero, int32(f))
	}
	if len(q.Quant.Zero) == 1 && len(q.Quant.Scale) > 1 {
		for range q.Quant.Scale[1:] {
			q.Quant.Zero = append(q.Quant.Zero, q.Quant.Zero[0])
		}
	}
	params := []tensor.Tensor{q}
	if b := c.arg(8); b != nil {
		if !b.isConst() {
			return nil, nil, false
		}
		params = append(params, b.c)
	}
	for _, p := range params {
		if p.Check() != nil {
			return nil, nil, false
		}
	}
	return &ops.Conv{Window: w, Groups: c.int("group", 1), Out: ops.QuantOut(c.in[7].spec().DType, sy, zy)}, params, true
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
