package tflite

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

func reshape(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	target, ok := im.vector(o, 1)
	if !ok {
		if o.has(1) {
			return refuse("fix the shapes when converting", "the target shape is computed while the network runs")
		}
		target = o.options.ints(0)
	}
	if len(target) > tensor.MaxRank {
		return refuse("", "target shape %v", target)
	}
	return im.add(o, &ops.Reshape{Dims: newShape(target, im.spec(x).Shape, im.open(x, o))}, nil, x)
}

// open reports whether dimension 0 of the value that o reads first is the open
// batch.
func (im *importer) open(x graph.ID, o *operator) bool {
	return im.batched() && im.carriesBatch(o.inputs[0]) && im.spec(x).Shape.Rank() > 0
}

// redim reshapes x to dims, in which keep marks the place of dimension 0.
func (im *importer) redim(o *operator, i int, x graph.ID, dims []int, keepsFirst bool) error {
	if keepsFirst && len(dims) > 0 {
		dims[0] = 0
	}
	return im.set(o, i, im.b.Add(im.declared(o, i).name, &ops.Reshape{Dims: dims}, nil, x))
}

func squeeze(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	s := im.spec(x).Shape
	drop := map[int]bool{}
	for _, a := range o.options.ints(0) {
		if a < 0 {
			a += s.Rank()
		}
		if a < 0 || a >= s.Rank() || s.Dim(a) != 1 {
			return refuse("", "cannot squeeze dimension %d of %v", a, s)
		}
		drop[a] = true
	}
	all := len(drop) == 0
	var dims []int
	for i, d := range s.Dims() {
		if drop[i] || (all && d == 1 && !(i == 0 && im.open(x, o))) {
			continue
		}
		dims = append(dims, d)
	}
	return im.redim(o, 0, x, dims, !drop[0] && len(dims) > 0 && dims[0] == s.Dim(0) && im.open(x, o))
}

func expandDims(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	axis, err := im.ints(o, 1, "the axis")
	if err != nil {
		return err
	}
	s := im.spec(x).Shape
	if len(axis) != 1 || axis[0] < -s.Rank()-1 || axis[0] > s.Rank() {
		return refuse("", "axis %v of %v", axis, s)
	}
	a := axis[0]
	if a < 0 {
		a += s.Rank() + 1
	}
	dims := s.Dims()
	dims = append(dims[:a:a], append([]int{1}, dims[a:]...)...)
	if a == 0 && im.open(x, o) {
		dims[1] = -1
	}
	return im.redim(o, 0, x, dims, a > 0 && im.open(x, o))
}

func transpose(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	perm, err := im.ints(o, 1, "the permutation")
	if err != nil {
		return err
	}
	return im.add(o, &ops.Transpose{Perm: perm}, nil, x)
}

func concatenation(im *importer, o *operator) error {
	in, err := im.values(o)
	if err != nil {
		return err
	}
	act, err := fusedAct(o, 1)
	if err != nil {
		return err
	}
	cat := &ops.Concat{Axis: o.options.int(0, 0), Out: im.out(o)}
	if act == (ops.Act{}) {
		return im.add(o, cat, nil, in...)
	}
	x := im.b.Add(im.outName(o)+"/concat", cat, nil, in...)
	return im.add(o, &ops.Unary{Fn: act.Fn, A: act.A, B: act.B, Out: im.out(o)}, nil, x)
}

func pack(im *importer, o *operator) error {
	in, err := im.values(o)
	if err != nil {
		return err
	}
	s := im.spec(in[0]).Shape
	axis := o.options.int(1, 0)
	if axis < 0 {
		axis += s.Rank() + 1
	}
	if axis < 0 || axis > s.Rank() {
		return refuse("", "axis %d of %v", axis, s)
	}
	for i, x := range in {
		dims := im.spec(x).Shape.Dims()
		if len(dims) != s.Rank() {
			return refuse("", "inputs of different rank")
		}
		dims = append(dims[:axis:axis], append([]int{1}, dims[axis:]...)...)
		if im.open(x, o) {
			if axis == 0 {
				return refuse("", "packs along the batch")
			}
			dims[0] = 0
		}
		in[i] = im.b.Add("", &ops.Reshape{Dims: dims}, nil, x)
	}
	return im.add(o, &ops.Concat{Axis: axis, Out: im.out(o)}, nil, in...)
}

