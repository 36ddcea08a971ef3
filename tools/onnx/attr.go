package onnx

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

func (c *call) attr(name string) *attribute {
	for i := range c.n.attrs {
		if c.n.attrs[i].name == name {
			return &c.n.attrs[i]
		}
	}
	return nil
}

func (c *call) has(name string) bool { return c.attr(name) != nil }

// int is an integer attribute; numbers no operator takes are kept in the range
// of int32, where every check still refuses them.
func (c *call) int(name string, def int) int {
	if a := c.attr(name); a != nil {
		return clampInt(a.i)
	}
	return def
}

func (c *call) bool(name string, def bool) bool {
	if a := c.attr(name); a != nil {
		return a.i != 0
	}
	return def
}

func (c *call) float(name string, def float32) float32 {
	if a := c.attr(name); a != nil {
		return a.f
	}
	return def
}

func (c *call) string(name, def string) string {
	if a := c.attr(name); a != nil {
		return string(a.s)
	}
	return def
}

// ints is nil where the attribute is absent.
func (c *call) ints(name string) []int {
	a := c.attr(name)
	if a == nil {
		return nil
	}
	r := make([]int, len(a.ints))
	for i, v := range a.ints {
		r[i] = clampInt(v)
	}
	return r
}

func clampInt(v int64) int { return int(min(max(v, math.MinInt32), math.MaxInt32)) }

// constError says that something must be known while importing.
type constError struct{ name, what string }

func (e *constError) Error() string {
	return fmt.Sprintf("%s (%q) is not a constant", e.what, e.name)
}

// constant is the value of an input that must be known.
func (c *call) constInput(i int, what string) (tensor.Tensor, bool, error) {
	v := c.arg(i)
	if v == nil {
		return tensor.Tensor{}, false, nil
	}
	switch {
	case v.isConst():
		return v.c, v.batchy && c.open, nil
	case !v.hint.IsZero():
		return v.hint, false, nil
	}
	return tensor.Tensor{}, false, &constError{v.name, what}
}

// constInts is an input of integers that must be known, nil where it is left
// out. An entry that contains the open batch is an error.
func (c *call) constInts(i int, what string) ([]int, error) {
	v, batchy, err := c.constIntsBatch(i, what)
	if err == nil && batchy {
		return nil, &bakedError{name: c.arg(i).name}
	}
	return v, err
}

// constIntsBatch is constInts for callers that know what to do with entries
// that contain the batch.
func (c *call) constIntsBatch(i int, what string) ([]int, bool, error) {
	t, batchy, err := c.constInput(i, what)
	if err != nil || t.IsZero() {
		return nil, false, err
	}
	r, err := hostInts(t)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", what, err)
	}
	return r, batchy, nil
}

func hostInts(t tensor.Tensor) ([]int, error) {
	r := make([]int, t.Shape.Elems())
	switch t.DType {
	case tensor.I64:
		for i, v := range t.I64() {
			r[i] = clampInt(v)
		}
	case tensor.I32:
		for i, v := range t.I32() {
			r[i] = int(v)
		}
	default:
		return nil, fmt.Errorf("element type %v, want integers", t.DType)
	}
	return r, nil
}

// intsAttrOrInput is a list that was an attribute before the given operator
// set and is input i since.
func (c *call) intsAttrOrInput(name string, since int64, i int) ([]int, error) {
	if c.opset < since {
		return c.ints(name), nil
	}
	if c.arg(i) == nil {
		return c.ints(name), nil
	}
	return c.constInts(i, name)
}

// constFloats is an input of floats that must be known, nil where it is left
// out or empty.
func (c *call) constFloats(i int, what string) ([]float32, error) {
	t, _, err := c.constInput(i, what)
	if err != nil || t.IsZero() {
		return nil, err
	}
	r := make([]float32, t.Shape.Elems())
	for j := range r {
		f, err := hostFloat(t, j)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		r[j] = f
	}
	return r, nil
}

// hostFloat is element j of a constant as a float.
func hostFloat(t tensor.Tensor, j int) (float32, error) {
	switch t.DType {
	case tensor.F32:
		return t.F32()[j], nil
	case tensor.I64:
		return float32(t.I64()[j]), nil
	case tensor.I32:
		return float32(t.I32()[j]), nil
	case tensor.I8:
		return float32(int8(t.Data[j])), nil
	case tensor.U8, tensor.Bool:
		return float32(t.Data[j]), nil
	case tensor.F16:
		return halfFloat(t.Bits16()[j]), nil
	case tensor.BF16:
		return math.Float32frombits(uint32(t.Bits16()[j]) << 16), nil
	}
	return 0, fmt.Errorf("element type %v", t.DType)
}

// constScalar is the first element of a constant input.
func (c *call) constScalar(i int, what string, def float32) (float32, error) {
	f, err := c.constFloats(i, what)
	if err != nil || len(f) == 0 {
		return def, err
	}
	return f[0], nil
}

// halfFloat widens an IEEE half precision number.
func halfFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0:
		f := float32(frac) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// axis is an attribute brought into [0, rank).
func axisIn(axis, rank int) (int, error) {
	a := axis
	if a < 0 {
		a += rank
	}
	if a < 0 || a >= rank {
		return 0, fmt.Errorf("axis %d of %d dimensions", axis, rank)
	}
	return a, nil
}
