package ops

import "github.com/teff-ml/teff/ops/tensor"

// DepthToSpace moves blocks of channels into space: [n, h, w, b*b*c] to
// [n, h*b, w*b, c]. Channels are ordered block row, block column, c, or with
// CRD c, block row, block column (ONNX's two modes).
type DepthToSpace struct {
	Block int
	CRD   bool
}

// Kind is KindDepthToSpace.
func (*DepthToSpace) Kind() Kind { return KindDepthToSpace }

// Fields lists the attributes.
func (o *DepthToSpace) Fields(f Fields) {
	f.Int("block", &o.Block)
	f.Bool("crd", &o.CRD)
}

// Infer is the larger image.
func (o *DepthToSpace) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindDepthToSpace, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &s[0]
	if x.Shape.Rank() != 4 || o.Block < 1 || o.Block > 1<<10 || x.Shape.Channels()%(o.Block*o.Block) != 0 {
		return tensor.Spec{}, errf(KindDepthToSpace, "block %d of %v", o.Block, x.Shape)
	}
	shape, err := tensor.NewShape(x.Shape.Dim(0), x.Shape.Dim(1)*o.Block, x.Shape.Dim(2)*o.Block, x.Shape.Channels()/(o.Block*o.Block))
	return tensor.Spec{DType: x.DType, Shape: shape, Quant: x.Quant}, err
}

// mover walks [n, h, block row, w, block column, c].
func (o *DepthToSpace) mover(x, out *tensor.Spec) *mover {
	n, h, w, b := x.Shape.Dim(0), x.Shape.Dim(1), x.Shape.Dim(2), o.Block
	c := out.Shape.Channels()
	all := b * b * c
	row, col, ch := b*c, c, 1
	if o.CRD {
		row, col, ch = b, 1, b*b
	}
	return newMover(x.DType.Size(), []int{n, h, b, w, b, c},
		[]int{h * w * all, w * all, row, all, col, ch},
		[]int{h * b * w * b * c, b * w * b * c, w * b * c, b * c, c, 1}, 0, 0)
}

// Prepare copies elements.
func (o *DepthToSpace) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	return newMoveKernel(p, o.mover(x, &p.Out)), nil
}

// Keeps is nothing.
func (*DepthToSpace) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward moves the gradient back.
func (o *DepthToSpace) Backward(p *GradPrep) (GradKernel, error) {
	return newMoveGrad(p, o.mover(&p.In[0], &p.Out), true), nil
}
