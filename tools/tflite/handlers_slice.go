package tflite

import (
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

func slice(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	begin, err := im.ints(o, 1, "the first elements")
	if err != nil {
		return err
	}
	size, err := im.ints(o, 2, "the sizes")
	if err != nil {
		return err
	}
	s := im.spec(x).Shape
	if len(begin) != s.Rank() || len(size) != s.Rank() {
		return refuse("", "%d starts and %d sizes for %v", len(begin), len(size), s)
	}
	var sl ops.Slice
	for i := range begin {
		end := s.Dim(i)
		if size[i] >= 0 {
			end = begin[i] + size[i]
		}
		if begin[i] < 0 || end > s.Dim(i) || end < begin[i] {
			return refuse("", "from %v, sizes %v of %v", begin, size, s)
		}
		if begin[i] == 0 && end == s.Dim(i) {
			continue
		}
		sl.Axes, sl.Starts, sl.Ends = append(sl.Axes, i), append(sl.Starts, begin[i]), append(sl.Ends, end)
	}
	if sl.Axes == nil {
		return im.set(o, 0, x)
	}
	return im.add(o, &sl, nil, x)
}

// strided is a strided slice while its entries are read.
type strided struct {
	of    tensor.Shape
	axis  int // of the next entry
	slice ops.Slice
	dims  []int // of the result
}

// whole takes n dimensions as they are.
func (t *strided) whole(n int) {
	for ; n > 0; n-- {
		t.dims = append(t.dims, t.of.Dim(t.axis))
		t.axis++
	}
}

// cut takes elements lo to hi of the next dimension.
func (t *strided) cut(lo, hi, step int) {
	if hi == -1 {
		hi = math.MinInt32 // beyond the first element, counting down
	}
	t.slice.Axes, t.slice.Starts = append(t.slice.Axes, t.axis), append(t.slice.Starts, lo)
	t.slice.Ends, t.slice.Steps = append(t.slice.Ends, hi), append(t.slice.Steps, step)
}

// stretch is what the entry begin:end:step means for n elements: where it starts and
// ends, which is -1 for all that come when it counts down. An edge is in place of begin or
// of end.
func stretch(begin, end, step, n int, fromEdge, toEdge bool) (lo, hi int) {
	if begin < 0 {
		begin += n
	}
	if end < 0 {
		end += n
	}
	least, most, first, last := 0, n, 0, n
	if step < 0 {
		least, most, first, last = -1, n-1, n-1, -1
	}
	lo, hi = min(max(begin, least), most), min(max(end, least), most)
	if fromEdge {
		lo = first
	}
	if toEdge {
		hi = last
	}
	return lo, hi
}

// steps is how many elements there are from lo to hi.
func steps(lo, hi, step int) int {
	if step > 0 {
		return max(0, (hi-lo+step-1)/step)
	}
	return max(0, (lo-hi-step-1)/-step)
}

// stridedSlice is Python's x[begin:end:step, ...] with bit masks that say what
// each entry means.
func stridedSlice(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	var v [3][]int
	for i, what := range []string{"the first elements", "the last elements", "the steps"} {
		if v[i], err = im.ints(o, i+1, what); err != nil {
			return err
		}
	}
	begin, end, step := v[0], v[1], v[2]
	s := im.spec(x).Shape
	if len(begin) != len(end) || len(begin) != len(step) {
		return refuse("", "%d starts, %d ends, %d steps", len(begin), len(end), len(step))
	}
	if o.options.bool(5) {
		return refuse("", "ends as offsets")
	}
	mask := func(id, i int) bool { return o.options.int(id, 0)>>i&1 != 0 }
	open := im.open(x, o)
	t := strided{of: s}
	for i := range begin {
		switch {
		case mask(2, i): // ellipsis: all dimensions that the other entries do not name
			rest := s.Rank() - t.axis
			for j := i + 1; j < len(begin); j++ {
				if !mask(3, j) {
					rest--
				}
			}
			t.whole(rest)
			continue
		case mask(3, i): // a new axis
			t.dims = append(t.dims, 1)
			continue
		}
		if t.axis >= s.Rank() || step[i] == 0 {
			return refuse("", "more entries than %v has dimensions", s)
		}
		n, step := s.Dim(t.axis), step[i]
		lo, hi := stretch(begin[i], end[i], step, n, mask(0, i), mask(1, i))
		shrink := mask(4, i)
		if shrink {
			if lo < 0 || lo >= n {
				return refuse("", "element %d of dimension %d of %v", begin[i], t.axis, s)
			}
			hi, step = lo+1, 1
		}
		whole := lo == 0 && hi == n && step == 1
		if t.axis == 0 && open && !whole {
			return refuse("", "slices the batch")
		}
		if !whole {
			t.cut(lo, hi, step)
		}
		if !shrink {
			t.dims = append(t.dims, steps(lo, hi, step))
		}
		t.axis++
	}
	t.whole(s.Rank() - t.axis)
	if t.slice.Axes != nil {
		x = im.b.Add(im.outName(o), &t.slice, nil, x)
	}
	if len(t.dims) > tensor.MaxRank {
		return refuse("", "a result of %d dimensions", len(t.dims))
	}
	if shape, err := tensor.NewShape(t.dims...); err != nil || shape == im.spec(x).Shape {
		return im.set(o, 0, x)
	}
	return im.redim(o, 0, x, t.dims, open && !mask(3, 0) && !mask(4, 0))
}

func pad(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	p, err := im.ints(o, 1, "the padding")
	if err != nil {
		return err
	}
	s := im.spec(x)
	if len(p) != 2*s.Shape.Rank() {
		return refuse("", "padding %v of %v", p, s.Shape)
	}
	op := &ops.Pad{Mode: ops.PadConstant}
	for i := 0; i < len(p); i += 2 {
		op.Lo, op.Hi = append(op.Lo, p[i]), append(op.Hi, p[i+1])
	}
	switch o.code.code {
	case opMirrorPad:
		op.Mode = ops.PadReflect
		if o.options.byte(0) == 1 {
			op.Mode = ops.PadSymmetric
		}
	case opPadv2:
		c, ok, err := im.constant(o, 2)
		if err != nil {
			return err
		}
		if !ok || c.Shape.Elems() != 1 {
			return refuse("", "the padding value is not one known number")
		}
		if c, err = im.floats32(c); err != nil {
			return err
		}
		op.Value = c.F32()[0]
	}
	return im.add(o, op, nil, x)
}

// resize does bilinear and nearest resizing. TFLite's nearest rounds down, or
// half up with aligned corners; with half pixel centres it takes the floor of
// (x+0.5)*scale, which is the half pixel coordinate rounded half up.
func resize(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	size, err := im.ints(o, 1, "the size")
	if err != nil {
		return err
	}
	if len(size) != 2 || im.spec(x).Shape.Rank() != 4 {
		return refuse("", "size %v of %v", size, im.spec(x).Shape)
	}
	r := &ops.Resize{Mode: ops.ResizeLinear, Sizes: []int{0, size[0], size[1], 0}, Coord: ops.CoordAsymmetric, Out: im.out(o)}
	align, half := o.options.bool(2), o.options.bool(3)
	if o.code.code == opResizeNearestNeighbor {
		r.Mode, r.Round = ops.ResizeNearest, ops.RoundFloor
		align, half = o.options.bool(0), o.options.bool(1)
	}
	switch {
	case align:
		r.Coord, r.Round = ops.CoordAlignCorners, ops.RoundPreferCeil
	case half:
		r.Coord, r.Round = ops.CoordHalfPixel, ops.RoundPreferCeil
	}
	return im.add(o, r, nil, x)
}
