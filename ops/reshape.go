package ops

import (
	"math"
	"slices"

	"github.com/teff-ml/teff/ops/tensor"
)

// Reshape is the same elements in the same order under another shape. In Dims
// a 0 copies the input's extent at that place (unless AllowZero) and one -1 is
// whatever is left, so that a graph can be run at another batch size.
type Reshape struct {
	Dims      []int
	AllowZero bool
}

// Kind is KindReshape.
func (*Reshape) Kind() Kind { return KindReshape }

// Fields lists the attributes.
func (r *Reshape) Fields(f Fields) {
	f.Ints("dims", &r.Dims)
	f.Bool("allow_zero", &r.AllowZero)
}

// Infer resolves Dims.
func (r *Reshape) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindReshape, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &o[0]
	dims, free, known := slices.Clone(r.Dims), -1, 1
	for i, d := range dims {
		switch {
		case d == 0 && !r.AllowZero:
			if i >= x.Shape.Rank() {
				return tensor.Spec{}, errf(KindReshape, "dimension %d of %v copies what input %v does not have", i, r.Dims, x.Shape)
			}
			dims[i] = x.Shape.Dim(i)
		case d == -1 && free < 0:
			free = i
			continue
		case d < 0 || d > limit*64:
			return tensor.Spec{}, errf(KindReshape, "dimensions %v", r.Dims)
		}
		if dims[i] > 0 && known > math.MaxInt/dims[i] {
			return tensor.Spec{}, errf(KindReshape, "dimensions %v", r.Dims)
		}
		known *= dims[i]
	}
	n := x.Shape.Elems()
	if free >= 0 {
		if known == 0 || n%known != 0 {
			return tensor.Spec{}, errf(KindReshape, "input %v does not fill %v", x.Shape, r.Dims)
		}
		dims[free] = n / known
	}
	s, err := tensor.NewShape(dims...)
	if err != nil {
		return tensor.Spec{}, errf(KindReshape, "%w", err)
	}
	if s.Elems() != n {
		return tensor.Spec{}, errf(KindReshape, "input %v has %d elements, %v has %d", x.Shape, n, s, s.Elems())
	}
	q := x.Quant
	if len(q.Scale) > 1 {
		return tensor.Spec{}, errf(KindReshape, "of a tensor quantised per channel")
	}
	return tensor.Spec{DType: x.DType, Shape: s, Quant: q}, nil
}

// Prepare has nothing to compute: the result is a view.
func (r *Reshape) Prepare(p *Prep) (Kernel, error) { return prepareView(p) }

// prepareView makes the result a view of the input, or a copy of a parameter.
func prepareView(p *Prep) (Kernel, error) {
	if len(p.In) > 0 {
		p.View(0)
		return nil, nil
	}
	n := []int{p.Out.Shape.Elems()}
	return newMoveKernel(p, newMover(p.Out.DType.Size(), n, []int{1}, []int{1}, 0, 0)), nil
}

// Keeps is nothing.
func (*Reshape) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward passes the gradient on in the input's shape.
func (*Reshape) Backward(p *GradPrep) (GradKernel, error) { return newPassGrad(p), nil }

// passGrad adds the result's gradient to the input's, element by element.
type passGrad struct{ shares, sets bool }

func newPassGrad(p *GradPrep) *passGrad {
	k := &passGrad{}
	k.sets = p.replaces(0)
	k.shares = p.Shares() == 0
	return k
}

func (k *passGrad) Run(g *Grads) {
	switch {
	case g.DIn[0].IsZero() || k.shares:
	case k.sets:
		copy(g.DIn[0].F32(), g.DOut.F32())
	default:
		addInto(g.DIn[0].F32(), g.DOut.F32())
	}
}
