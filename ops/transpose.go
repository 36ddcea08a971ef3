package ops

import (
	"slices"

	"github.com/teff-ml/teff/ops/tensor"
)

// Transpose reorders dimensions: dimension i of the result is dimension Perm[i]
// of the input. An empty Perm reverses them.
type Transpose struct{ Perm []int }

// Kind is KindTranspose.
func (*Transpose) Kind() Kind { return KindTranspose }

// Fields lists the attributes.
func (t *Transpose) Fields(f Fields) { f.Ints("perm", &t.Perm) }

func (t *Transpose) perm(rank int) ([]int, error) {
	p := slices.Clone(t.Perm)
	if len(p) == 0 {
		for i := range rank {
			p = append(p, rank-1-i)
		}
		return p, nil
	}
	for d := range max(rank, len(p)) {
		if !slices.Contains(p, d) || len(p) != rank {
			return nil, errf(KindTranspose, "%v is no permutation of %d dimensions", t.Perm, rank)
		}
	}
	return p, nil
}

// Infer is the reordered shape.
func (t *Transpose) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindTranspose, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	perm, err := t.perm(o[0].Shape.Rank())
	if err != nil {
		return tensor.Spec{}, err
	}
	dims := make([]int, len(perm))
	q := o[0].Quant
	for i, p := range perm {
		dims[i] = o[0].Shape.Dim(p)
		if len(o[0].Quant.Scale) > 1 && p == o[0].Quant.Axis {
			q.Axis = i
		}
	}
	s, err := tensor.NewShape(dims...)
	return tensor.Spec{DType: o[0].DType, Shape: s, Quant: q}, err
}

func (t *Transpose) mover(x, out *tensor.Spec) (*mover, error) {
	perm, err := t.perm(x.Shape.Rank())
	if err != nil {
		return nil, err
	}
	from := denseStrides(x.Shape)
	src := make([]int, len(perm))
	for i, p := range perm {
		src[i] = from[p]
	}
	return newMover(x.DType.Size(), out.Shape.Dims(), src, denseStrides(out.Shape), 0, 0), nil
}

// Prepare copies elements.
func (t *Transpose) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	m, err := t.mover(x, &p.Out)
	if err != nil {
		return nil, err
	}
	return newMoveKernel(p, m), nil
}

// Keeps is nothing.
func (*Transpose) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward is the inverse permutation.
func (t *Transpose) Backward(p *GradPrep) (GradKernel, error) {
	m, err := t.mover(&p.In[0], &p.Out)
	if err != nil {
		return nil, err
	}
	return newMoveGrad(p, m, true), nil
}
