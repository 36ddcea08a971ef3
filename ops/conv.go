package ops

import (
	"fmt"
	"slices"

	"github.com/teff-ml/teff/ops/tensor"
)

var convOps = []Desc{{KindConv, "Conv", func() Op { return new(Conv) }}}

// Conv is convolution over 1 to 3 spatial dimensions, in the sense of every
// framework: correlation.
//
//	y[n, p, oc] = act( sum over taps t, channels c of
//	    x[n, p*stride + t*dilation - padLo, c] * w[oc, t, c - group's first] + bias[oc] + residual[n, p, oc] )
//
// Operands: x [n, spatial..., ic]; w [oc, k..., ic/groups]; bias [oc], optional;
// with Residual a second input of the result's shape, and weights and bias as
// parameters. Positions outside x are 0 (the zero point, for integers). Weights
// that are parameters are packed once; weights given as inputs take the plain
// path.
type Conv struct {
	Window           // Kernel may be nil: the weight's shape says it
	Groups   int     // 0 means 1
	Act      Act     // applied last
	Residual bool    // the second input is added before Act
	Out      OutType // of an integer convolution
}

// Kind is KindConv.
func (*Conv) Kind() Kind { return KindConv }

// Fields lists the attributes.
func (c *Conv) Fields(f Fields) {
	c.Window.fields(f)
	f.Int("groups", &c.Groups)
	c.Act.fields(f)
	f.Bool("residual", &c.Residual)
	c.Out.fields(f)
}

// PitchedOutput says that results can be written into a wider tensor.
func (*Conv) PitchedOutput() bool { return true }

// convSpec is a convolution with everything resolved for one input size.
type convSpec struct {
	Geom
	n, ic, oc, groups int
	icg, ocg          int // channels of one group
	bias              bool
}

// resolve checks all operands; residual is the spec of the residual input.
func (c *Conv) resolve(in, params []tensor.Spec) (s convSpec, x tensor.Spec, err error) {
	var residual *tensor.Spec
	if c.Residual {
		if len(in) != 2 || len(params) == 0 {
			return s, x, errf(KindConv, "a residual needs the weights and the bias as parameters and a second input")
		}
		residual, in = &in[1], in[:1]
	}
	o, err := wantOperands(KindConv, in, params, 2, 3)
	if err != nil {
		return s, x, err
	}
	x, w := o[0], o[1]
	if w.Shape.Rank() != x.Shape.Rank() || x.Shape.Rank() < 3 {
		return s, x, &ShapeError{KindConv, "weight", "the rank of input " + x.Shape.String() + " (3 to 5)", w.Shape.String()}
	}
	s.groups = max(c.Groups, 1)
	s.n, s.ic = x.Shape.Dim(0), x.Shape.Channels()
	s.oc, s.icg = w.Shape.Dim(0), w.Shape.Channels()
	if c.Groups < 0 || s.icg*s.groups != s.ic || s.oc%s.groups != 0 {
		return s, x, &ShapeError{KindConv, "weight", fmt.Sprintf("[oc, k..., %d/%d]", s.ic, s.groups), w.Shape.String()}
	}
	s.ocg = s.oc / s.groups
	kernel := w.Shape.Dims()[1 : w.Shape.Rank()-1]
	if c.Kernel != nil && fmt.Sprint(c.Kernel) != fmt.Sprint(kernel) {
		return s, x, &ShapeError{KindConv, "weight", fmt.Sprintf("kernel %v", c.Kernel), w.Shape.String()}
	}
	if c.Ceil {
		return s, x, errf(KindConv, "ceil is for pooling")
	}
	if s.Geom, err = c.Resolve(KindConv, x.Shape, kernel); err != nil {
		return s, x, err
	}
	if len(o) == 3 {
		s.bias = true
		if b := o[2].Shape; b.Elems() != s.oc || b.Rank() != 1 {
			return s, x, &ShapeError{KindConv, "bias", fmt.Sprint(s.oc), b.String()}
		}
	}
	if residual != nil {
		want, err := s.Shape(s.n, s.oc)
		if err != nil {
			return s, x, err
		}
		if residual.Shape != want {
			return s, x, &ShapeError{KindConv, "residual", want.String(), residual.Shape.String()}
		}
	}
	if x.DType == tensor.F32 {
		for i, t := range o {
			if t.DType != tensor.F32 {
				return s, x, errf(KindConv, "operand %d is %v, input is f32", i, t.DType)
			}
		}
		if residual != nil && residual.DType != tensor.F32 {
			return s, x, errf(KindConv, "residual is %v, input is f32", residual.DType)
		}
	}
	return s, x, c.Act.check(KindConv)
}

