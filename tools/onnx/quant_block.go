package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// Scales for blocks of an axis have no operator of ours: the formulas are
// written out, with scales and zero points spread over their blocks.

// spread repeats each index of v along the axis for a block of x's elements.
func (c *call) spread(v *value, axis, block int) (*value, error) {
	n := c.in[0].spec().Shape.Dim(axis)
	if v.rank() != c.in[0].rank() || block < 1 || v.spec().Shape.Dim(axis) != (n+block-1)/block {
		return nil, fmt.Errorf("scales %v for blocks of %d of %v", v.spec().Shape, block, c.in[0].spec().Shape)
	}
	if !c.makes(8 * n) {
		return nil, fmt.Errorf("blocks of a dimension of %d, which is too large", n)
	}
	idx := make([]int64, n)
	for i := range idx {
		idx[i] = int64(i / block)
	}
	w, err := c.cast(v, tensor.F32)
	if err != nil {
		return nil, err
	}
	return c.add(v.name+"_blocks", &ops.Gather{Axis: axis}, w, c.known("blocks", tensor.FromI64(idx, n)))
}

// blockOperands are the scale and zero point (nil where there is none).
func (c *call) blockOperands() (scale, zero *value, err error) {
	axis, err := axisIn(c.int("axis", 1), c.in[0].rank())
	if err != nil {
		return nil, nil, err
	}
	block := c.int("block_size", 0)
	if scale, err = c.spread(c.in[1], axis, block); err != nil {
		return nil, nil, err
	}
	if z := c.arg(2); z != nil {
		zero, err = c.spread(z, axis, block)
	}
	return scale, zero, err
}

// quantizeBlocks is clamp(roundHalfEven(x/scale) + zero).
func (c *call) quantizeBlocks(to tensor.DType) error {
	if !to.IsInt8() {
		return fmt.Errorf("scales for blocks of type %v", to)
	}
	scale, zero, err := c.blockOperands()
	if err != nil {
		return err
	}
	y, err := c.cast(c.in[0], tensor.F32)
	if err == nil {
		y, err = c.add(c.label(), &ops.Binary{Fn: ops.BinaryDiv}, y, scale)
	}
	if err == nil {
		y, err = c.add(c.label(), &ops.Unary{Fn: ops.UnaryRound}, y)
	}
	if err == nil && zero != nil {
		y, err = c.add(c.label(), &ops.Binary{Fn: ops.BinaryAdd}, y, zero)
	}
	lo, hi := tensor.IntRange(to)
	if err == nil {
		y, err = c.add(c.label(), &ops.Unary{Fn: ops.UnaryClip, A: float32(lo), B: float32(hi)}, y)
	}
	if err != nil {
		return err
	}
	return c.out(&ops.Cast{To: to}, y)
}

// dequantizeBlocks is (x - zero) * scale.
func (c *call) dequantizeBlocks() error {
	scale, zero, err := c.blockOperands()
	if err != nil {
		return err
	}
	y, err := c.cast(c.in[0], tensor.F32)
	if err == nil && zero != nil {
		y, err = c.add(c.label(), &ops.Binary{Fn: ops.BinarySub}, y, zero)
	}
	if err != nil {
		return err
	}
	if y, err = c.add(c.label(), &ops.Binary{Fn: ops.BinaryMul}, y, scale); err != nil {
		return err
	}
	if y, err = c.cast(y, c.in[1].spec().DType); err != nil {
		return err
	}
	c.set(0, y)
	return nil
}
