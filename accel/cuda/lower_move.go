package cuda

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// six is v with as many of fill before it as make it six: what kernels take.
func six(v []int, fill int) []int {
	s := make([]int, 0, tensor.MaxRank)
	for range tensor.MaxRank - len(v) {
		s = append(s, fill)
	}
	return append(s, v...)
}

// dense is the strides of a tensor without gaps, in elements.
func dense(s tensor.Shape) []int {
	st := s.Strides()
	return append([]int(nil), st[:s.Rank()]...)
}

// broadcastStrides walk s as if it had the shape out: 0 where it repeats.
func broadcastStrides(s, out tensor.Shape) []int {
	st := make([]int, out.Rank())
	own := dense(s)
	for i := range s.Rank() {
		if s.Dim(i) != 1 {
			st[out.Rank()-s.Rank()+i] = own[i]
		}
	}
	return st
}

// copy moves the elements of a box of dims, each side walked by its own strides
// from its own first element.
func (n *node) copy(x, y ref, dims, sx []int, xoff int, sy []int, yoff int) {
	elems := 1
	for _, d := range dims {
		elems *= d
	}
	n.count("copy_"+n.moved(), elems, []param{at(x), at(y)}, ints(elems), ints(six(dims, 1)...),
		ints(six(sx, 0)...), ints(xoff), ints(six(sy, 0)...), ints(yoff))
}

// moved is what elements of the result are to kernels that only move them.
func (n *node) moved() string {
	if n.Out.DType.IsInt8() {
		return "i8"
	}
	return n.element
}

func (n *node) expand() {
	x := n.spec(0).Shape
	n.copy(n.operand(0), n.y, n.Out.Shape.Dims(), broadcastStrides(x, n.Out.Shape), 0, dense(n.Out.Shape), 0)
}

func (n *node) slice(o *ops.Slice) error {
	x := n.spec(0).Shape
	first, by, err := o.Walk(x)
	if err != nil {
		return err
	}
	sx, off := dense(x), 0
	for i := range sx {
		off += first[i] * sx[i]
		sx[i] *= by[i]
	}
	n.copy(n.operand(0), n.y, n.Out.Shape.Dims(), sx, off, dense(n.Out.Shape), 0)
	return nil
}

// pad fills the result and copies what is left of the input into it.
func (n *node) pad(o *ops.Pad) error {
	if o.Mode != ops.PadConstant {
		return fmt.Errorf("padding mode %d has no kernel", o.Mode)
	}
	elems := n.Out.Shape.Elems()
	value := float64(o.Value)
	if n.Out.DType.IsInt8() {
		scale, zero := n.Out.Quant.At(0)
		lo, hi := tensor.IntRange(n.Out.DType)
		value = min(max(math.RoundToEven(float64(o.Value/scale))+float64(zero), float64(lo)), float64(hi))
		value = float64(byte(int(value)))
	}
	n.count("fill_"+n.moved(), elems, []param{at(n.y)}, ints(elems), []param{num(value)})
	x := n.spec(0).Shape
	dims, sx, sy := x.Dims(), dense(x), dense(n.Out.Shape)
	xoff, yoff := 0, 0
	for i := range dims {
		dims[i] += min(o.Lo[i], 0) + min(o.Hi[i], 0)
		xoff += max(-o.Lo[i], 0) * sx[i]
		yoff += max(o.Lo[i], 0) * sy[i]
		if dims[i] <= 0 { // cropped away whole
			return nil
		}
	}
	n.copy(n.operand(0), n.y, dims, sx, xoff, sy, yoff)
	return nil
}

func (n *node) transpose(o *ops.Transpose) error {
	x := n.spec(0).Shape
	own := dense(x)
	sx := make([]int, len(own))
	for i := range sx {
		p := len(own) - 1 - i
		if len(o.Perm) > 0 {
			p = o.Perm[i]
		}
		sx[i] = own[p]
	}
	n.copy(n.operand(0), n.y, n.Out.Shape.Dims(), sx, 0, dense(n.Out.Shape), 0)
	return nil
}

// resize is for images whose height and width change by nearest or linear.
func (n *node) resize(o *ops.Resize) error {
	x, y := n.spec(0).Shape, n.Out.Shape
	rank := x.Rank()
	mode := 0
	switch {
	case rank != 3 && rank != 4 || x.Dim(0) != y.Dim(0) || x.Channels() != y.Channels():
		return fmt.Errorf("resizing %v to %v has no kernel: images and sequences only", x, y)
	case o.Mode == ops.ResizeCubic || o.Coord == ops.CoordTFCrop:
		return fmt.Errorf("resizing in mode %d at coordinates %d has no kernel", o.Mode, o.Coord)
	case o.Mode == ops.ResizeLinear && (o.Antialias || o.ExcludeOutside):
		return fmt.Errorf("resizing with antialiasing or without what lies outside has no kernel")
	case o.Mode == ops.ResizeLinear:
		mode = 1
	}
	h, w, oh, ow := 1, x.Dim(rank-2), 1, y.Dim(rank-2)
	sh, fh := 1.0, 0.0
	ok := true
	if rank == 4 {
		h, oh = x.Dim(1), y.Dim(1)
		sh, fh, ok = line(o, h, oh, 1, rank)
	}
	sw, fw, also := line(o, w, ow, rank-2, rank)
	if !ok || !also {
		return fmt.Errorf("resizing %v to %v rounds positions as no kernel does", x, y)
	}
	n.each("resize", y.Elems(), []param{at(n.operand(0)), at(n.y)},
		ints(x.Dim(0), h, w, x.Channels(), oh, ow, mode), []param{num(sh), num(sw), num(fh), num(fw)})
	return nil
}

// line is the scale and offset with which the kernel reads where the operator
// does, at every position: source = o*scale + offset, for nearest rounded down.
// Nearest's ties can need a small push to either side.
func line(o *ops.Resize, in, out, axis, rank int) (scale, offset float64, ok bool) {
	offset, _ = o.Source(0, in, out, axis, rank)
	scale = 1
	if out > 1 {
		last, _ := o.Source(out-1, in, out, axis, rank)
		scale = (last - offset) / float64(out-1)
	}
	const push = 1e-6
	tries := []float64{0}
	if o.Mode == ops.ResizeNearest {
		tries = []float64{0, 0.5, 0.5 - push, 0.5 + push, push, -push, 1 - push}
	}
	for _, t := range tries {
		good := true
		for x := range out {
			at, index := o.Source(x, in, out, axis, rank)
			if o.Mode == ops.ResizeNearest {
				got := int(math.Floor(float64(x)*scale + (offset + t)))
				good = good && min(max(got, 0), in-1) == index
			} else {
				good = good && math.Abs(float64(x)*scale+offset-at) <= push
			}
		}
		if good {
			return scale, offset + t, true
		}
	}
	return 0, 0, false
}
