package ops

import "github.com/teff-ml/teff/ops/tensor"

// Gather picks slices of data along Axis: the result has data's shape with that
// dimension replaced by the shape of the indices (i32 or i64; negative ones
// count from the end, and any outside the dimension are clamped to it, since a
// run cannot fail).
type Gather struct{ Axis int }

// Kind is KindGather.
func (*Gather) Kind() Kind { return KindGather }

// Fields lists the attributes.
func (o *Gather) Fields(f Fields) { f.Int("axis", &o.Axis) }

// Infer joins the shapes.
func (o *Gather) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindGather, in, params, 2, 2)
	if err != nil {
		return tensor.Spec{}, err
	}
	x, idx := &s[0], &s[1]
	axis, ok := normAxis(o.Axis, x.Shape.Rank())
	if !ok {
		return tensor.Spec{}, errf(KindGather, "axis %d of %v", o.Axis, x.Shape)
	}
	if err := wantIndices(KindGather, idx); err != nil {
		return tensor.Spec{}, err
	}
	if x.Shape.Dim(axis) == 0 && idx.Shape.Elems() > 0 {
		return tensor.Spec{}, errf(KindGather, "nothing to pick from in dimension %d of %v", axis, x.Shape)
	}
	d := x.Shape.Dims()
	dims := append(append(append([]int{}, d[:axis]...), idx.Shape.Dims()...), d[axis+1:]...)
	shape, err := tensor.NewShape(dims...)
	if err != nil {
		return tensor.Spec{}, errf(KindGather, "%w", err)
	}
	q := x.Quant
	if len(q.Scale) > 1 {
		return tensor.Spec{}, errf(KindGather, "of a tensor quantised per channel")
	}
	return tensor.Spec{DType: x.DType, Shape: shape, Quant: q}, nil
}

func wantIndices(k Kind, s *tensor.Spec) error {
	if s.DType != tensor.I32 && s.DType != tensor.I64 {
		return notShape(k, "indices", "i32 or i64", s.String())
	}
	return nil
}

// indexAt is index i of t within a dimension of n.
func indexAt(t *tensor.Tensor, i, n int) int {
	var v int
	if t.DType == tensor.I32 {
		v = int(i32(t)[i])
	} else {
		v = int(i64(t)[i])
	}
	if v < 0 {
		v += n
	}
	return min(max(v, 0), n-1)
}

// gatherKernel copies inner bytes for each outer position and index.
type gatherKernel struct {
	params          []tensor.Tensor
	outer, n, inner int // extents before, along and after the axis
	size            int
}

func (o *Gather) kernel(x *tensor.Spec, params []tensor.Tensor) *gatherKernel {
	axis, _ := normAxis(o.Axis, x.Shape.Rank())
	k := &gatherKernel{params: params, outer: 1, inner: 1, n: x.Shape.Dim(axis), size: x.DType.Size()}
	for i := range x.Shape.Rank() {
		if i < axis {
			k.outer *= x.Shape.Dim(i)
		} else if i > axis {
			k.inner *= x.Shape.Dim(i)
		}
	}
	return k
}

// Prepare copies slices.
func (o *Gather) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	p.Path("copy")
	return o.kernel(x, p.Params), nil
}

func (k *gatherKernel) Run(a *Args) {
	x, idx := arg(a, k.params, 0), arg(a, k.params, 1)
	count, run := idx.Shape.Elems(), k.inner*k.size
	var room [elementBlock]int
	for i := 0; i < count; i += elementBlock {
		from := room[:min(elementBlock, count-i)]
		clear(from)
		addIndices(from, idx, i, 1, k.n, 1, 0)
		for o := range k.outer {
			moveRuns(a.Out.Data[(o*count+i)*run:], x.Data[o*k.n*run:], from, run, run, false)
		}
	}
}

// moveRuns copies runs of bytes that lie one behind the other in one slice and at places, which count in units, in the
// other: from there, or there with put.
func moveRuns(dst, src []byte, places []int, unit, run int, put bool) {
	if unit == 4 && run == 4 && tensor.Aligned(dst, 4) && tensor.Aligned(src, 4) {
		d, s := words(dst), words(src)
		for e, at := range places {
			if put {
				d[at] = s[e]
			} else {
				d[e] = s[at]
			}
		}
		return
	}
	for e, at := range places {
		e, at = e*run, at*unit
		if put {
			e, at = at, e
		}
		copy(dst[e:e+run], src[at:])
	}
}

// words is elements of four bytes.
//
//go:noinline
func words(b []byte) []uint32 { return tensor.CastSlice[uint32](b) }

// addIndices adds step times each of the indices i, i+stride, ... of t, within a dimension of n, to places, and next once
// more for each place than for the one before.
func addIndices(places []int, t *tensor.Tensor, i, stride, n, step, next int) {
	if t.DType == tensor.I32 {
		addWithin(places, i32(t)[i:], stride, n, step, next)
	} else {
		addWithin(places, i64(t)[i:], stride, n, step, next)
	}
}

func addWithin[T int32 | int64](places []int, from []T, stride, n, step, next int) {
	at := 0
	for e := range places {
		j := int(from[e*stride])
		if j < 0 {
			j += n
		}
		places[e] += at + min(max(j, 0), n-1)*step
		at += next
	}
}

// Keeps is the indices.
func (*Gather) Keeps(in, params []tensor.Spec) Keep { return KeepIn1 }

// Backward adds each slice's gradient where it was picked.
func (o *Gather) Backward(p *GradPrep) (GradKernel, error) {
	return &gatherGrad{o.kernel(&p.In[0], p.Params)}, nil
}

type gatherGrad struct{ *gatherKernel }

func (k *gatherGrad) Run(g *Grads) {
	if g.DIn[0].IsZero() {
		return
	}
	idx := gradArg(g, 1)
	count := idx.Shape.Elems()
	dx, dy := g.DIn[0].F32(), g.DOut.F32()
	for o := range k.outer {
		for i := range count {
			j := indexAt(idx, i, k.n)
			addInto(dx[(o*k.n+j)*k.inner:][:k.inner], dy[(o*count+i)*k.inner:][:k.inner])
		}
	}
}