// Infer is [n, out spatial..., oc].
func (c *Conv) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, x, err := c.resolve(in, params)
	if err != nil {
		return tensor.Spec{}, err
	}
	shape, err := s.Shape(s.n, s.oc)
	if err != nil {
		return tensor.Spec{}, err
	}
	if x.DType.IsInt8() {
		return c.inferInt(s, x, in, params)
	}
	if x.DType != tensor.F32 {
		return tensor.Spec{}, errf(KindConv, "input is %v, want f32, i8 or u8", x.DType)
	}
	return c.Out.spec(KindConv, x, shape)
}

// Prepare picks, in this order: the integer form, the plain path, depthwise,
// Winograd, packed indirect GEMM.
func (c *Conv) Prepare(p *Prep) (Kernel, error) {
	s, x, err := c.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if x.DType.IsInt8() {
		return c.prepareInt(p)
	}
	if p.Reference || len(p.Params) == 0 {
		p.Path("reference")
		params := slices.Clone(p.Params)
		for i, w := range params {
			if w.Scale != nil {
				params[i] = w.Clone()
			}
		}
		return &convReference{s, c.Act, c.Residual, params, outPitch(p.OutPitch, s.oc)}, nil
	}
	return c.prepareFast(p, s)
}

func outPitch(pitch, dense int) int {
	if pitch == 0 {
		return dense
	}
	return pitch
}

// convReference is the definition: one output at a time, summed in float64.
type convReference struct {
	convSpec
	act      Act
	residual bool
	params   []tensor.Tensor
	pitch    int
}

func (k *convReference) Run(a *Args) {
	x, w, y := a.In[0].F32(), arg(a, k.params, 1), a.Out.F32()
	if k.residual { // then the weights are parameters, whatever the input count
		w = k.params[0]
	}
	wt := w.F32()
	var bias, res []float32
	switch {
	case k.residual:
		res = a.In[1].F32()
		if k.bias {
			bias = k.params[1].F32()
		}
	case k.bias:
		bias = arg(a, k.params, 2).F32()
	}
	g := &k.Geom
	row := 0
	for n := range k.n {
		for od := range g.Out[0] {
			for oh := range g.Out[1] {
				for ow := range g.Out[2] {
					for oc := range k.oc {
						sum := k.at(x, wt, n, [3]int{od, oh, ow}, oc)
						if bias != nil {
							sum += float64(bias[oc])
						}
						if res != nil {
							sum += float64(res[row*k.oc+oc])
						}
						y[row*k.pitch+oc] = k.act.apply(float32(sum))
					}
					row++
				}
			}
		}
	}
}

// at is the sum over taps and channels for one output.
func (k *convReference) at(x, w []float32, n int, o [3]int, oc int) (sum float64) {
	g := &k.Geom
	first := oc / k.ocg * k.icg
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
				xs := x[(((n*g.In[0]+d)*g.In[1]+h)*g.In[2]+c)*k.ic+first:]
				ws := w[(((oc*g.Kernel[0]+kd)*g.Kernel[1]+kh)*g.Kernel[2]+kw)*k.icg:]
				for i := range k.icg {
					sum += float64(xs[i]) * float64(ws[i])
				}
			}
		}
	}
	return sum
}
