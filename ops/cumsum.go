package ops

import "github.com/teff-ml/teff/ops/tensor"

// CumSum is the running sum along Axis: y[i] = sum over j <= i of x[j], without
// j = i when Exclusive, from the end when Reverse. f32 (summed in float64),
// i32, i64.
type CumSum struct {
	Axis      int
	Exclusive bool
	Reverse   bool
}

// Kind is KindCumSum.
func (*CumSum) Kind() Kind { return KindCumSum }

// Fields lists the attributes.
func (o *CumSum) Fields(f Fields) {
	f.Int("axis", &o.Axis)
	f.Bool("exclusive", &o.Exclusive)
	f.Bool("reverse", &o.Reverse)
}

// Infer is the operand's spec.
func (o *CumSum) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	x, err := wantOperands(KindCumSum, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if _, _, _, err := axisOf(KindCumSum, x[0].Shape, o.Axis); err != nil {
		return tensor.Spec{}, err
	}
	if d := x[0].DType; d != tensor.I32 && d != tensor.I64 {
		if err := wantF32(KindCumSum, "input", x[0]); err != nil {
			return tensor.Spec{}, err
		}
	}
	return x[0], nil
}
