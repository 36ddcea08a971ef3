package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
)

func importSoftmax(log bool) handler {
	return func(c *call) error {
		if err := c.need(1); err != nil {
			return err
		}
		rank := c.in[0].rank()
		def := -1
		if c.opset < 13 {
			def = 1
		}
		axis, err := axisIn(c.int("axis", def), rank)
		if err != nil {
			return err
		}
		if c.opset < 13 && axis < rank-1 {
			return c.out(&ops.Softmax{Axis: axis, Log: log, Flatten: true}, c.in[0])
		}
		return c.anyLayout(0, func(l layout) ops.Op { return &ops.Softmax{Axis: l.axis(axis), Log: log} }, c.in[0])
	}
}

// importReduce: the axes became an input at operator set 18 (13 for the sum).
func importReduce(fn ops.ReduceFn) handler {
	return func(c *call) error {
		if err := c.need(1); err != nil {
			return err
		}
		since := int64(18)
		if fn == ops.ReduceSum {
			since = 13
		}
		axes, err := c.intsAttrOrInput("axes", since, 1)
		if err != nil {
			return err
		}
		rank := c.in[0].rank()
		for i := range axes {
			if axes[i], err = axisIn(axes[i], rank); err != nil {
				return err
			}
		}
		keep, noop := c.bool("keepdims", true), c.bool("noop_with_empty_axes", false)
		make := func(l layout) ops.Op {
			mapped := append([]int(nil), axes...)
			for i := range mapped {
				mapped[i] = l.axis(mapped[i])
			}
			return &ops.Reduce{Fn: fn, Axes: mapped, KeepDims: keep, NoOp: noop}
		}
		if !keep { // the result's layout would be another
			make2 := make
			make = func(layout) ops.Op { return make2(layout{rank: rank}) }
			return c.typed(make(layout{}), c.in[0])
		}
		y, err := c.arith(c.outName(0), make, c.in[0])
		if err != nil {
			return err
		}
		c.set(0, y)
		return nil
	}
}

// typed is out by way of the type that arithmetic happens in.
func (c *call) typed(op ops.Op, x *value) error {
	d := x.spec().DType
	x, err := c.cast(x, computeType(d))
	if err != nil {
		return err
	}
	y, err := c.add(c.outName(0), op, x)
	if err != nil {
		return err
	}
	if y, err = c.cast(y, d); err != nil {
		return err
	}
	c.set(0, y)
	return nil
}

func importArg(smallest bool) handler {
	return func(c *call) error {
		if err := c.need(1); err != nil {
			return err
		}
		x, err := c.cast(c.in[0], computeType(c.in[0].spec().DType))
		if err != nil {
			return err
		}
		return c.out(&ops.ArgMax{Axis: c.int("axis", 0), KeepDims: c.bool("keepdims", true), Min: smallest, Last: c.bool("select_last_index", false)}, x)
	}
}

func importTopK(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	k := c.int("k", 0)
	if c.opset >= 10 {
		ks, err := c.constInts(1, "k")
		if err != nil {
			return err
		}
		if len(ks) != 1 {
			return fmt.Errorf("k is %v", ks)
		}
		k = ks[0]
	}
	for i := range 2 {
		op := &ops.TopK{K: k, Axis: c.int("axis", -1), Smallest: !c.bool("largest", true), Unsorted: !c.bool("sorted", true), Output: i}
		if err := c.outAt(i, op, c.in[0]); err != nil {
			return err
		}
	}
	return nil
}

func importCumSum(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	axis, err := c.constInts(1, "the axis")
	if err != nil {
		return err
	}
	if len(axis) != 1 {
		return fmt.Errorf("axis is %v", axis)
	}
	return c.out(&ops.CumSum{Axis: axis[0], Exclusive: c.bool("exclusive", false), Reverse: c.bool("reverse", false)}, c.in[0])
}

func importLpNorm(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	axis, err := axisIn(c.int("axis", -1), c.in[0].rank())
	if err != nil {
		return err
	}
	p := c.int("p", 2)
	return c.anyLayout(0, func(l layout) ops.Op { return &ops.LpNorm{P: p, Axis: l.axis(axis)} }, c.in[0])
}
