package onnx

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// layout is where an axis of the file's layout lies in the one that a node
// computes in.
type layout struct {
	rank int
	nhwc bool
}

// axis is where axis a (in [0, rank)) of the file lies.
func (l layout) axis(a int) int {
	switch {
	case !l.nhwc || a == 0:
		return a
	case a == 1:
		return l.rank - 1
	}
	return a - 1
}

// ints reorders a list with an entry for each axis.
func (l layout) ints(v []int) []int { return layoutList(l, v) }

func layoutList[T any](l layout, v []T) []T {
	if v == nil {
		return nil
	}
	r := make([]T, len(v))
	for i := range v {
		r[l.axis(i)] = v[i]
	}
	return r
}

// anyLayout adds an operator that works in every layout, in the one that its
// operands come in: channels last where all that are no constants do. make is
// told the layout. Operands broadcast: they are aligned at the last axis of
// the file.
func (c *call) anyLayout(i int, make func(l layout) ops.Op, operands ...*value) error {
	if !c.wants(i) {
		return nil
	}
	v, err := c.addAnyLayout(c.outName(i), make, operands...)
	if err != nil {
		return err
	}
	c.set(i, v)
	return nil
}

func (im *importer) addAnyLayout(name string, make func(l layout) ops.Op, operands ...*value) (*value, error) {
	rank := 0
	for _, v := range operands {
		if v.err != nil {
			return nil, v.err
		}
		rank = max(rank, v.rank())
	}
	last := rank >= 3
	some := false
	for _, v := range operands {
		if v.isConst() || v.spec().Shape.Elems() == 1 && v.rank() < rank {
			continue
		}
		last = last && v.nhwc != nil && v.rank() == rank
		some = true
	}
	l := layout{rank, last && some}
	if !l.nhwc {
		return im.add(name, make(l), operands...)
	}
	h := append([]*value(nil), operands...)
	for j, v := range h {
		switch {
		case v.nhwc != nil && v.rank() == rank:
			h[j] = v.nhwc
		case v.isConst():
			h[j] = im.constLast(v, rank)
		}
	}
	y, err := im.add(name, make(l), h...)
	if err != nil {
		return nil, err
	}
	return im.fromNHWC(y)
}

// constLast is a constant that broadcasts against NCHW values of the given
// rank, made to broadcast against their NHWC form.
func (im *importer) constLast(v *value, rank int) *value {
	d := v.spec().Shape.Dims()
	if v.spec().Shape.Elems() == 1 && len(d) < rank {
		return v
	}
	full := make([]int, rank)
	for i := range full {
		full[i] = 1
		if j := i - (rank - len(d)); j >= 0 {
			full[i] = d[j]
		}
	}
	if !im.copies(len(v.c.Data)) {
		return v
	}
	t := v.c
	t.Shape = tensor.Of(full...)
	w := *v
	w.id, w.c = -1, permute(t, toNHWC(rank))
	return &w
}

// permute is a transposed copy of t.
func permute(t tensor.Tensor, perm []int) tensor.Tensor {
	dims := t.Shape.Dims()
	out := tensor.Tensor{Spec: t.Spec}
	out.Shape = tensor.Of(permuted(dims, perm)...)
	out = tensor.New(out.Spec)
	size := t.DType.Size()
	if len(t.Data) == 0 {
		return out
	}
	in := t.Shape.Strides()
	rank := len(dims)
	od := out.Shape.Dims()
	idx := make([]int, rank)
	for at := 0; at < len(out.Data); at += size {
		off := 0
		for i, p := range perm {
			off += idx[i] * in[p]
		}
		copy(out.Data[at:at+size], t.Data[off*size:])
		for i := rank - 1; i >= 0; i-- {
			if idx[i]++; idx[i] < od[i] {
				break
			}
			idx[i] = 0
		}
	}
	return out
}
