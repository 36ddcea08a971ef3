package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// GroupNorm normalises the channels of each group of each image together:
//
//	y[n, p, c] = (x[n, p, c] - mean[n, g]) / sqrt(var[n, g] + eps) * scale[c] + bias[c],   g = c / (channels/Groups)
//
// with the mean and the biased variance over all positions p and the channels
// of g, summed in float64. Operands: x [n, ..., c]; scale and bias [c] or
// [Groups], optional, f32.
type GroupNorm struct {
	Groups int // 0, or as many as channels, is instance norm
	Eps    float32
}

// Kind is KindGroupNorm.
func (*GroupNorm) Kind() Kind { return KindGroupNorm }

// Fields lists the attributes.
func (o *GroupNorm) Fields(f Fields) {
	f.Int("groups", &o.Groups)
	f.Float("eps", &o.Eps)
}

// Infer is x's spec.
func (o *GroupNorm) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindGroupNorm, in, params, 1, 3)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &s[0]
	if err := wantF32(KindGroupNorm, "input", x); err != nil {
		return tensor.Spec{}, err
	}
	if x.Shape.Rank() < 2 {
		return tensor.Spec{}, notShape(KindGroupNorm, "input", "rank 2 or more", x.Shape.String())
	}
	c, g := x.Shape.Channels(), o.groups(x.Shape)
	if o.Groups < 0 || (g > 0 && c%g != 0) || (g == 0 && c > 0) {
		return tensor.Spec{}, errf(KindGroupNorm, "%d groups of %d channels", o.Groups, c)
	}
	for i, t := range s[1:] {
		if e := t.Shape.Elems(); t.DType != tensor.F32 || t.Shape.Rank() != 1 || (e != c && e != g) {
			return tensor.Spec{}, notShape(KindGroupNorm, []string{"scale", "bias"}[i], fmt.Sprintf("f32[%d]", c), t.String())
		}
	}
	if !(o.Eps >= 0) {
		return tensor.Spec{}, errf(KindGroupNorm, "eps is %v", o.Eps)
	}
	return *x, nil
}

func (o *GroupNorm) groups(x tensor.Shape) int {
	if o.Groups == 0 {
		return x.Channels()
	}
	return o.Groups
}

// Prepare has one path, parallel over groups.
func (o *GroupNorm) Prepare(p *Prep) (Kernel, error) {
	return prepareNorm(p, o.sets(operands(p.In, Specs(p.Params))), 0), nil
}

func (o *GroupNorm) sets(s []tensor.Spec) normSets {
	x, g := s[0].Shape, o.groups(s[0].Shape)
	n := x.Dim(0)
	return newNormSets(n, x.Rows()/max(1, n), g, x.Channels()/max(1, g), o.Eps, s[1:])
}

// Keeps is x, and the scale where it is an input.
func (*GroupNorm) Keeps(in, params []tensor.Spec) Keep { return keepNorm(in) }

// Backward prepares the gradients of x, scale and bias: see normGrad.
func (o *GroupNorm) Backward(p *GradPrep) (GradKernel, error) {
	s := o.sets(operands(p.In, Specs(p.Params)))
	if k := newGroupNormGrad(p, s); k != nil {
		return k, nil
	}
	return newNormGrad(s), nil
}
