package ops

import "github.com/teff-ml/teff/ops/tensor"

// LpNorm divides by the norm along Axis:
//
//	y[i] = x[i] / max(norm, Eps),   norm = sum of |x[j]| (P = 1) or square root of the sum of x[j]² (P = 2)
//
// with sums in float64; where norm and Eps are 0, y is 0. One operand, f32.
type LpNorm struct {
	P    int // 1 or 2
	Axis int
	Eps  float32
}

// Kind is KindLpNorm.
func (*LpNorm) Kind() Kind { return KindLpNorm }

// Fields lists the attributes.
func (o *LpNorm) Fields(f Fields) {
	f.Int("p", &o.P)
	f.Int("axis", &o.Axis)
	f.Float("eps", &o.Eps)
}

// Infer is the operand's spec.
func (o *LpNorm) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := wantOperands(KindLpNorm, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if o.P != 1 && o.P != 2 {
		return tensor.Spec{}, errf(KindLpNorm, "p is %d, want 1 or 2", o.P)
	}
	if !(o.Eps >= 0) {
		return tensor.Spec{}, errf(KindLpNorm, "eps is %v", o.Eps)
	}
	if _, _, _, err := axisOf(KindLpNorm, s[0].Shape, o.Axis); err != nil {
		return tensor.Spec{}, err
	}
	return s[0], wantF32(KindLpNorm, "input", s[0])
}
