package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradJoined is the gradient of a convolution whose groups are narrower than a vector: some groups are one, with
// weights of 0 between them, which a vector holds in the time that one group takes. The weights' gradient is that of
// the wide groups, of which the blocks on the diagonal count.
type convGradJoined struct {
	k     *convGrad // of single groups
	wide  convSpec
	join  int // groups of a wide one
	inner GradKernel
	dw    bool
	at    int // bytes of the inner kernel's scratch; wide weights follow
	g     Grads
	param [1]tensor.Tensor
}

// joins is how many groups make a vector, 1 where one does.
func (s *convSpec) joins(gemm *kern.GemmF32) int {
	n := 1
	for s.groups > 1 && 2*n*s.icg <= gemm.NR/2 && s.groups%(2*n) == 0 && s.ocg*s.icg > 1 {
		n *= 2
	}
	return n
}

// joined wraps what build makes for the wide groups.
func newConvGradJoined(p *GradPrep, k *convGrad, join int, dw bool, build func(*GradPrep, *convGrad) GradKernel) *convGradJoined {
	j := &convGradJoined{k: k, wide: *k.convSpec, join: join, dw: dw}
	j.wide.groups, j.wide.icg, j.wide.ocg = k.groups/join, k.icg*join, k.ocg*join
	q := *p
	q.scratch = 0
	j.inner = build(&q, &convGrad{convSpec: &j.wide})
	p.sets, p.shares = q.sets, q.shares
	j.param[0].Spec = tensor.F32Spec(k.oc, k.Taps(), j.wide.icg)
	j.at = roundUp(q.scratch, 64)
	p.NeedScratch(j.at + 4*k.oc*k.Taps()*j.wide.icg)
	return j
}

func (j *convGradJoined) Run(g *Grads) {
	k := j.k
	w := tensor.CastSlice[float32](g.Scratch[j.at:])[:k.oc*k.Taps()*j.wide.icg]
	clear(w)
	j.g = *g
	j.g.Scratch = g.Scratch[:j.at]
	j.param[0].Data = tensor.BytesOf(w)
	if j.dw {
		j.g.DParams = j.param[:]
		j.inner.Run(&j.g)
		dw := g.DParams[0].F32()
		for row := range k.oc * k.Taps() {
			addInto(dw[row*k.icg:][:k.icg], j.own(w, row))
		}
		return
	}
	for row := range k.oc * k.Taps() {
		copy(j.own(w, row), g.Params[0].F32()[row*k.icg:])
	}
	j.g.Params = j.param[:]
	j.inner.Run(&j.g)
}

// own is a row's part of the wide weights, a row being one tap of one output channel.
func (j *convGradJoined) own(w []float32, row int) []float32 {
	place := row / j.k.Taps() / j.k.ocg % j.join
	return w[row*j.wide.icg+place*j.k.icg:][:j.k.icg]
}
