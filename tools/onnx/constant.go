package onnx

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// importShape is a constant: all but the batch is known.
func importShape(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	d := c.in[0].spec().Shape.Dims()
	start, end := clampAxis(c.int("start", 0), len(d)), clampAxis(c.int("end", math.MaxInt32), len(d))
	d = d[start:max(start, end)]
	v := make([]int64, len(d))
	for i := range d {
		v[i] = int64(d[i])
	}
	c.setInts(v, len(v))
	return nil
}

func clampAxis(a, rank int) int {
	if a < 0 {
		a += rank
	}
	return min(max(a, 0), rank)
}

// setInts makes output 0 a constant of the given dimensions.
func (c *call) setInts(v []int64, dims ...int) {
	t := tensor.FromI64(v, dims...)
	k := c.known(c.outName(0), t)
	k.batchy = c.open && batchyTensor(t)
	c.set(0, k)
}

func importSize(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	c.setInts([]int64{int64(c.in[0].spec().Shape.Elems())})
	return nil
}

func importConstantOfShape(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	dims, batchy, err := c.constIntsBatch(0, "the shape")
	if err != nil {
		return err
	}
	fill := tensor.FromF32([]float32{0}, 1)
	if a := c.attr("value"); a != nil && a.t != nil {
		v, err := c.constant(a.t)
		if err != nil {
			return err
		}
		if v.double != nil {
			if v = c.single(v); v == nil {
				return c.b.Err()
			}
		}
		if v.err != nil {
			return v.err
		}
		if fill = v.c; fill.Shape.Elems() != 1 {
			return fmt.Errorf("the value has %d elements", fill.Shape.Elems())
		}
	}
	s, err := tensor.NewShape(dims...)
	if err != nil {
		return err
	}
	if batchy && c.open && len(dims) > 0 {
		return c.grown(c.known(c.outName(0), fill), dims, func(d []int) ops.Op { return &ops.Expand{Dims: d} })
	}
	spec := tensor.Spec{DType: fill.DType, Shape: s}
	if !c.makes(spec.Bytes()) {
		return fmt.Errorf("a constant of %v is too large", spec)
	}
	t := tensor.New(spec)
	for at := 0; at < len(t.Data); at += len(fill.Data) {
		copy(t.Data[at:], fill.Data)
	}
	c.set(0, c.known(c.outName(0), t))
	return nil
}

func importConstant(c *call) error {
	if len(c.n.attrs) > 0 { // exactly one attribute is the value
		a := &c.n.attrs[0]
		var t tensor.Tensor
		switch a.name {
		case "value":
			if a.t == nil {
				return formatf("Constant %q has no tensor", c.label())
			}
			v, err := c.constant(a.t)
			if err != nil {
				return err
			}
			c.set(0, v)
			return nil
		case "value_int":
			t = tensor.FromI64([]int64{a.i})
		case "value_ints":
			t = tensor.FromI64(append([]int64(nil), a.ints...), len(a.ints))
		case "value_float":
			t = tensor.FromF32([]float32{a.f})
		case "value_floats":
			t = tensor.FromF32(append([]float32(nil), a.floats...), len(a.floats))
		default:
			return fmt.Errorf("a constant given as %s", a.name)
		}
		c.set(0, c.known(c.outName(0), t))
		return nil
	}
	return formatf("Constant %q has no value", c.label())
}

// importNonZero lists where a constant is not zero, one row an axis: what
// exporters made of ranges before there was an operator for them. Of what is
// computed the result's shape would depend on the values.
func importNonZero(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x, batchy, err := c.constInput(0, "the input")
	if err != nil {
		return err
	}
	if batchy {
		return &bakedError{name: c.in[0].name}
	}
	one, size := tensor.New(tensor.Spec{DType: x.DType}), x.DType.Size() // of zeros
	dims := x.Shape.Dims()
	at := make([][]int64, max(1, len(dims)))
	if c.importer.budget -= 8 * len(at) * x.Shape.Elems(); c.importer.budget < 0 {
		return fmt.Errorf("an input of %v is too large", x.Spec)
	}
	for i := range x.Shape.Elems() {
		if bytes.Equal(x.Data[i*size:][:size], one.Data) || isNegativeZero(x, i) {
			continue
		}
		left := i
		for a := len(at) - 1; a >= 0; a-- {
			d := 1
			if a < len(dims) {
				d = dims[a]
			}
			at[a] = append(at[a], int64(left%d))
			left /= d
		}
	}
	c.set(0, c.known(c.outName(0), tensor.FromI64(slices.Concat(at...), len(at), len(at[0]))))
	return nil
}

func isNegativeZero(x tensor.Tensor, i int) bool {
	return x.DType == tensor.F32 && x.F32()[i] == 0
}

// importRange is computed from constants.
func importRange(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	var v [3]tensor.Tensor
	for i := range v {
		t, batchy, err := c.constInput(i, "a limit of the range")
		if err != nil {
			return err
		}
		if batchy {
			return &bakedError{name: c.in[i].name}
		}
		if t.Shape.Elems() != 1 {
			return fmt.Errorf("a limit of the range has %d elements", t.Shape.Elems())
		}
		v[i] = t
	}
	if v[0].DType == tensor.F32 {
		lo, hi, step := v[0].F32()[0], v[1].F32()[0], v[2].F32()[0]
		n, err := c.rangeLen(float64(lo), float64(hi), float64(step))
		if err != nil {
			return err
		}
		r := make([]float32, n)
		for i := range r {
			r[i] = lo + float32(i)*step
		}
		c.set(0, c.known(c.outName(0), tensor.FromF32(r, n)))
		return nil
	}
	var x [3]int64
	for i := range x {
		h, err := hostInts(v[i])
		if err != nil {
			return err
		}
		x[i] = int64(h[0])
	}
	n, err := c.rangeLen(float64(x[0]), float64(x[1]), float64(x[2]))
	if err != nil {
		return err
	}
	r := make([]int64, n)
	for i := range r {
		r[i] = x[0] + int64(i)*x[2]
	}
	k := c.known(c.outName(0), tensor.FromI64(r, n))
	if v[0].DType != tensor.I64 {
		if k, err = c.cast(k, v[0].DType); err != nil {
			return err
		}
	}
	c.set(0, k)
	return nil
}

// rangeLen is the number of elements of a range, each of at most 8 bytes.
func (c *call) rangeLen(lo, hi, step float64) (int, error) {
	n := math.Ceil((hi - lo) / step)
	if !(n > 0) {
		n = 0
	}
	if step == 0 || n > foldLimit/8 || !c.makes(8*int(n)) {
		return 0, fmt.Errorf("a range from %v to %v by %v", lo, hi, step)
	}
	return int(n), nil
}
