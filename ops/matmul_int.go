package ops

import "github.com/teff-ml/teff/ops/tensor"

// prepareInt is Prepare for 8-bit operands with one scale each: the sum of
// (a - za) * (b - zb) in int32, requantised by sa*sb/sy (see qmath.go).
func (o *MatMul) prepareInt(p *Prep) (Kernel, error) {
	s, a, b, err := o.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	for i, t := range []tensor.Spec{a, b, p.Out} {
		if err := wantAffine(KindMatMul, [...]string{"operand 0", "operand 1", "output"}[i], t); err != nil {
			return nil, err
		}
	}
	if s.alpha != 1 {
		return nil, errf(KindMatMul, "alpha %v has no integer form", s.alpha)
	}
	rq, err := newRequant(KindMatMul, a, b, p.Out, o.Act)
	if err != nil {
		return nil, err
	}
	if !p.Reference && s.m*s.n*s.k*s.batches > 0 {
		return o.prepareGemmInt(p, s, a, b, rq), nil
	}
	p.Path("reference/int")
	return &matMulIntReference{s, p.Params, newQ8(a), newQ8(b), rq}, nil
}

type matMulIntReference struct {
	matMulSpec
	params []tensor.Tensor
	a, b   q8
	rq     requant
}

func (k *matMulIntReference) Run(r *Args) {
	a, b, y := arg(r, k.params, 0).Data, arg(r, k.params, 1).Data, r.Out.Data
	am, ak, bk, bn := k.k, 1, k.n, 1 // steps along m and k of a, along k and n of b
	if k.transA {
		am, ak = 1, k.m
	}
	if k.transB {
		bk, bn = 1, k.k
	}
	i := 0
	for batch := range k.batches {
		row, col := batch/k.batch.inner, batch%k.batch.inner
		as := a[(k.batch.at(0, row)+col*k.batch.step(0))*k.m*k.k:]
		bs := b[(k.batch.at(1, row)+col*k.batch.step(1))*k.k*k.n:]
		for m := range k.m {
			for n := range k.n {
				var sum int32
				for j := range k.k {
					sum += k.a.at(as[m*am+j*ak]) * k.b.at(bs[j*bk+n*bn])
				}
				y[i] = k.rq.apply(sum, 0)
				i++
			}
		}
	}
}
