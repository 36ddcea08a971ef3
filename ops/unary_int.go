package ops

import "github.com/teff-ml/teff/ops/tensor"

// A function of an 8-bit number is a table of 256 results, each computed in
// float32 and rounded half to even, as XNNPACK's sigmoid and tanh are. Relu
// and Clip between equal scales only limit, with the limits rounded as in a
// fused activation.

// prepareInt is Prepare for an 8-bit input.
func (u *Unary) prepareInt(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	for i, s := range []*tensor.Spec{x, &p.Out} {
		if err := wantAffine(KindUnary, [...]string{"input", "output"}[i], s); err != nil {
			return nil, err
		}
	}
	if len(p.In) == 0 {
		return nil, errf(KindUnary, "the operand of an integer function must be an input")
	}
	p.InPlace(0)
	p.Path("table")
	act := Act{u.Fn, u.A, u.B}
	if _, _, ok := act.Clamp(); ok && x.Quant.Equal(p.Out.Quant) && x.DType == p.Out.DType {
		s, z := x.Quant.At(0)
		lo, hi := tensor.IntRange(x.DType)
		l, h, err := act.quantLimits(s, z, lo, hi)
		if err != nil {
			return nil, errf(KindUnary, "%v", err)
		}
		return newLUT(x, func(q int32) int32 { return min(max(q, l), h) }), nil
	}
	return newRealLUT(x, &p.Out, act.apply), nil
}
