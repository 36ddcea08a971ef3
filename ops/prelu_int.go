package ops

import "github.com/teff-ml/teff/ops/tensor"

// prepareInt is Prepare for 8-bit operands: both are made real, and the result
// is rounded half to even.
func (r *PRelu) prepareInt(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	slope, _ := p.Operand(1)
	for i, s := range []*tensor.Spec{x, slope, &p.Out} {
		if err := wantAffine(KindPRelu, [...]string{"input", "slope", "output"}[i], s); err != nil {
			return nil, err
		}
	}
	k := &preluInt{params: p.Params, x: newQ8(x), slope: newQ8(slope), walk: newBcast(p.Out.Shape, x.Shape, slope.Shape)}
	sx, _ := x.Quant.At(0)
	ss, _ := slope.Quant.At(0)
	sy, zy := p.Out.Quant.At(0)
	lo, hi := tensor.IntRange(p.Out.DType)
	k.up, k.down, k.zy, k.lo, k.hi = sx/sy, requantScale(sx, ss, sy), zy, int32(lo), int32(hi)
	p.Path("reference/int")
	return k, nil
}

type preluInt struct {
	params     []tensor.Tensor
	x, slope   q8
	walk       *bcast
	up, down   float32 // from units of x, and of x*slope, to the result's
	zy, lo, hi int32
}

func (k *preluInt) Run(a *Args) {
	x, slope := arg(a, k.params, 0).Data, arg(a, k.params, 1).Data
	i, step := 0, k.walk.step(1)
	for row := range k.walk.rows { // x has the result's shape
		is := k.walk.at(1, row)
		for range k.walk.inner {
			v, f := k.x.at(x[i]), k.up
			if v < 0 {
				v, f = v*k.slope.at(slope[is]), k.down
			}
			a.Out.Data[i] = byte(requantize(v, f, k.zy, k.lo, k.hi))
			i, is = i+1, is+step
		}
	}
}
