package ops

import "github.com/teff-ml/teff/ops/tensor"

// MaxUnpool puts values back where a max pooling found them: operands are the
// pooled values [n, spatial..., c] and the indices Pool gave (same layout
// attribute); everything else is 0. The size is that which Window would have
// pooled, or OutputShape [n, spatial..., c]. Indices outside it are ignored.
type MaxUnpool struct {
	Window
	OutputShape []int
	IndexNCHW   bool
}

// Kind is KindMaxUnpool.
func (*MaxUnpool) Kind() Kind { return KindMaxUnpool }

// Fields lists the attributes.
func (o *MaxUnpool) Fields(f Fields) {
	o.Window.fields(f)
	f.Ints("output_shape", &o.OutputShape)
	f.Bool("index_nchw", &o.IndexNCHW)
}

// size is the shape the window implies.
func (o *MaxUnpool) size(x tensor.Shape) (tensor.Shape, error) {
	dims := x.Dims()
	rank := len(dims) - 2
	at := func(v []int, i, def int) int {
		if v == nil {
			return def
		}
		return v[i]
	}
	for _, v := range [][]int{o.Kernel, o.Stride, o.PadLo, o.PadHi} {
		if v != nil && len(v) != rank {
			return tensor.Shape{}, errf(KindMaxUnpool, "window %v has the wrong rank for %v", v, x)
		}
	}
	for i := range rank {
		d := (dims[1+i]-1)*at(o.Stride, i, 1) + at(o.Kernel, i, 1) - at(o.PadLo, i, 0) - at(o.PadHi, i, 0)
		if d < 1 || d > limit {
			return tensor.Shape{}, errf(KindMaxUnpool, "window of %v", x)
		}
		dims[1+i] = d
	}
	return tensor.NewShape(dims...)
}

// Infer is the larger shape.
func (o *MaxUnpool) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindMaxUnpool, in, params, 2, 2)
	if err != nil {
		return tensor.Spec{}, err
	}
	if s[0].DType != tensor.F32 || s[1].DType != tensor.I64 || s[0].Shape != s[1].Shape || s[0].Shape.Rank() < 3 {
		return tensor.Spec{}, errf(KindMaxUnpool, "values %v and indices %v", s[0], s[1])
	}
	shape, err := o.size(s[0].Shape)
	if o.OutputShape != nil {
		if shape, err = tensor.NewShape(o.OutputShape...); err == nil && (shape.Rank() != s[0].Shape.Rank() || shape.Channels() != s[0].Shape.Channels()) {
			err = errf(KindMaxUnpool, "output shape %v for %v", shape, s[0].Shape)
		}
	}
	return tensor.Spec{DType: tensor.F32, Shape: shape}, err
}

// Prepare scatters.
func (o *MaxUnpool) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	p.Path("scatter")
	return o.kernel(x.Shape, p.Out.Shape, p.Params)
}

func (o *MaxUnpool) kernel(x, out tensor.Shape, params []tensor.Tensor) (*maxUnpool, error) {
	k := &maxUnpool{params: params, out: out, nchw: o.IndexNCHW}
	// Indices count in the size that was pooled, which OutputShape may exceed.
	var err error
	if k.index, err = o.size(x); err != nil {
		if o.OutputShape == nil {
			return nil, err
		}
		k.index = k.out
	}
	return k, nil
}

type maxUnpool struct {
	params     []tensor.Tensor
	out, index tensor.Shape
	nchw       bool
}

func (k *maxUnpool) Run(a *Args) {
	x, idx, y := argF32(a, k.params, 0), i64(arg(a, k.params, 1)), f32(&a.Out)
	clear(y)
	for i, v := range x {
		if at := k.place(idx[i]); at >= 0 {
			y[at] = v
		}
	}
}

// place is where an index points in the result, or -1 outside it.
func (k *maxUnpool) place(index int64) int {
	if index < 0 || index >= int64(k.index.Elems()) {
		return -1
	}
	rest, rank := int(index), k.index.Rank()
	var dim [tensor.MaxRank]int // of the index space, NHWC coordinates
	last := rank - 1
	if k.nchw {
		last = rank - 2
	}
	for d := last; d >= 1; d-- {
		dim[d] = rest % k.index.Dim(d)
		rest /= k.index.Dim(d)
	}
	if k.nchw {
		dim[rank-1] = rest % k.index.Dim(rank-1)
		rest /= k.index.Dim(rank - 1)
	}
	dim[0] = rest
	at, st := 0, k.out.Strides()
	for d := range rank {
		if dim[d] >= k.out.Dim(d) {
			return -1
		}
		at += dim[d] * st[d]
	}
	return at
}

// Keeps is the indices.
func (*MaxUnpool) Keeps(in, params []tensor.Spec) Keep { return KeepIn1 }

// Backward reads each value's gradient where it was put. Of values put in one
// place only the last was seen.
func (o *MaxUnpool) Backward(p *GradPrep) (GradKernel, error) {
	k, err := o.kernel(p.In[0].Shape, p.Out.Shape, p.Params)
	return &maxUnpoolGrad{k}, err
}

type maxUnpoolGrad struct{ *maxUnpool }

func (k *maxUnpoolGrad) Run(g *Grads) {
	if g.DIn[0].IsZero() {
		return
	}
	dx, dy := g.DIn[0].F32(), g.DOut.F32()
	idx := gradArg(g, 1).I64()
	for i := len(dx) - 1; i >= 0; i-- {
		if at := k.place(idx[i]); at >= 0 {
			dx[i] += dy[at]
			dy[at] = 0
		}
	}
}
