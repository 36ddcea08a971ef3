package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Softmax on integers follows TFLite's own kernel, to which XNNPACK leaves it:
// exponentials of differences to the largest value come from a table of 256
// float32 numbers, are summed in float32 in order, and
//
//	y = clamp(round(e * (1 / (sum * sy))) + zy)

// prepareInt is Prepare for an 8-bit input.
func (s *Softmax) prepareInt(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if err := wantAffine(KindSoftmax, "input", x); err != nil {
		return nil, err
	}
	if err := wantAffine(KindSoftmax, "output", &p.Out); err != nil {
		return nil, err
	}
	if s.Log {
		return nil, errf(KindSoftmax, "log softmax has no integer form")
	}
	outer, n, inner, err := s.lines(x.Shape)
	if err != nil {
		return nil, err
	}
	k := &softmaxInt{params: p.Params, outer: outer, n: n, inner: inner, x: newQ8(x)}
	sx, _ := x.Quant.At(0)
	k.scale, k.zero = p.Out.Quant.At(0)
	lo, hi := tensor.IntRange(p.Out.DType)
	k.lo, k.hi = int32(lo), int32(hi)
	step := -float32(sx * s.beta())
	for i := range k.exp {
		k.exp[i] = float32(math.Exp(float64(step * float32(i))))
	}
	p.Path("table")
	return k, nil
}

type softmaxInt struct {
	params          []tensor.Tensor
	outer, n, inner int
	x               q8
	exp             [256]float32 // of minus i input units
	scale           float32
	zero, lo, hi    int32
}

func (k *softmaxInt) Run(a *Args) {
	x, y := arg(a, k.params, 0).Data, a.Out.Data
	for o := range k.outer {
		for in := range k.inner {
			base := o*k.n*k.inner + in
			top := int32(math.MinInt32)
			for i := range k.n {
				top = max(top, k.x.raw(x[base+i*k.inner]))
			}
			var sum float32
			for i := range k.n {
				sum += k.exp[top-k.x.raw(x[base+i*k.inner])]
			}
			f := 1 / float32(sum*k.scale)
			for i := range k.n {
				v := float32(k.exp[top-k.x.raw(x[base+i*k.inner])] * f)
				y[base+i*k.inner] = byte(min(max(int32(v+0.5)+k.zero, k.lo), k.hi))
			}
		}
	}
}
