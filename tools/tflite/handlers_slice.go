package tflite

import (
	"math"
	"slices"

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
	begin, end, step := v[0], v[1], slices.Clone(v[2])
	s := im.spec(x).Shape
	if len(begin) != len(end) || len(begin) != len(step) {
		return refuse("", "%d starts, %d ends, %d steps", len(begin), len(end), len(step))
	}
	mask := func(id, i int) bool { return o.options.int(id, 0)>>i&1 != 0 }
	if o.options.bool(5) {
		return refuse("", "ends as offsets")
	}
	var sl ops.Slice
	dims := []int(nil)
	axis := 0
	open := im.open(x, o)
	for i := range begin {
		switch {
		case mask(2, i): // ellipsis: all dimensions that the other entries do not name
			rest := s.Rank() - axis
			for j := i + 1; j < len(begin); j++ {
				if !mask(3, j) {
					rest--
				}
			}
			for ; rest > 0; rest-- {
				dims = append(dims, s.Dim(axis))
				axis++
			}
			continue
		case mask(3, i): // a new axis
			dims = append(dims, 1)
			continue
		}
		if axis >= s.Rank() || step[i] == 0 {
			return refuse("", "more entries than %v has dimensions", s)
		}
		n := s.Dim(axis)
		lo, hi := begin[i], end[i]
		if lo < 0 {
			lo += n
		}
		if hi < 0 {
			hi += n
		}
		if step[i] > 0 {
			lo, hi = min(max(lo, 0), n), min(max(hi, 0), n)
		} else {
			lo, hi = min(max(lo, -1), n-1), min(max(hi, -1), n-1)
		}
		if mask(0, i) {
			lo = 0
			if step[i] < 0 {
				lo = n - 1
			}
		}
		if mask(1, i) {
			hi = n
			if step[i] < 0 {
				hi = -1
			}
		}
		shrink := mask(4, i)
		if shrink {
			if lo < 0 || lo >= n {
				return refuse("", "element %d of dimension %d of %v", begin[i], axis, s)
			}
			hi, step[i] = lo+1, 1
		}
		count := 0
		if step[i] > 0 {
			count = max(0, (hi-lo+step[i]-1)/step[i])
		} else {
			count = max(0, (lo-hi-step[i]-1)/-step[i])
		}
		whole := lo == 0 && hi == n && step[i] == 1
		if axis == 0 && open && !whole {
			return refuse("", "slices the batch")
		}
		if !whole {
			if hi == -1 {
				hi = math.MinInt32 // beyond the first element, counting down
			}
			sl.Axes, sl.Starts = append(sl.Axes, axis), append(sl.Starts, lo)
			sl.Ends, sl.Steps = append(sl.Ends, hi), append(sl.Steps, step[i])
		}
		if !shrink {
			dims = append(dims, count)
		}
		axis++
	}
	for ; axis < s.Rank(); axis++ {
		dims = append(dims, s.Dim(axis))
	}
	if sl.Axes != nil {
		x = im.b.Add(im.outName(o), &sl, nil, x)
	}
	if len(dims) > tensor.MaxRank {
		return refuse("", "a result of %d dimensions", len(dims))
	}
	if shape, err := tensor.NewShape(dims...); err != nil || shape == im.spec(x).Shape {
		return im.set(o, 0, x)
	}
	return im.redim(o, 0, x, dims, open && !mask(3, 0) && !mask(4, 0))
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
