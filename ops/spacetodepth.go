package ops

import "github.com/teff-ml/teff/ops/tensor"

// SpaceToDepth is the inverse of DepthToSpace: [n, h*b, w*b, c] to
// [n, h, w, b*b*c], channels ordered block row, block column, c.
type SpaceToDepth struct{ Block int }

// Kind is KindSpaceToDepth.
func (*SpaceToDepth) Kind() Kind { return KindSpaceToDepth }

// Fields lists the attributes.
func (o *SpaceToDepth) Fields(f Fields) { f.Int("block", &o.Block) }

// Infer is the deeper image.
func (o *SpaceToDepth) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindSpaceToDepth, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x, b := &s[0], o.Block
	if x.Shape.Rank() != 4 || b < 1 || b > 1<<10 || x.Shape.Dim(1)%b != 0 || x.Shape.Dim(2)%b != 0 {
		return tensor.Spec{}, errf(KindSpaceToDepth, "block %d of %v", b, x.Shape)
	}
	shape, err := tensor.NewShape(x.Shape.Dim(0), x.Shape.Dim(1)/b, x.Shape.Dim(2)/b, x.Shape.Channels()*b*b)
	return tensor.Spec{DType: x.DType, Shape: shape, Quant: x.Quant}, err
}

// mover walks [n, h, block row, w, block column, c].
func (o *SpaceToDepth) mover(x, out *tensor.Spec) *mover {
	n, h, w, b := out.Shape.Dim(0), out.Shape.Dim(1), out.Shape.Dim(2), o.Block
	c := x.Shape.Channels()
	all := b * b * c
	return newMover(x.DType.Size(), []int{n, h, b, w, b, c},
		[]int{h * b * w * b * c, b * w * b * c, w * b * c, b * c, c, 1},
		[]int{h * w * all, w * all, b * c, all, c, 1}, 0, 0)
}

// Prepare copies elements.
func (o *SpaceToDepth) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	return newMoveKernel(p, o.mover(x, &p.Out)), nil
}

// Keeps is nothing.
func (*SpaceToDepth) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward moves the gradient back.
func (o *SpaceToDepth) Backward(p *GradPrep) (GradKernel, error) {
	return newMoveGrad(p, o.mover(&p.In[0], &p.Out), true), nil
}
