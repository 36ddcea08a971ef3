package tflite

import (
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// real is input i, dequantised where it is of 8 bits.
func (im *importer) real(o *operator, i int) (graph.ID, error) {
	x, err := im.value(o, i)
	if err == nil && im.spec(x).DType.IsInt8() {
		x = im.b.Add(im.outName(o)+"/real", &ops.Dequantize{}, nil, x)
	}
	return x, err
}

// alike are inputs i and i+1: as they are where one type and scale is both's, else in
// float32.
func (im *importer) alike(o *operator, i int) (a, b graph.ID, err error) {
	if a, err = im.value(o, i); err != nil {
		return a, b, err
	}
	if b, err = im.value(o, i+1); err != nil || im.spec(a).DType == im.spec(b).DType && im.spec(a).Quant.Equal(im.spec(b).Quant) {
		return a, b, err
	}
	if a, err = im.real(o, i); err == nil {
		b, err = im.real(o, i+1)
	}
	return a, b, err
}

func compare(fn ops.CompareFn) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		a, b, err := im.alike(o, 0)
		if err != nil {
			return err
		}
		return im.add(o, &ops.Compare{Fn: fn}, nil, a, b)
	}
}

func logic(fn ops.LogicFn, n int) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		in := make([]graph.ID, n)
		for i := range in {
			var err error
			if in[i], err = im.value(o, i); err != nil {
				return err
			}
		}
		return im.add(o, &ops.Logic{Fn: fn}, nil, in...)
	}
}

// choose is SELECT and SELECT_V2. The first takes a condition for each of the first
// dimension, too; the second broadcasts.
func choose(im *importer, o *operator) error {
	c, err := im.value(o, 0)
	if err != nil {
		return err
	}
	a, b, err := im.alike(o, 1)
	if err != nil {
		return err
	}
	cs, s := im.spec(c).Shape, im.spec(a).Shape
	if o.code.code == opSelect && cs.Rank() == 1 && s.Rank() > 1 {
		dims := make([]int, s.Rank())
		for i := range dims {
			dims[i] = 1
		}
		dims[0] = -1
		c = im.b.Add(im.outName(o)+"/rows", &ops.Reshape{Dims: dims}, nil, c)
	}
	y := im.b.Add(im.outName(o), &ops.Where{}, nil, c, a, b)
	if out := im.out(o); out.Scale != 0 && im.b.Err() == nil && im.spec(y).DType == tensor.F32 {
		y = im.b.Add(im.outName(o)+"/quantised", &ops.Quantize{Out: out}, nil, y)
	}
	return im.set(o, 0, y)
}

func topK(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	k, err := im.number(o, 1, "the number")
	if err != nil {
		return err
	}
	if err := im.add(o, &ops.TopK{K: k, Axis: -1}, nil, x); err != nil || len(o.outputs) < 2 || o.outputs[1] < 0 {
		return err
	}
	name := im.declared(o, 1).name
	at := im.b.Add(name+"/at", &ops.TopK{K: k, Axis: -1, Output: 1}, nil, x)
	return im.set(o, 1, im.b.Add(name, &ops.Cast{To: dtype(im.declared(o, 1).typ)}, nil, at))
}

func cumSum(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	axis, err := im.number(o, 1, "the axis")
	if err != nil {
		return err
	}
	return im.add(o, &ops.CumSum{Axis: axis, Exclusive: o.options.bool(0), Reverse: o.options.bool(1)}, nil, x)
}

// oneHot: indices, depth, the value where the index is, the value elsewhere.
func oneHot(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	depth, err := im.number(o, 1, "the depth")
	if err != nil {
		return err
	}
	on, err := im.value(o, 2)
	if err != nil {
		return err
	}
	off, err := im.value(o, 3)
	if err != nil {
		return err
	}
	var pair [2]graph.ID
	for i, v := range []graph.ID{off, on} {
		pair[i] = im.b.Add(im.outName(o)+"/value", &ops.Reshape{Dims: []int{1}}, nil, v)
	}
	values := im.b.Add(im.outName(o)+"/values", &ops.Concat{Axis: 0}, nil, pair[:]...)
	return im.add(o, &ops.OneHot{Depth: depth, Axis: o.options.int(0, 0)}, nil, x, values)
}

// reverse is the elements in the opposite order along some axes.
func reverse(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	axes, err := im.ints(o, 1, "the axes")
	if err != nil {
		return err
	}
	var s ops.Slice
	for _, a := range axes {
		if a < 0 {
			a += im.spec(x).Shape.Rank()
		}
		if a == 0 && im.open(x, o) {
			return refuse("", "reverses the batch")
		}
		s.Axes, s.Starts, s.Ends, s.Steps = append(s.Axes, a), append(s.Starts, -1), append(s.Ends, math.MinInt32), append(s.Steps, -1)
	}
	return im.add(o, &s, nil, x)
}

// gatherND picks elements or slices of the first input by rows of indices of its
// first dimensions: by one index in all of them as one.
func gatherND(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	at, err := im.value(o, 1)
	if err != nil {
		return err
	}
	s, is := im.spec(x).Shape, im.spec(at).Shape
	if is.Rank() == 0 || is.Channels() < 1 || is.Channels() > s.Rank() {
		return refuse("", "indices %v of %v", is, s)
	}
	if im.open(x, o) {
		return refuse("fix the batch when converting", "its indices count the open batch")
	}
	n, name := is.Channels(), im.outName(o)
	strides, step := make([]int32, n), 1
	for i := n - 1; i >= 0; i-- {
		strides[i], step = int32(step), step*s.Dim(i)
	}
	by := tensor.FromI32(strides, n)
	if im.spec(at).DType == tensor.I64 {
		at = im.b.Add(name+"/at", &ops.Cast{To: tensor.I32}, nil, at)
	}
	at = im.b.Add(name+"/steps", &ops.Binary{Fn: ops.BinaryMul}, []tensor.Tensor{by}, at)
	at = im.b.Add(name+"/offset", &ops.Reduce{Fn: ops.ReduceSum, Axes: []int{is.Rank() - 1}}, nil, at)
	x = im.b.Add(name+"/rows", &ops.Reshape{Dims: append([]int{step}, s.Dims()[n:]...)}, nil, x)
	return im.add(o, &ops.Gather{}, nil, x, at)
}

// l2Pool is the root of the mean of squares.
func l2Pool(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	if im.spec(x).DType != tensor.F32 {
		return refuse("", "L2 pooling of integers")
	}
	win, act, err := poolOptions(o)
	if err != nil {
		return err
	}
	name := im.outName(o)
	x = im.b.Add(name+"/square", &ops.Unary{Fn: ops.UnarySquare}, nil, x)
	x = im.b.Add(name+"/mean", &ops.Pool{Window: win, Fn: ops.PoolAvg}, nil, x)
	if act == (ops.Act{}) {
		return im.add(o, &ops.Unary{Fn: ops.UnarySqrt}, nil, x)
	}
	x = im.b.Add(name+"/root", &ops.Unary{Fn: ops.UnarySqrt}, nil, x)
	return im.add(o, &ops.Unary{Fn: act.Fn, A: act.A, B: act.B}, nil, x)
}
