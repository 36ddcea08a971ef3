package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

var scatterFns = map[string]ops.ScatterFn{"none": ops.ScatterSet, "add": ops.ScatterAdd, "mul": ops.ScatterMul, "max": ops.ScatterMax, "min": ops.ScatterMin}

// importScatter is ScatterElements (Scatter before operator set 11) or, with
// nd, ScatterND.
func importScatter(nd bool) handler {
	return func(c *call) error {
		if err := c.need(3); err != nil {
			return err
		}
		fn, ok := scatterFns[c.string("reduction", "none")]
		if !ok {
			return fmt.Errorf("reduction is %q", c.string("reduction", ""))
		}
		return c.out(&ops.Scatter{Axis: c.int("axis", 0), ND: nd, Fn: fn}, c.in[:3]...)
	}
}

// importGatherND picks slices by rows of indices of the first dimensions: by one index
// in all of these as one.
func importGatherND(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if c.int("batch_dims", 0) != 0 {
		return fmt.Errorf("batch_dims is %d", c.int("batch_dims", 0))
	}
	s, is := c.in[0].spec().Shape, c.in[1].spec().Shape
	if is.Rank() == 0 || is.Channels() < 1 || is.Channels() > s.Rank() || c.in[1].spec().DType != tensor.I64 {
		return fmt.Errorf("indices %v of %v", c.in[1].spec(), s)
	}
	n, step := is.Channels(), 1
	dims, strides := make([]int64, n), make([]int64, n)
	for i := n - 1; i >= 0; i-- {
		if c.open && batchyInt(int64(s.Dim(i))) {
			return &bakedError{why: "its indices count the open batch"}
		}
		dims[i], strides[i], step = int64(s.Dim(i)), int64(step), step*s.Dim(i)
	}
	at, err := c.in[1], error(nil)
	for _, o := range []struct {
		op   ops.Op
		with []int64
	}{{&ops.Binary{Fn: ops.BinaryMod}, dims}, {&ops.Binary{Fn: ops.BinaryMul}, strides}} { // negative ones count from the end
		if at, err = c.add(c.label()+"_steps", o.op, at, c.known("by", tensor.FromI64(o.with, n))); err != nil {
			return err
		}
	}
	if at, err = c.add(c.label()+"_offset", &ops.Reduce{Fn: ops.ReduceSum, Axes: []int{is.Rank() - 1}}, at); err != nil {
		return err
	}
	x, err := c.reshape(c.label()+"_rows", c.in[0], append([]int{step}, s.Dims()[n:]...))
	if err != nil {
		return err
	}
	return c.out(&ops.Gather{}, x, at)
}
