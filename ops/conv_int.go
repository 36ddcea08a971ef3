package ops

import "github.com/teff-ml/teff/ops/tensor"

// Integer convolution (see qmath.go for the rounding):
//
//	acc = bias[oc] + sum (x - zx) * (w - zw[oc])        int32
//	y   = requantize(acc, sx*sw[oc]/sy)
//
// Positions outside x hold zx, so they add nothing.

// inferInt is Infer for an 8-bit input.
func (c *Conv) inferInt(s convSpec, x tensor.Spec, in, params []tensor.Spec) (tensor.Spec, error) {
	if c.Residual {
		return tensor.Spec{}, errf(KindConv, "an integer convolution has no residual: the sum is rounded on its own")
	}
	shape, err := s.Shape(s.n, s.oc)
	if err != nil {
		return tensor.Spec{}, err
	}
	out, err := c.Out.spec(KindConv, x, shape)
	if err != nil {
		return out, err
	}
	o := operands(in, params)
	var bias *tensor.Spec
	if len(o) == 3 {
		bias = &o[2]
	}
	return out, checkProducts(KindConv, x, o[1], out, bias, c.Act)
}

// prepareInt is Prepare for an 8-bit input.
func (c *Conv) prepareInt(p *Prep) (Kernel, error) {
	s, x, err := c.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	w, _ := p.Operand(1)
	rq, err := newRequant(KindConv, x, w, p.Out, c.Act)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Reference || len(p.Params) == 0 || s.InSize() == 0:
	case s.isDepthwise():
		return c.prepareDepthwiseInt(p, s, x, rq), nil
	case s.OutSize() > 0 && s.n > 0 && s.icg > 0 && s.oc > 0:
		if k := c.prepareWinogradInt(p, s, x, rq); k != nil {
			return k, nil
		}
		return c.prepareGemmInt(p, s, x, rq), nil
	}
	p.Path("reference/int")
	return &convIntReference{s, p.Params, w, newQ8(x), newQ8(w), rq, outPitch(p.OutPitch, s.oc)}, nil
}

// convIntReference is the definition.
type convIntReference struct {
	convSpec
	params []tensor.Tensor
	weight tensor.Spec
	x, w   q8
	rq     requant
	pitch  int
}

func (k *convIntReference) Run(a *Args) {
	x, w, y := a.In[0].Data, arg(a, k.params, 1).Data, a.Out.Data
	var bias []int32
	if k.bias {
		bias = arg(a, k.params, 2).I32()
	}
	g := &k.Geom
	row := 0
	for n := range k.n {
		for od := range g.Out[0] {
			for oh := range g.Out[1] {
				for ow := range g.Out[2] {
					for oc := range k.oc {
						sum := k.at(x, w, n, [3]int{od, oh, ow}, oc)
						if bias != nil {
							sum += bias[oc]
						}
						y[row*k.pitch+oc] = k.rq.apply(sum, oc)
					}
					row++
				}
			}
		}
	}
}

// at is the sum over taps and channels for one output.
func (k *convIntReference) at(x, w []byte, n int, o [3]int, oc int) (sum int32) {
	g := &k.Geom
	first := oc / k.ocg * k.icg
	zw := zeroOf(k.weight, oc)
	for kd := range g.Kernel[0] {
		d := o[0]*g.Stride[0] + kd*g.Dilation[0] - g.PadLo[0]
		if uint(d) >= uint(g.In[0]) {
			continue
		}
		for kh := range g.Kernel[1] {
			h := o[1]*g.Stride[1] + kh*g.Dilation[1] - g.PadLo[1]
			if uint(h) >= uint(g.In[1]) {
				continue
			}
			for kw := range g.Kernel[2] {
				c := o[2]*g.Stride[2] + kw*g.Dilation[2] - g.PadLo[2]
				if uint(c) >= uint(g.In[2]) {
					continue
				}
				xs := x[(((n*g.In[0]+d)*g.In[1]+h)*g.In[2]+c)*k.ic+first:][:k.icg]
				ws := w[(((oc*g.Kernel[0]+kd)*g.Kernel[1]+kh)*g.Kernel[2]+kw)*k.icg:][:k.icg]
				for i, b := range xs {
					sum += k.x.at(b) * (k.w.raw(ws[i]) - zw)
				}
			}
		}
	}
	return sum
}
