package ops

import "github.com/teff-ml/teff/ops/tensor"

// Integer transposed convolution: int32 sums of (x - zx) * (w - zw) and the
// bias, requantised as a convolution's (see qmath.go). Weights have one scale,
// or with one group one for each output channel, which is their last dimension.

// inferInt is Infer for an 8-bit input.
func (c *ConvTranspose) inferInt(s *convSpec, in, params []tensor.Spec) (tensor.Spec, error) {
	o := operands(in, params)
	shape, err := tensor.NewShape(append(append([]int{s.n}, s.In[MaxSpatial-s.Rank:]...), s.ic)...)
	if err != nil {
		return tensor.Spec{}, err
	}
	out, err := c.Out.spec(KindConvTranspose, &o[0], shape)
	if err != nil {
		return out, err
	}
	w := &o[1]
	if n := len(w.Quant.Scale); n > 1 && (s.groups != 1 || w.Quant.Axis != w.Shape.Rank()-1 || n != s.ic) {
		return out, notShape(KindConvTranspose, "weight", "one scale, or one for each output channel", w.String())
	}
	rows := *w
	rows.Quant.Axis, rows.Shape = 0, tensor.Of(s.ic) // checked just now
	var bias *tensor.Spec
	if len(o) == 3 {
		bias = &o[2]
	}
	return out, checkProducts(KindConvTranspose, &o[0], &rows, &out, bias, c.Act)
}

// prepareInt is Prepare for an 8-bit input.
func (c *ConvTranspose) prepareInt(p *Prep, s *convSpec) (Kernel, error) {
	x, _ := p.Operand(0)
	w, _ := p.Operand(1)
	rq, err := newRequant(KindConvTranspose, x, w, &p.Out, c.Act)
	if err != nil {
		return nil, err
	}
	p.NeedScratch(4 * s.n * s.InSize() * s.ic)
	p.Path("reference/int")
	return &convTransposeInt{s, p.Params, *w, newQ8(x), newQ8(w), rq}, nil
}

type convTransposeInt struct {
	*convSpec // of the convolution whose transpose this is: its input is our result
	params    []tensor.Tensor
	weight    tensor.Spec
	x, w      q8
	rq        requant
}

func (k *convTransposeInt) Run(a *Args) { a.Parallel(k.n, k) }

// Do computes one image: sums in scratch, then results.
func (k *convTransposeInt) Do(a *Args, n, _ int) {
	x, w := arg(a, k.params, 0).Data, arg(a, k.params, 1).Data
	size, taps := k.InSize()*k.ic, k.Taps()
	sum := tensor.CastSlice[int32](a.Scratch)[n*size:][:size]
	if k.bias {
		b := i32(arg(a, k.params, 2))
		for i := 0; i < len(sum); i += k.ic {
			copy(sum[i:], b)
		}
	} else {
		clear(sum)
	}
	for row := range k.OutSize() {
		xr := x[(n*k.OutSize()+row)*k.oc:][:k.oc]
		for t := range taps {
			pos, ok := k.inAt(k.outAt(row), t)
			if !ok {
				continue
			}
			for c, b := range xr {
				first := c / k.ocg * k.icg
				for j, f := range w[(c*taps+t)*k.icg:][:k.icg] {
					sum[pos*k.ic+first+j] += k.x.at(b) * (k.w.raw(f) - zeroOf(&k.weight, first+j))
				}
			}
		}
	}
	y := a.Out.Data[n*size:][:size]
	for i, v := range sum {
		y[i] = k.rq.apply(v, i%k.ic)
	}
}
