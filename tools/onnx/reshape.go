package onnx

import (
	"fmt"
	"math"
	"strings"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// reshape gives v other dimensions (all known; those that contain the open
// batch contain the nominal one).
func (im *importer) reshape(name string, v *value, dims []int) (*value, error) {
	s, err := tensor.NewShape(dims...)
	if err != nil {
		return nil, err
	}
	from := v.spec().Shape
	if s.Elems() != from.Elems() {
		return nil, fmt.Errorf("cannot reshape %v to %v", from, s)
	}
	if s == from {
		return v, nil
	}
	op := &ops.Reshape{Dims: dims, AllowZero: true}
	if im.open && !v.isConst() {
		if op.Dims, err = im.openDims(from, dims); err != nil {
			return nil, err
		}
		op.AllowZero = false
	}
	if h := v.nhwc; h != nil && trivialOrder(from) {
		v = h // the same bytes
	}
	return im.add(name, op, v)
}

// trivialOrder reports whether the NCHW and NHWC forms of a shape hold their
// elements in the same order.
func trivialOrder(nchw tensor.Shape) bool {
	spatial := 1
	for i := 2; i < nchw.Rank(); i++ {
		spatial *= nchw.Dim(i)
	}
	return spatial == 1 || nchw.Dim(1) == 1
}

// openDims rewrites dimensions that contain the nominal batch so that they
// hold at every batch: 0 copies the input's, -1 is what is left.
func (im *importer) openDims(from tensor.Shape, dims []int) ([]int, error) {
	out := append([]int(nil), dims...)
	inferred := false
	for i, d := range dims {
		switch {
		case d == 0:
			return nil, fmt.Errorf("shape %v has no elements", dims)
		case !batchyInt(int64(d)):
		case i == 0 && from.Rank() > 0 && from.Dim(0) == d:
			out[i] = 0
		case !inferred:
			out[i], inferred = -1, true
		default:
			return nil, &bakedError{name: im.ofBatch(dims)}
		}
	}
	return out, nil
}

// importReshape resolves the target to known dimensions.
func importReshape(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	target := c.ints("shape")
	if c.opset >= 5 || target == nil {
		var err error
		if target, _, err = c.constIntsBatch(1, "the shape"); err != nil {
			return err
		}
		if c.arg(1) == nil {
			return formatf("Reshape %q has no shape", c.label())
		}
	}
	from := c.in[0].spec().Shape
	dims, err := resolveReshape(from, target, c.bool("allowzero", false))
	if err == nil {
		if done, err := c.ungroup(dims); done || err != nil {
			return err
		}
	}
	var y *value
	if err == nil {
		y, err = c.reshape(c.outName(0), c.in[0], dims)
	}
	if err != nil && c.open && batchyInt(int64(from.Elems())) { // whose numbers say nothing to the user
		err = &bakedError{why: fmt.Sprintf("shape %v does not hold for any batch, which is open", c.ofBatch(target))}
	}
	if err != nil {
		return err
	}
	z := *y
	z.groups = &groups{of: c.in[0]}
	c.set(0, &z)
	return nil
}

// ofBatch is a shape as users know it, with N for the batch.
func (im *importer) ofBatch(dims []int) string {
	var s []string
	for _, d := range dims {
		switch {
		case !im.open || !batchyInt(int64(d)):
			s = append(s, fmt.Sprint(d))
		case d == nominalBatch:
			s = append(s, "N")
		default:
			s = append(s, fmt.Sprintf("%dN", d/nominalBatch))
		}
	}
	return "[" + strings.Join(s, " ") + "]"
}

func resolveReshape(from tensor.Shape, target []int, allowZero bool) ([]int, error) {
	dims := append([]int{}, target...)
	infer, known := -1, int64(1)
	for i, d := range dims {
		switch {
		case d == 0 && !allowZero:
			if i >= from.Rank() {
				return nil, fmt.Errorf("shape %v copies dimension %d of %v", target, i, from)
			}
			dims[i] = from.Dim(i)
		case d == -1 && infer < 0:
			infer = i
			continue
		case d < 0:
			return nil, fmt.Errorf("shape is %v", target)
		}
		if dims[i] > 0 && known > math.MaxInt32/int64(dims[i]) && known*int64(dims[i]) > math.MaxInt32 {
			return nil, fmt.Errorf("shape %v is too large", target)
		}
		known *= int64(dims[i])
	}
	if infer >= 0 {
		if known == 0 {
			return nil, fmt.Errorf("shape %v leaves a dimension of %v open", target, from)
		}
		if from.Elems()%int(known) != 0 {
			return nil, fmt.Errorf("cannot reshape %v to %v", from, target)
		}
		dims[infer] = from.Elems() / int(known)
	}
	return dims, nil
}

// reshaped makes a handler that computes the dimensions from the input's.
func reshaped(f func(c *call, dims []int) ([]int, error)) handler {
	return func(c *call) error {
		if err := c.need(1); err != nil {
			return err
		}
		dims, err := f(c, c.in[0].spec().Shape.Dims())
		if err != nil {
			return err
		}
		y, err := c.reshape(c.outName(0), c.in[0], dims)
		if err != nil {
			return err
		}
		c.set(0, y)
		return nil
	}
}

func flattenDims(c *call, dims []int) ([]int, error) {
	axis := c.int("axis", 1)
	if axis < 0 {
		axis += len(dims)
	}
	if axis < 0 || axis > len(dims) {
		return nil, fmt.Errorf("axis %d of %d dimensions", c.int("axis", 1), len(dims))
	}
	out := []int{1, 1}
	for i, d := range dims {
		out[b2u(i >= axis)] *= d
	}
	return out, nil
}

func squeezeDims(c *call, dims []int) ([]int, error) {
	axes, err := c.intsAttrOrInput("axes", 13, 1)
	if err != nil {
		return nil, err
	}
	drop := map[int]bool{}
	for _, a := range axes {
		if a, err = axisIn(a, len(dims)); err != nil {
			return nil, err
		}
		if dims[a] != 1 {
			return nil, fmt.Errorf("axis %d of %v is not 1", a, dims)
		}
		drop[a] = true
	}
	out := []int{}
	for i, d := range dims {
		if !drop[i] && (axes != nil || d != 1) {
			out = append(out, d)
		}
	}
	return out, nil
}

func unsqueezeDims(c *call, dims []int) ([]int, error) {
	axes, err := c.intsAttrOrInput("axes", 13, 1)
	if err != nil {
		return nil, err
	}
	rank := len(dims) + len(axes)
	if rank > tensor.MaxRank {
		return nil, fmt.Errorf("%d dimensions, at most %d", rank, tensor.MaxRank)
	}
	one := map[int]bool{}
	for _, a := range axes {
		if a, err = axisIn(a, rank); err != nil {
			return nil, err
		}
		if one[a] {
			return nil, fmt.Errorf("axes %v name one twice", axes)
		}
		one[a] = true
	}
	out := make([]int, rank)
	next := 0
	for i := range out {
		if one[i] {
			out[i] = 1
			continue
		}
		out[i] = dims[next]
		next++
	}
	return out, nil
}

// importTranspose undoes the layout's own transpose where it meets it.
func importTranspose(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0]
	rank := x.rank()
	perm := c.ints("perm")
	if perm == nil {
		for i := range rank {
			perm = append(perm, rank-1-i)
		}
	}
	if !isPerm(perm, rank) {
		return fmt.Errorf("permutation %v of %d dimensions", perm, rank)
	}
	y, err := c.transpose(c.outName(0), x, perm)
	if err != nil {
		return err
	}
	c.set(0, y)
	return nil
}

// transpose is v with its axes in another order.
func (im *importer) transpose(name string, v *value, perm []int) (*value, error) {
	if v.nhwc != nil {
		perm = permuted(toNCHW(len(perm)), perm)
		v = v.nhwc
	}
	for i, p := range perm {
		if p != i {
			return im.add(name, &ops.Transpose{Perm: perm}, v)
		}
	}
	return v, nil
}

func isPerm(p []int, rank int) bool {
	if len(p) != rank {
		return false
	}
	var seen [tensor.MaxRank]bool
	for _, v := range p {
		if v < 0 || v >= rank || seen[v] {
			return false
		}
		seen[v] = true
	}
	return true
}
