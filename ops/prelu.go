package ops

import "github.com/teff-ml/teff/ops/tensor"

// PRelu is y = x < 0 ? slope*x : x.
//
// Operands: x, f32 of any shape (or quantised i8, u8), and slope, which
// broadcasts to x: one value, [channels], or more.
type PRelu struct{ Out OutType }

// Kind is KindPRelu.
func (*PRelu) Kind() Kind { return KindPRelu }

// Fields lists the attributes.
func (r *PRelu) Fields(f Fields) { r.Out.fields(f) }

// Infer is x's shape.
func (r *PRelu) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindPRelu, in, params, 2, 2)
	if err != nil {
		return tensor.Spec{}, err
	}
	x, slope := &o[0], &o[1]
	if !isQuantised(x) {
		if err := wantF32(KindPRelu, "input", x); err != nil {
			return tensor.Spec{}, err
		}
		if err := wantF32(KindPRelu, "slope", slope); err != nil {
			return tensor.Spec{}, err
		}
	}
	if s, err := tensor.Broadcast(x.Shape, slope.Shape); err != nil || s != x.Shape {
		return tensor.Spec{}, notShape(KindPRelu, "slope", "broadcasting to "+x.Shape.String(), slope.Shape.String())
	}
	return r.Out.sameType(KindPRelu, x, x.Shape)
}
