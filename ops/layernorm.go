package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// LayerNorm normalises the dimensions from Axis on together:
//
//	y[r, i] = (x[r, i] - mean[r]) / sqrt(var[r] + eps) * scale[i] + bias[i]
//
// with mean and biased variance over i, summed in float64. Operands: x; scale
// and bias with as many elements as the dimensions from Axis on, optional, f32.
type LayerNorm struct {
	Axis   int
	Eps    float32
	Output int // 0 y; 1 the mean, 2 the inverse standard deviation, with extent 1 from Axis on
}

// Kind is KindLayerNorm.
func (*LayerNorm) Kind() Kind { return KindLayerNorm }

// Fields lists the attributes.
func (o *LayerNorm) Fields(f Fields) {
	f.Int("axis", &o.Axis)
	f.Float("eps", &o.Eps)
	f.Int("output", &o.Output)
}

// Infer is x's spec, or that of the statistics.
func (o *LayerNorm) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindLayerNorm, in, params, 1, 3)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &s[0]
	if err := wantF32(KindLayerNorm, "input", x); err != nil {
		return tensor.Spec{}, err
	}
	_, n, inner, err := axisOf(KindLayerNorm, x.Shape, o.Axis)
	if err != nil {
		return tensor.Spec{}, err
	}
	for i, t := range s[1:] {
		if t.DType != tensor.F32 || t.Shape.Elems() != n*inner {
			return tensor.Spec{}, notShape(KindLayerNorm, []string{"scale", "bias"}[i], fmt.Sprintf("f32 with %d elements", n*inner), t.String())
		}
	}
	if !(o.Eps >= 0) {
		return tensor.Spec{}, errf(KindLayerNorm, "eps is %v", o.Eps)
	}
	switch o.Output {
	case 0:
		return *x, nil
	case 1, 2:
		out, axis := *x, o.Axis
		if axis < 0 {
			axis += x.Shape.Rank()
		}
		for i := axis; i < x.Shape.Rank(); i++ {
			out.Shape = out.Shape.With(i, 1)
		}
		return out, nil
	}
	return tensor.Spec{}, errf(KindLayerNorm, "output %d", o.Output)
}

// Prepare has one path, parallel over rows.
func (o *LayerNorm) Prepare(p *Prep) (Kernel, error) {
	s, err := o.sets(operands(p.In, Specs(p.Params)))
	if err != nil {
		return nil, err
	}
	return prepareNorm(p, s, o.Output), nil
}

func (o *LayerNorm) sets(s []tensor.Spec) (normSets, error) {
	outer, n, inner, err := axisOf(KindLayerNorm, s[0].Shape, o.Axis)
	return newNormSets(outer, 1, 1, n*inner, o.Eps, s[1:]), err
}

// Keeps is x, and the scale where it is an input.
func (*LayerNorm) Keeps(in, params []tensor.Spec) Keep { return keepNorm(in) }

// Backward prepares the gradients of x, scale and bias: see normGrad.
func (o *LayerNorm) Backward(p *GradPrep) (GradKernel, error) {
	if o.Output != 0 {
		return nil, errf(KindLayerNorm, "has no gradient for output %d", o.Output)
	}
	s, err := o.sets(operands(p.In, Specs(p.Params)))
	if err != nil {
		return nil, err
	}
	if !p.Reference && s.sets()*s.width > 0 {
		return newRowNormGrad(p, s), nil
	}
	return newNormGrad(s), nil
}
