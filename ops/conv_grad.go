package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Keeps is the input, and the output when an activation's gradient reads it.
func (c *Conv) Keeps(in, params []tensor.Spec) Keep {
	if c.Act.Fn == UnaryNone {
		return KeepIn0
	}
	return KeepIn0 | KeepOut
}

// Backward prepares, with d for the gradient of the result before the
// activation,
//
//	dx[n, i, c]   += sum over taps t and oc with i = p*stride + t*dilation - padLo of d[n, p, oc] * w[oc, t, c]
//	dw[oc, t, c]  += sum over n, p of d[n, p, oc] * x[n, p*stride + t*dilation - padLo, c]
//	dbias[oc]     += sum over n, p of d[n, p, oc]
//	dresidual     += d
//
// Both products run on the packed kernels of the forward pass: dx as a
// convolution of d with the weights turned round, one for each phase of the
// stride, dw as a product over output positions.
func (c *Conv) Backward(p *GradPrep) (GradKernel, error) {
	if len(p.Params) == 0 {
		return nil, errf(KindConv, "has no gradient when its weights are inputs")
	}
	s, x, err := c.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if x.DType != tensor.F32 {
		return nil, errf(KindConv, "has no gradient on %v", x.DType)
	}
	if _, _, ok := c.Act.Clamp(); !ok {
		return nil, errf(KindConv, "the gradient of activation %d needs it as a node of its own", c.Act.Fn)
	}
	k := &convGrad{convSpec: s, act: c.Act, residual: c.Residual}
	switch {
	case p.Reference:
		k.dx, k.dw = &convGradInPlain{k}, &convGradWeightPlain{k}
	case s.icg == 1 && s.ocg == 1:
		k.dx, k.dw = newDepthwiseGradIn(p, k), &depthwiseGradWeight{newDepthwiseGrad(p, k, false, p.NeedParam[0])}
	case s.narrows():
		if t := newConvGradGrouped(p, k); t != nil {
			k.dx = t
		} else if p.NeedIn[0] {
			k.dx = newNarrowGradIn(p, k)
		}
		if p.NeedParam[0] {
			k.dw = newNarrowGradWeight(p, k)
		}
	case s.joins(kern.SelectGemmF32()) > 1:
		k.join(p)
	default:
		wino := !p.Exact && s.winoTrains()
		if p.NeedIn[0] && wino {
			k.dx = newWinoGradIn(p, s)
		} else if p.NeedIn[0] && s.strided() {
			k.dx = newConvGradInStrided(p, k)
		} else if p.NeedIn[0] && s.pointwiseGrad() {
			k.dx = newConvGradInPointwise(p, k)
		} else if p.NeedIn[0] {
			k.dx = newConvGradIn(p, k, kern.SelectGemmF32())
		}
		if p.NeedParam[0] && wino {
			k.dw = newWinoGradWeight(p, s)
		} else if p.NeedParam[0] && s.fewGrad() {
			k.dw = newConvGradWeightFew(p, k)
		} else if p.NeedParam[0] {
			k.dw = convGradWeightOf(p, k)
		}
	}
	if t := newDepthwiseGradRows(p, k); t != nil {
		k.dw = t
	}
	k.actTask.k = k
	if s.bias && p.NeedParam[1] && !p.Reference {
		k.biasSum = &channelSums{newChannelLines(p.Out.Shape)}
		p.NeedScratch(4 * k.biasSum.scratch(max(1, p.Threads)))
	}
	return k, nil
}

// convGradWeightOf picks the products that make dw.
func convGradWeightOf(p *GradPrep, k *convGrad) GradKernel {
	if t := newConvGradWeightPointwise(p, k); t != nil {
		return t
	}
	if t := newConvGradTaps(p, k); t != nil {
		return t
	}
	return newConvGradWeight(p, k)
}

// join prepares the gradients of groups that are narrower than a vector.
func (k *convGrad) join(p *GradPrep) {
	gemm := kern.SelectGemmF32()
	if t := newConvGradGrouped(p, k); t != nil {
		k.dx = t
	} else if p.NeedIn[0] {
		k.dx = newConvGradJoined(p, k, k.joins(gemm), false, func(p *GradPrep, k *convGrad) GradKernel { return newConvGradIn(p, k, gemm) })
	}
	if p.NeedParam[0] {
		k.dw = newConvGradJoined(p, k, k.joins(gemm), true, func(p *GradPrep, k *convGrad) GradKernel { return newConvGradWeight(p, k) })
	}
}

