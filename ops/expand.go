package ops

import "github.com/teff-ml/teff/ops/tensor"

// Expand broadcasts its input to Dims (aligned at the last dimension): an
// extent of 1 on either side takes the other's.
type Expand struct{ Dims []int }

// Kind is KindExpand.
func (*Expand) Kind() Kind { return KindExpand }

// Fields lists the attributes.
func (o *Expand) Fields(f Fields) { f.Ints("dims", &o.Dims) }

// Infer is the broadcast shape.
func (o *Expand) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindExpand, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	want, err := tensor.NewShape(o.Dims...)
	if err != nil {
		return tensor.Spec{}, errf(KindExpand, "%w", err)
	}
	shape, err := tensor.Broadcast(s[0].Shape, want)
	if err != nil {
		return tensor.Spec{}, errf(KindExpand, "%w", err)
	}
	if len(s[0].Quant.Scale) > 1 {
		return tensor.Spec{}, errf(KindExpand, "of a tensor quantised per channel")
	}
	return tensor.Spec{DType: s[0].DType, Shape: shape, Quant: s[0].Quant}, nil
}

func (o *Expand) mover(x, out *tensor.Spec) *mover {
	src := make([]int, out.Shape.Rank())
	from := x.Shape.Strides()
	for i := range x.Shape.Rank() {
		if x.Shape.Dim(i) > 1 {
			src[i+out.Shape.Rank()-x.Shape.Rank()] = from[i]
		}
	}
	return newMover(x.DType.Size(), out.Shape.Dims(), src, denseStrides(out.Shape), 0, 0)
}

// Prepare copies elements.
func (o *Expand) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	return newMoveKernel(p, o.mover(x, &p.Out)), nil
}

// Keeps is nothing.
func (*Expand) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward sums what was repeated.
func (o *Expand) Backward(p *GradPrep) (GradKernel, error) {
	return newMoveGrad(p, o.mover(&p.In[0], &p.Out), false), nil
}
