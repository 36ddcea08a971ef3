package ops

import "github.com/teff-ml/teff/ops/tensor"

// Integer dense layer (see qmath.go for the rounding):
//
//	acc = bias[o] + sum (x - zx) * (w - zw[o])        int32
//	y   = requantize(acc, sx*sw[o]/sy)

// inferInt is what Infer checks beside shapes for an 8-bit input.
func (d *Dense) inferInt(in, params []tensor.Spec, out tensor.Spec) error {
	if d.Residual {
		return errf(KindDense, "an integer layer has no residual: the sum is rounded on its own")
	}
	o := operands(in, params)
	var bias *tensor.Spec
	if len(o) == 3 {
		bias = &o[2]
	}
	return checkProducts(KindDense, o[0], o[1], out, bias, d.Act)
}

// prepareInt is Prepare for an 8-bit input.
func (d *Dense) prepareInt(p *Prep) (Kernel, error) {
	if err := d.inferInt(p.In, Specs(p.Params), p.Out); err != nil {
		return nil, err
	}
	x, _ := p.Operand(0)
	w, _ := p.Operand(1)
	_, bias := p.Operand(2)
	rq, err := newRequant(KindDense, x, w, p.Out, d.Act)
	if err != nil {
		return nil, err
	}
	p.Path("reference/int")
	return &denseIntReference{
		params: p.Params, weight: w, bias: bias, x: newQ8(x), w: newQ8(w), rq: rq,
		rows: x.Shape.Rows(), in: x.Shape.Channels(), out: w.Shape.Dim(0), pitch: outPitch(p.OutPitch, w.Shape.Dim(0)),
	}, nil
}

// denseIntReference is the definition.
type denseIntReference struct {
	params        []tensor.Tensor
	weight        tensor.Spec
	bias          bool
	x, w          q8
	rq            requant
	rows, in, out int
	pitch         int
}

func (k *denseIntReference) Run(a *Args) {
	x, w, y := a.In[0].Data, arg(a, k.params, 1).Data, a.Out.Data
	var bias []int32
	if k.bias {
		bias = arg(a, k.params, 2).I32()
	}
	for r := range k.rows {
		xs := x[r*k.in:][:k.in]
		for o := range k.out {
			var sum int32
			if bias != nil {
				sum = bias[o]
			}
			ws, zw := w[o*k.in:][:k.in], zeroOf(k.weight, o)
			for i, b := range xs {
				sum += k.x.at(b) * (k.w.raw(ws[i]) - zw)
			}
			y[r*k.pitch+o] = k.rq.apply(sum, o)
		}
	}
}
