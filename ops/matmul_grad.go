package ops

import "github.com/teff-ml/teff/ops/tensor"

// Keeps is both operands, and the result for a fused activation.
func (o *MatMul) Keeps(in, params []tensor.Spec) Keep { return KeepIn | keepForAct(o.Act) }

// Backward prepares, with d for the gradient before the activation,
//
//	da += alpha * d · bᵀ,   db += alpha * aᵀ · d
//
// summed over the products that an operand's matrix takes part in.
func (o *MatMul) Backward(p *GradPrep) (GradKernel, error) {
	s, a, _, err := o.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if a.DType != tensor.F32 {
		return nil, errf(KindMatMul, "has no gradient on %v", a.DType)
	}
	if err := checkGradAct(KindMatMul, o.Act); err != nil {
		return nil, err
	}
	k := &matMulGrad{matMulSpec: s, act: newActGrad(o.Act, p.Out.Shape.Elems())}
	am, ak, bk, bn := s.strides()
	// A gradient is laid out as its operand: the product's rows run along the
	// operand's outer dimension.
	k.da = gradProduct{m: s.m, n: s.k, k: s.n, pm: s.n, pk: 1, qk: bn, qn: bk, ldc: am}
	if s.transA { // da[k, m] = sum over n of b[k, n] * d[m, n]
		k.da = gradProduct{m: s.k, n: s.m, k: s.n, pm: bk, pk: bn, qk: 1, qn: s.n, ldc: ak}
	}
	k.db = gradProduct{m: s.k, n: s.n, k: s.m, pm: ak, pk: am, qk: s.n, qn: 1, ldc: bk}
	if s.transB { // db[n, k] = sum over m of d[m, n] * a[m, k]
		k.db = gradProduct{m: s.n, n: s.k, k: s.m, pm: 1, pk: s.n, qk: am, qn: ak, ldc: bn}
	}
	k.da.alpha, k.db.alpha = s.alpha, s.alpha
	if k.batches*s.m*s.k*s.n > 0 { // else nothing would be written
		o := operands(p.In, Specs(p.Params))
		k.da.sets = o[0].Shape.Elems() == k.batches*s.m*s.k && p.writes(0)
		k.db.sets = o[1].Shape.Elems() == k.batches*s.k*s.n && p.writes(1)
	}
	k.da.prepare(p)
	k.db.prepare(p)
	return k, nil
}

type matMulGrad struct {
	matMulSpec
	act    actGrad
	da, db gradProduct
}

func (k *matMulGrad) Run(g *Grads) {
	k.act.Run(g)
	a, b, d := gradArg(g, 0).F32(), gradArg(g, 1).F32(), g.DOut.F32()
	da, db := gradOf(g, 0), gradOf(g, 1)
	for p := range k.batches {
		ia, ib := k.place(0, p)*k.m*k.k, k.place(1, p)*k.k*k.n
		dp := d[p*k.m*k.n:]
		if !da.IsZero() {
			t := &k.da
			t.p, t.q, t.c = dp, b[ib:], da.F32()[ia:]
			if k.transA {
				t.p, t.q = b[ib:], dp
			}
			t.Run(g)
		}
		if !db.IsZero() {
			t := &k.db
			t.p, t.q, t.c = a[ia:], dp, db.F32()[ib:]
			if k.transB {
				t.p, t.q = dp, a[ia:]
			}
			t.Run(g)
		}
	}
}