func unpack(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	s := im.spec(x).Shape
	axis := o.options.int(1, 0)
	if axis < 0 {
		axis += s.Rank()
	}
	if axis < 0 || axis >= s.Rank() || s.Dim(axis) != len(o.outputs) {
		return refuse("", "axis %d of %v for %d results", axis, s, len(o.outputs))
	}
	for i := range o.outputs {
		y := im.b.Add("", &ops.Slice{Starts: []int{i}, Ends: []int{i + 1}, Axes: []int{axis}}, nil, x)
		dims := s.Dims()
		dims = append(dims[:axis:axis], dims[axis+1:]...)
		if err := im.redim(o, i, y, dims, axis > 0 && im.open(x, o)); err != nil {
			return err
		}
	}
	return nil
}

// split has the axis first and the value second.
func split(im *importer, o *operator) error {
	axis, err := im.ints(o, 0, "the axis")
	if err != nil {
		return err
	}
	x, err := im.value(o, 1)
	if err != nil {
		return err
	}
	return im.split(o, x, axis, nil)
}

func splitV(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	sizes, err := im.ints(o, 1, "the sizes")
	if err != nil {
		return err
	}
	axis, err := im.ints(o, 2, "the axis")
	if err != nil {
		return err
	}
	return im.split(o, x, axis, sizes)
}

func (im *importer) split(o *operator, x graph.ID, axes, sizes []int) error {
	s := im.spec(x).Shape
	if len(axes) != 1 || axes[0] < -s.Rank() || axes[0] >= s.Rank() {
		return refuse("", "axis %v of %v", axes, s)
	}
	axis := axes[0]
	if axis < 0 {
		axis += s.Rank()
	}
	n, have := len(o.outputs), s.Dim(axis)
	if sizes == nil {
		if have%n != 0 {
			return refuse("", "%d elements in %d parts", have, n)
		}
		for range n {
			sizes = append(sizes, have/n)
		}
	}
	if len(sizes) != n {
		return refuse("", "%d sizes for %d results", len(sizes), n)
	}
	open, sum := -1, 0
	for i, v := range sizes {
		switch {
		case v == -1 && open < 0:
			open = i
		case v < 0 || v > have:
			return refuse("", "sizes %v of %d", sizes, have)
		default:
			sum += v
		}
	}
	at := 0
	for i, v := range sizes {
		if i == open {
			v = have - sum
		}
		y := im.b.Add(im.declared(o, i).name, &ops.Slice{Starts: []int{at}, Ends: []int{at + v}, Axes: []int{axis}}, nil, x)
		if err := im.set(o, i, y); err != nil {
			return err
		}
		at += v
	}
	return nil
}

func gather(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	if n := o.options.int(1, 0); n != 0 {
		return refuse("", "%d batch dimensions", n)
	}
	at, err := im.value(o, 1)
	if err != nil {
		return err
	}
	return im.add(o, &ops.Gather{Axis: o.options.int(0, 0)}, nil, x, at)
}

func depthToSpace(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	block := o.options.int(0, 0)
	if o.code.code == opDepthToSpace {
		return im.add(o, &ops.DepthToSpace{Block: block}, nil, x)
	}
	return im.add(o, &ops.SpaceToDepth{Block: block}, nil, x)
}

func tile(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	n, err := im.ints(o, 1, "the repeats")
	if err != nil {
		return err
	}
	return im.add(o, &ops.Tile{Repeats: n}, nil, x)
}

func broadcastTo(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	dims, err := im.ints(o, 1, "the shape")
	if err != nil {
		return err
	}
	return im.add(o, &ops.Expand{Dims: dims}, nil, x)
}

// shapeOf is reached only by a SHAPE that could not be done at import.
func shapeOf(im *importer, o *operator) error {
	return refuse("", "the shape of a value that is not known")
}
