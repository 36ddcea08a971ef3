package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Backward is a convolution by the same weights for x, and for the weights the
// product of x with the windows of the result's gradient.
func (c *ConvTranspose) Backward(p *GradPrep) (GradKernel, error) {
	if len(p.In) != 1 {
		return nil, errf(KindConvTranspose, "has no gradient when its weights are inputs")
	}
	if _, _, ok := c.Act.Clamp(); !ok {
		return nil, errf(KindConvTranspose, "the gradient of activation %d needs it as a node of its own", c.Act.Fn)
	}
	s, err := c.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if p.Reference || s.groups != 1 || p.In[0].Shape.Elems() == 0 || p.Out.Shape.Elems() == 0 {
		return &convTransposeGradPlain{convTranspose{s, c.Act, p.Params}}, nil
	}
	return newConvTransposeGrad(p, s, c.Act), nil
}

// convTransposeGrad goes by products: x's gradient is that of copied windows of the result's gradient
// and the weights, some positions a task; that of the weights is what it is for the convolution whose
// transpose this is, x and the result's gradient having changed places.
type convTransposeGrad struct {
	*convSpec
	act     actGrad
	biasSum *channelSums // nil: no bias that learns
	gemm    *kern.GemmF32
	depth   int // floats of a window
	rows    int // positions of a task
	packed  int // floats of packed weights
	sets    bool
	dw      GradKernel
	turned  Grads // for dw
	operand [1]tensor.Tensor
}

// windowFloats is how much of the windows is copied at once.
const windowFloats = 24 << 10

func newConvTransposeGrad(p *GradPrep, s *convSpec, act Act) *convTransposeGrad {
	k := &convTransposeGrad{convSpec: s, act: newActGrad(act, p.Out.Shape.Elems()), gemm: kern.SelectGemmF32(), depth: s.Taps() * s.icg}
	if s.bias && p.NeedParam[1] {
		k.biasSum = &channelSums{newChannelLines(p.Out.Shape)}
		p.NeedScratch(4 * k.biasSum.scratch(max(1, p.Threads)))
	}
	if p.NeedIn[0] {
		k.rows = min(max(1, windowFloats/k.depth/k.gemm.MR)*k.gemm.MR, s.n*s.OutSize())
		k.packed = roundUp(k.gemm.PackedSize(s.oc, k.depth), 16)
		k.sets = p.writes(0)
		p.NeedScratch(4 * (k.packed + max(1, p.Threads)*roundUp(k.rows*k.depth, 16)))
	}
	if p.NeedParam[0] {
		g := &convGrad{convSpec: s}
		if s.fewGrad() {
			k.dw = newConvGradWeightFew(p, g)
		} else {
			k.dw = newConvGradWeight(p, g)
		}
	}
	return k
}

func (k *convTransposeGrad) Run(g *Grads) {
	k.act.Run(g)
	if k.biasSum != nil {
		k.biasSum.addTo(g, g.DParams[1].F32())
	}
	if k.dw != nil {
		k.operand[0] = g.DOut
		k.turned = Grads{In: k.operand[:], DOut: g.In[0], DParams: g.DParams, Scratch: g.Scratch, Pool: g.Pool}
		k.dw.Run(&k.turned)
	}
	if !g.DIn[0].IsZero() {
		k.gemm.Pack(tensor.CastSlice[float32](g.Scratch)[:k.packed], g.Params[0].F32(), k.oc, k.depth, k.depth)
		g.Parallel((k.n*k.OutSize()+k.rows-1)/k.rows, k)
	}
}

// Do computes the gradient of some positions of x.
func (k *convTransposeGrad) Do(g *Grads, i, worker int) {
	scratch := tensor.CastSlice[float32](g.Scratch)
	windows := scratch[k.packed+worker*roundUp(k.rows*k.depth, 16):]
	first := i * k.rows
	n := min(k.rows, k.n*k.OutSize()-first)
	d, taps := g.DOut.F32(), k.Taps()
	for r := range n {
		image, o := (first+r)/k.OutSize(), k.outAt((first+r)%k.OutSize())
		for t := range taps {
			to := windows[(r*taps+t)*k.ic:][:k.ic]
			if pos, ok := k.inAt(o, t); ok {
				copy(to, d[(image*k.InSize()+pos)*k.ic:])
			} else {
				clear(to)
			}
		}
	}
	a := kern.GemmF32Args{
		A: windows, LDA: k.depth, Taps: 1, KC: k.depth, B: scratch[:k.packed], N: k.oc,
		C: g.DIn[0].F32()[first*k.oc:], LDC: k.oc, Min: negInf, Max: posInf,
	}
	if !k.sets {
		a.Res, a.LDR = a.C, a.LDC
	}
	k.gemm.Run(&a, 0, n, 0, k.oc)
}

// convTransposeGradPlain is the definition.
type convTransposeGradPlain struct{ convTranspose }

func (k *convTransposeGradPlain) Run(g *Grads) {
	d := g.DOut.F32()
	if lo, hi, _ := k.act.Clamp(); k.act.Fn != UnaryNone {
		for i, v := range g.Out.F32() {
			if v <= lo || v >= hi {
				d[i] = 0
			}
		}
	}
	if k.bias && !g.DParams[1].IsZero() {
		db := g.DParams[1].F32()
		for i := 0; i < len(d); i += k.ic {
			addInto(db, d[i:i+k.ic])
		}
	}
	g.Parallel(k.oc, k)
}

// Do computes the gradients of input channel c and its weights.
func (k *convTransposeGradPlain) Do(g *Grads, c, _ int) {
	d, x, w := g.DOut.F32(), g.In[0].F32(), g.Params[0].F32()
	taps := k.Taps()
	for n := range k.n {
		for row := range k.OutSize() {
			at := (n*k.OutSize()+row)*k.oc + c
			sum := 0.0
			for t := range taps {
				pos, ok := k.inAt(k.outAt(row), t)
				if !ok {
					continue
				}
				from := d[(n*k.InSize()+pos)*k.ic+c/k.ocg*k.icg:][:k.icg]
				ws := w[(c*taps+t)*k.icg:][:len(from)]
				for j, v := range from {
					sum += float64(v) * float64(ws[j])
				}
				if !g.DParams[0].IsZero() {
					dw := g.DParams[0].F32()[(c*taps+t)*k.icg:][:len(from)]
					for j, v := range from {
						dw[j] += x[at] * v
					}
				}
			}
			if !g.DIn[0].IsZero() {
				g.DIn[0].F32()[at] += float32(sum)
			}
		}
	}
}
