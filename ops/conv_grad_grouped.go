package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradGrouped is dx of a convolution of stride 1 in narrow groups: the convolution of d, in the same groups, with
// the weights turned round and transposed, by the forward pass's kernel. It writes dx rather than adding to it.
type convGradGrouped struct {
	k      *convGrad
	args   kern.GroupedF32Args // but for In, Out and Weights
	some   int                 // blocks at once
	turned int                 // floats of the turned weights; packed ones follow
	packed int
	bands  int // tasks of an image
}

// newConvGradGrouped is nil where dx is a product's to compute, or is to be added to.
func newConvGradGrouped(p *GradPrep, k *convGrad) *convGradGrouped {
	if !p.NeedIn[0] || !k.groupedShape() || k.Stride != [MaxSpatial]int{1, 1, 1} {
		return nil
	}
	t := &convGradGrouped{k: k}
	a := &t.args
	a.H, a.W, a.Pixel, a.IC, a.OC, a.Channels, a.KH = k.Out[1], k.Out[2], k.oc, k.ocg, k.icg, k.ic, k.Kernel[1]
	a.SH, a.SW, a.PT, a.PL, a.OH, a.OW, a.OutPixel = 1, 1, k.Kernel[1]-1-k.PadLo[1], 2-k.PadLo[2], k.In[1], k.In[2], k.ic
	a.Min, a.Max = negInf, posInf
	if a.PT < 0 || a.PL < 0 || !a.Plan() || !p.writes(0) {
		return nil
	}
	a.Bias = make([]float32, k.ic)
	t.some = groupedSome(a)
	t.turned = roundUp(k.oc*k.Taps()*k.icg, 16)
	t.packed = a.Packed() * a.Blocks()
	t.bands = 1
	if threads := max(1, p.Threads); k.n < 4*threads {
		t.bands = min(a.OH, parts(k.InSize()*k.oc*k.Taps()*k.icg, taskMACs, threads))
	}
	p.NeedScratch(4 * (t.turned + t.packed))
	return t
}

func (t *convGradGrouped) Run(g *Grads) {
	k, w := t.k, g.Params[0].F32()
	f := tensor.CastSlice[float32](g.Scratch)
	taps := k.Taps()
	for o := range k.oc {
		group, j := o/k.ocg, o%k.ocg
		for tap := range taps {
			for i, v := range w[(o*taps+tap)*k.icg:][:k.icg] {
				f[((group*k.icg+i)*taps+taps-1-tap)*k.ocg+j] = v
			}
		}
	}
	t.args.Pack(f[t.turned:][:t.packed], f)
	g.Parallel(k.n*t.bands, t)
}

// Do computes a band of one image.
func (t *convGradGrouped) Do(g *Grads, i, _ int) {
	k, args, n, band := t.k, t.args, i/t.bands, i%t.bands
	args.Weights = tensor.CastSlice[float32](g.Scratch)[t.turned:][:t.packed]
	args.In, args.Out = g.DOut.F32()[n*k.OutSize()*k.oc:], g.DIn[0].F32()[n*k.InSize()*k.ic:]
	for b := 0; b < args.Blocks(); b += t.some {
		args.Run(args.OH*band/t.bands, args.OH*(band+1)/t.bands, b, min(b+t.some, args.Blocks()))
	}
}
