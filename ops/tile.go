package ops

import "github.com/teff-ml/teff/ops/tensor"

// Tile repeats its input Repeats[i] times along each dimension i.
type Tile struct{ Repeats []int }

// Kind is KindTile.
func (*Tile) Kind() Kind { return KindTile }

// Fields lists the attributes.
func (o *Tile) Fields(f Fields) { f.Ints("repeats", &o.Repeats) }

// Infer multiplies the extents.
func (o *Tile) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindTile, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &s[0]
	if len(o.Repeats) != x.Shape.Rank() || len(x.Quant.Scale) > 1 {
		return tensor.Spec{}, errf(KindTile, "repeats %v of %v", o.Repeats, x)
	}
	dims := x.Shape.Dims()
	for i, r := range o.Repeats {
		if r < 0 || r > limit || dims[i] > limit {
			return tensor.Spec{}, errf(KindTile, "repeats %v of %v", o.Repeats, x.Shape)
		}
		dims[i] *= r
	}
	shape, err := tensor.NewShape(dims...)
	if err != nil {
		return tensor.Spec{}, errf(KindTile, "%w", err)
	}
	return tensor.Spec{DType: x.DType, Shape: shape, Quant: x.Quant}, nil
}

type tileKernel struct {
	params  []tensor.Tensor
	in, out tensor.Shape
}

// Prepare has one path.
func (o *Tile) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	p.Path("copy")
	return &tileKernel{p.Params, x.Shape, p.Out.Shape}, nil
}

// source is the first element of the input row that output row r repeats.
func (k *tileKernel) source(r int) int {
	st, at := k.in.Strides(), 0
	for d := k.out.Rank() - 2; d >= 0; d-- {
		at += r % k.out.Dim(d) % k.in.Dim(d) * st[d]
		r /= k.out.Dim(d)
	}
	return at
}

func (k *tileKernel) Run(a *Args) {
	if k.out.Elems() > 0 {
		k.fill(a.Out.Data, arg(a, k.params, 0).Data, 0)
	}
}

// fill writes dimensions d and later of the result: what is repeated along d is copied
// from what is there.
func (k *tileKernel) fill(dst, src []byte, d int) {
	from, n := len(src), len(src)
	if d < k.out.Rank() {
		from, n = len(src)/k.in.Dim(d), len(dst)/k.out.Dim(d)
	}
	if from == n { // nothing is repeated behind d
		n = copy(dst, src)
	} else {
		for i := range k.in.Dim(d) {
			k.fill(dst[i*n:(i+1)*n], src[i*from:(i+1)*from], d+1)
		}
		n *= k.in.Dim(d)
	}
	for at := n; at < len(dst); at += n {
		copy(dst[at:], dst[:n])
	}
}

// Keeps is nothing.
func (*Tile) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward sums what was repeated.
func (o *Tile) Backward(p *GradPrep) (GradKernel, error) {
	return &tileGrad{tileKernel{in: p.In[0].Shape, out: p.Out.Shape}}, nil
}

type tileGrad struct{ tileKernel }

func (k *tileGrad) Run(g *Grads) {
	if g.DIn[0].IsZero() || k.out.Elems() == 0 {
		return
	}
	dx, dy := g.DIn[0].F32(), g.DOut.F32()
	if k.out.Rank() == 0 {
		dx[0] += dy[0]
		return
	}
	run := k.in.Dim(-1)
	for r := range k.out.Rows() {
		at := k.source(r)
		for i, v := range dy[r*k.out.Dim(-1):][:k.out.Dim(-1)] {
			dx[at+i%run] += v
		}
	}
}
