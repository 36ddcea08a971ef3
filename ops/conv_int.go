package ops

import "github.com/teff-ml/teff/ops/tensor"

// Integer convolution (see qmath.go for the rounding):
//
//	acc = bias[oc] + sum (x - zx) * (w - zw[oc])        int32
//	y   = requantize(acc, sx*sw[oc]/sy)
//
// Positions outside x hold zx, so they add nothing.

// inferInt is Infer for an 8-bit input.
func (c *Conv) inferInt(s *convSpec, x *tensor.Spec, in, params []tensor.Spec) (tensor.Spec, error) {
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
	return out, checkProducts(KindConv, x, &o[1], &out, bias, c.Act)
}

// prepareInt is Prepare for an 8-bit input.
func (c *Conv) prepareInt(p *Prep) (Kernel, error) {
	s, x, err := c.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	w, _ := p.Operand(1)
	rq, err := newRequant(KindConv, x, w, &p.Out, c.Act)
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
	return newProduct(p, s.terms(), 1).quantised(p, rq), nil
}
