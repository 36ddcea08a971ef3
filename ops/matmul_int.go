package ops

import "github.com/teff-ml/teff/ops/tensor"

// prepareInt is Prepare for 8-bit operands with one scale each: the sum of
// (a - za) * (b - zb) in int32, requantised by sa*sb/sy (see qmath.go).
func (o *MatMul) prepareInt(p *Prep) (Kernel, error) {
	s, a, b, err := o.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	for i, t := range []*tensor.Spec{a, b, &p.Out} {
		if err := wantAffine(KindMatMul, [...]string{"operand 0", "operand 1", "output"}[i], t); err != nil {
			return nil, err
		}
	}
	if s.alpha != 1 {
		return nil, errf(KindMatMul, "alpha %v has no integer form", s.alpha)
	}
	rq, err := newRequant(KindMatMul, a, b, &p.Out, o.Act)
	if err != nil {
		return nil, err
	}
	if !p.Reference && s.m*s.n*s.k*s.batches > 0 {
		return o.prepareGemmInt(p, s, a, b, rq), nil
	}
	return newProduct(p, s.terms(), 1).quantised(p, rq), nil
}
