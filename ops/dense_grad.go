package ops

import "github.com/teff-ml/teff/ops/tensor"

// Keeps is x, the weights when they are an input, and the result for a fused
// activation.
func (d *Dense) Keeps(in, params []tensor.Spec) Keep {
	k := KeepIn0 | keepForAct(d.Act)
	if len(params) == 0 {
		k |= KeepIn
	}
	return k
}

// Backward prepares, with d for the gradient before the activation,
//
//	dx[r, i]   += sum over o of d[r, o] * w[o, i]
//	dw[o, i]   += sum over r of d[r, o] * x[r, i]
//	dbias[o]   += sum over r of d[r, o]
//	dresidual  += d
func (d *Dense) Backward(p *GradPrep) (GradKernel, error) {
	s, x, err := d.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if x.DType != tensor.F32 {
		return nil, errf(KindDense, "has no gradient on %v", x.DType)
	}
	if err := checkGradAct(KindDense, d.Act); err != nil {
		return nil, err
	}
	k := &denseGrad{denseSpec: s, weight: d.weightOperand(), residual: d.Residual, act: newActGrad(d.Act, s.rows*s.out)}
	k.dx = gradProduct{m: s.rows, n: s.in, k: s.out, pm: s.out, pk: 1, qk: s.in, qn: 1, ldc: s.in}
	k.dw = gradProduct{m: s.out, n: s.in, k: s.rows, pm: 1, pk: s.out, qk: s.in, qn: 1, ldc: s.in}
	k.dx.sets = p.NeedIn[0] && s.rows*s.in*s.out > 0 && p.writes(0)
	k.dx.prepare(p)
	k.dw.prepare(p)
	k.dres = addTask{operand: 1, n: s.rows * s.out, factor: 1}
	k.db = columnSum{k.weight + 1, s.rows, s.out}
	if s.bias && !p.Reference && p.Out.Shape.Elems() > 0 {
		k.sums = &channelSums{newChannelLines(p.Out.Shape)}
		p.NeedScratch(4 * k.sums.scratch(max(1, p.Threads)))
	}
	return k, nil
}

type denseGrad struct {
	denseSpec
	weight   int // operand
	residual bool
	act      actGrad
	dx, dw   gradProduct
	dres     addTask
	db       columnSum
	sums     *channelSums // nil: by db
}

func (k *denseGrad) Run(g *Grads) {
	k.act.Run(g)
	if k.residual {
		k.dres.Run(g)
	}
	if db := gradOf(g, k.weight+1); k.bias && k.sums != nil && !db.IsZero() {
		k.sums.addTo(g, db.F32())
	} else if k.bias {
		k.db.Run(g)
	}
	if dw := gradOf(g, k.weight); !dw.IsZero() {
		k.dw.p, k.dw.q, k.dw.c = g.DOut.F32(), g.In[0].F32(), dw.F32()
		k.dw.Run(g)
	}
	if dx := gradOf(g, 0); !dx.IsZero() {
		k.dx.p, k.dx.q, k.dx.c = g.DOut.F32(), gradArg(g, k.weight).F32(), dx.F32()
		k.dx.Run(g)
	}
}

// columnSum adds the sums of DOut's columns to the gradient of an operand with
// one value a column.
type columnSum struct{ operand, rows, cols int }

func (k *columnSum) Run(g *Grads) {
	if !gradOf(g, k.operand).IsZero() {
		g.Parallel((k.cols+sumWidth-1)/sumWidth, k)
	}
}

func (k *columnSum) Do(g *Grads, i, _ int) {
	c0, c1 := i*sumWidth, min(k.cols, (i+1)*sumWidth)
	var sum [sumWidth]float64
	d := g.DOut.F32()
	for r := range k.rows {
		for j, v := range d[r*k.cols+c0 : r*k.cols+c1] {
			sum[j] += float64(v)
		}
	}
	db := gradOf(g, k.operand).F32()
	for j := range c1 - c0 {
		db[c0+j] += float32(sum[j])
	}
}
