package ops

import "github.com/teff-ml/teff/ops/internal/kern"

// convGradPointwise is a gradient of a 1x1 convolution as that of a dense layer: dx or dw.
type convGradPointwise struct {
	dw      bool
	product gradProduct
}

// pointwiseGrad says that gradients may be a dense layer's.
func (s *convSpec) pointwiseGrad() bool {
	return s.Pointwise() && s.groups == 1 && s.n*s.OutSize()*s.ic*s.oc > 0
}

func newConvGradInPointwise(p *GradPrep, k *convGrad) *convGradPointwise {
	t := &convGradPointwise{product: gradProduct{m: k.n * k.OutSize(), n: k.ic, k: k.oc, pm: k.oc, pk: 1, qk: k.ic, qn: 1, ldc: k.ic, sets: p.writes(0)}}
	t.product.prepare(p)
	return t
}

// newConvGradWeightPointwise is nil where channels are so few that tasks over positions are better.
func newConvGradWeightPointwise(p *GradPrep, k *convGrad) *convGradPointwise {
	rows := k.n * k.OutSize()
	if mr, _ := kern.TNPanels(); mr == 0 || !k.pointwiseGrad() || k.oc < tnRows || k.ic < packColumns || rows <= turnedRows {
		return nil
	}
	t := &convGradPointwise{dw: true, product: gradProduct{m: k.oc, n: k.ic, k: rows, pm: 1, pk: k.oc, qk: k.ic, qn: 1, ldc: k.ic}}
	t.product.prepare(p)
	return t
}

func (t *convGradPointwise) Run(g *Grads) {
	x := &t.product
	if x.p = g.DOut.F32(); t.dw {
		x.q, x.c = g.In[0].F32(), g.DParams[0].F32()
	} else {
		x.q, x.c = g.Params[0].F32(), g.DIn[0].F32()
	}
	x.Run(g)
}
