package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// narrowGrad is what both gradients of a convolution in narrow groups share: each tap of the kernel meets each row of
// outputs in one run of positions, as in a depthwise convolution, of 16 channels at a time.
type narrowGrad struct {
	depthwiseGrad
	order *kern.GroupOrder
	size  int // floats of the sums or weights of a tap and 16 channels
}

// narrows says that the gradients may have this form.
func (s *convSpec) narrows() bool {
	return s.groups > 1 && s.icg == s.ocg && s.oc%narrowBlock == 0 && kern.CanGroupGrad(s.icg) && s.n*s.OutSize() > 0
}

const narrowBlock = 16

func newNarrowGrad(k *convGrad) narrowGrad {
	return narrowGrad{depthwiseGrad{k, narrowBlock, min(depthwiseParts, k.n*k.Out[0]*k.Out[1])}, kern.NewGroupOrder(k.icg), kern.GroupSums(k.icg)}
}

// narrowGradIn adds d times the weights of each tap to the positions the tap saw; one task a block of channels of an image.
type narrowGradIn struct{ narrowGrad }

func newNarrowGradIn(p *GradPrep, k *convGrad) *narrowGradIn {
	t := &narrowGradIn{newNarrowGrad(k)}
	p.NeedScratch(4 * t.blocks() * k.Taps() * t.size)
	return t
}

func (t *narrowGradIn) Run(g *Grads) {
	k, w, taps := t.k, g.Params[0].F32(), t.k.Taps()
	turned := tensor.CastSlice[float32](g.Scratch)[:t.blocks()*taps*t.size]
	clear(turned)
	for o := range k.oc {
		first := o / k.ocg * k.ocg // of the group
		for tap := range taps {
			for i, v := range w[(o*taps+tap)*k.icg:][:k.icg] {
				c := first + i
				turned[(c/narrowBlock*taps+tap)*t.size+(o-first)*narrowBlock+c%narrowBlock] = v
			}
		}
	}
	g.Parallel(k.n*t.blocks(), t)
}

func (t *narrowGradIn) Do(g *Grads, i, _ int) {
	k := t.k
	n, block := i/t.blocks(), i%t.blocks()
	c := block * narrowBlock
	d, dx := g.DOut.F32()[n*k.OutSize()*k.oc+c:], g.DIn[0].F32()[n*k.InSize()*k.ic+c:]
	w := tensor.CastSlice[float32](g.Scratch)[block*k.Taps()*t.size:]
	l := kern.GroupLines{Order: t.order, Group: k.icg, PitchA: k.oc, PitchDst: k.Stride[2] * k.ic}
	for row := range k.Out[0] * k.Out[1] {
		for r, ok := t.next(row, 0); ok; r, ok = t.next(row, r.tap+1) {
			l.A, l.B, l.Dst, l.Lines = d[r.out*k.oc:], w[r.tap*t.size:][:t.size], dx[r.in*k.ic:], r.lines
			l.Axpy()
		}
	}
}

// narrowGradWeight sums over positions: each part of the rows for itself, then the parts, so that the order does not
// depend on the number of threads.
type narrowGradWeight struct{ narrowGrad }

func newNarrowGradWeight(p *GradPrep, k *convGrad) *narrowGradWeight {
	t := &narrowGradWeight{newNarrowGrad(k)}
	p.NeedScratch(4 * t.parts * t.blocks() * k.Taps() * t.size)
	return t
}

func (t *narrowGradWeight) Run(g *Grads) {
	k, taps := t.k, t.k.Taps()
	size := t.blocks() * taps * t.size
	sums := tensor.CastSlice[float32](g.Scratch)[:size*t.parts]
	clear(sums)
	g.Parallel(t.parts*t.blocks(), t)
	dw := g.DParams[0].F32()
	for o := range k.oc {
		for tap := range taps {
			at := (o/narrowBlock*taps+tap)*t.size + o%narrowBlock
			for i := range k.icg {
				sum := 0.0
				for p := range t.parts {
					sum += float64(sums[p*size+at+i*narrowBlock])
				}
				dw[(o*taps+tap)*k.icg+i] += float32(sum)
			}
		}
	}
}

func (t *narrowGradWeight) Do(g *Grads, i, _ int) {
	k := t.k
	part, block := i/t.blocks(), i%t.blocks()
	c := block * narrowBlock
	d, x := g.DOut.F32()[c:], g.In[0].F32()[c:]
	sums := tensor.CastSlice[float32](g.Scratch)[(part*t.blocks()+block)*k.Taps()*t.size:]
	l := kern.GroupLines{Order: t.order, Group: k.icg, PitchA: k.oc, PitchB: k.Stride[2] * k.ic}
	rows := k.Out[0] * k.Out[1]
	all := k.n * rows
	for row := part * all / t.parts; row < (part+1)*all/t.parts; row++ {
		n := row / rows
		for r, ok := t.next(row%rows, 0); ok; r, ok = t.next(row%rows, r.tap+1) {
			l.A, l.B, l.Dst, l.Lines = d[(n*k.OutSize()+r.out)*k.oc:], x[(n*k.InSize()+r.in)*k.ic:], sums[r.tap*t.size:][:t.size], r.lines
			l.Dot()
		}
	}
}