// convGrad runs the parts of a convolution's gradient one after the other.
type convGrad struct {
	*convSpec
	act      Act
	residual bool
	dx, dw   GradKernel
	biasSum  *channelSums // nil: by the definition
	actTask  convGradAct
}

func (k *convGrad) Run(g *Grads) {
	rows := k.n * k.OutSize()
	if k.act.Fn != UnaryNone {
		g.Parallel((rows+gradRows-1)/gradRows, &k.actTask)
	}
	if k.residual && !g.DIn[1].IsZero() {
		addInto(g.DIn[1].F32(), g.DOut.F32())
	}
	if k.bias && !g.DParams[1].IsZero() {
		if k.biasSum != nil {
			k.biasSum.addTo(g, g.DParams[1].F32())
		} else {
			k.sumBias(g)
		}
	}
	if !g.DParams[0].IsZero() {
		k.dw.Run(g)
	}
	if !g.DIn[0].IsZero() {
		k.dx.Run(g)
	}
}

// gradRows is the rows of one small task.
const gradRows = 256

func addInto(dst, src []float32) { kern.AxpyF32(dst, src, 1, 1) }

// convGradAct turns the gradient of the result into that before the
// activation, in place: a clamp passes it where it did not cut.
type convGradAct struct{ k *convGrad }

func (t *convGradAct) Do(g *Grads, i, _ int) {
	k := t.k
	from, to := i*gradRows*k.oc, min((i+1)*gradRows, k.n*k.OutSize())*k.oc
	d, y := g.DOut.F32()[from:to], g.Out.F32()[from:to]
	lo, hi, _ := k.act.Clamp()
	kern.MaskF32(d, y, lo, hi)
}

// sumBias defines the gradient of the bias.
func (k *convGrad) sumBias(g *Grads) {
	d, db := g.DOut.F32(), g.DParams[1].F32()
	for c := range k.oc {
		sum := 0.0
		for r := range k.n * k.OutSize() {
			sum += float64(d[r*k.oc+c])
		}
		db[c] += float32(sum)
	}
}

// outAt splits an output position into its three coordinates.
func (s *convSpec) outAt(row int) [3]int {
	return [3]int{row / (s.Out[1] * s.Out[2]), row / s.Out[2] % s.Out[1], row % s.Out[2]}
}

// inAt is the input position that output position o sees through tap t.
func (s *convSpec) inAt(o [3]int, t int) (pos int, ok bool) {
	g := &s.Geom
	kt := [3]int{t / (g.Kernel[1] * g.Kernel[2]), t / g.Kernel[2] % g.Kernel[1], t % g.Kernel[2]}
	for i := range o {
		x := o[i]*g.Stride[i] + kt[i]*g.Dilation[i] - g.PadLo[i]
		if uint(x) >= uint(g.In[i]) {
			return 0, false
		}
		pos = pos*g.In[i] + x
	}
	return pos, true
}

// convGradInPlain and convGradWeightPlain define the gradient.
type convGradInPlain struct{ k *convGrad }

func (t *convGradInPlain) Run(g *Grads) {
	k := t.k
	d, w, dx := g.DOut.F32(), g.Params[0].F32(), g.DIn[0].F32()
	taps := k.Taps()
	for n := range k.n {
		for row := range k.OutSize() {
			for tap := range taps {
				pos, ok := k.inAt(k.outAt(row), tap)
				if !ok {
					continue
				}
				for oc := range k.oc {
					v := d[(n*k.OutSize()+row)*k.oc+oc]
					at := (n*k.InSize()+pos)*k.ic + oc/k.ocg*k.icg
					for c := range k.icg {
						dx[at+c] += v * w[(oc*taps+tap)*k.icg+c]
					}
				}
			}
		}
	}
}

type convGradWeightPlain struct{ k *convGrad }

func (t *convGradWeightPlain) Run(g *Grads) {
	k := t.k
	d, x, dw := g.DOut.F32(), g.In[0].F32(), g.DParams[0].F32()
	taps := k.Taps()
	for oc := range k.oc {
		for tap := range taps {
			for c := range k.icg {
				sum := 0.0
				for n := range k.n {
					for row := range k.OutSize() {
						if pos, ok := k.inAt(k.outAt(row), tap); ok {
							sum += float64(d[(n*k.OutSize()+row)*k.oc+oc]) * float64(x[(n*k.InSize()+pos)*k.ic+oc/k.ocg*k.icg+c])
						}
					}
				}
				dw[(oc*taps+tap)*k.icg+c] += float32(sum)
			}
		}
	}
}
