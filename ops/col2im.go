package ops

import "github.com/teff-ml/teff/ops/tensor"

// Col2Im adds columns of patches back into an image, the inverse of im2col in
// the sense of its transpose (ONNX's Col2Im, but channels last): input
// [n, patches, taps*c] with a column's elements ordered channel first, c major
// and taps minor as in ONNX, output [n, image..., c].
type Col2Im struct {
	Window
	Image []int // spatial extents of the result
}

// Kind is KindCol2Im.
func (*Col2Im) Kind() Kind { return KindCol2Im }

// Fields lists the attributes.
func (o *Col2Im) Fields(f Fields) {
	o.Window.fields(f)
	f.Ints("image", &o.Image)
}

func (o *Col2Im) resolve(x tensor.Shape) (g Geom, c int, err error) {
	if x.Rank() != 3 || len(o.Kernel) == 0 || len(o.Kernel) != len(o.Image) {
		return g, 0, errf(KindCol2Im, "columns %v, kernel %v, image %v", x, o.Kernel, o.Image)
	}
	taps := 1
	for _, k := range o.Kernel {
		if k < 1 || k > limit || taps > limit {
			return g, 0, errf(KindCol2Im, "kernel %v", o.Kernel)
		}
		taps *= k
	}
	c = x.Dim(2) / taps
	image, err := tensor.NewShape(append(append([]int{x.Dim(0)}, o.Image...), c)...)
	if err != nil {
		return g, 0, errf(KindCol2Im, "%w", err)
	}
	if g, err = o.Resolve(KindCol2Im, image, nil); err != nil {
		return g, 0, err
	}
	if c*taps != x.Dim(2) || g.OutSize() != x.Dim(1) {
		return g, 0, errf(KindCol2Im, "columns %v, want %d patches of a multiple of %d", x, g.OutSize(), taps)
	}
	return g, c, nil
}

// Infer is [n, image..., c].
func (o *Col2Im) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindCol2Im, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	_, c, err := o.resolve(s[0].Shape)
	if err != nil {
		return tensor.Spec{}, err
	}
	if s[0].DType != tensor.F32 {
		return tensor.Spec{}, errf(KindCol2Im, "input is %v, want f32", s[0].DType)
	}
	shape, err := tensor.NewShape(append(append([]int{s[0].Shape.Dim(0)}, o.Image...), c)...)
	return tensor.Spec{DType: tensor.F32, Shape: shape}, err
}

type col2im struct {
	*convSpec
	params []tensor.Tensor
}

// Prepare adds patch by patch.
func (o *Col2Im) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	g, c, err := o.resolve(x.Shape)
	if err != nil {
		return nil, err
	}
	p.Path("reference")
	return &col2im{&convSpec{Geom: g, n: x.Shape.Dim(0), ic: c}, p.Params}, nil
}

func (k *col2im) Run(a *Args) {
	x, y := argF32(a, k.params, 0), f32(&a.Out)
	clear(y)
	k.walk(func(from, to int) { y[to] += x[from] })
}

// walk visits each column element and its place in the image.
func (k *col2im) walk(f func(from, to int)) {
	taps := k.Taps()
	for n := range k.n {
		for row := range k.OutSize() {
			for t := range taps {
				pos, ok := k.inAt(k.outAt(row), t)
				if !ok {
					continue
				}
				for c := range k.ic {
					f(((n*k.OutSize()+row)*k.ic+c)*taps+t, (n*k.InSize()+pos)*k.ic+c)
				}
			}
		}
	}
}

// Keeps is nothing.
func (*Col2Im) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward reads each column element's gradient from its place.
func (o *Col2Im) Backward(p *GradPrep) (GradKernel, error) {
	g, c, err := o.resolve(p.In[0].Shape)
	return &col2imGrad{col2im{convSpec: &convSpec{Geom: g, n: p.In[0].Shape.Dim(0), ic: c}}}, err
}

type col2imGrad struct{ col2im }

func (k *col2imGrad) Run(g *Grads) {
	if g.DIn[0].IsZero() {
		return
	}
	dx, dy := g.DIn[0].F32(), g.DOut.F32()
	k.walk(func(from, to int) { dx[from] += dy[to] })
}
