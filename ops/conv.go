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

// convSpec is a convolution with everything resolved for one input size. Once
// resolved it does not change: kernels share it.
type convSpec struct {
	Geom
	n, ic, oc, groups int
	icg, ocg          int // channels of one group
	bias              bool
}

// resolve checks all operands; residual is the spec of the residual input.
func (c *Conv) resolve(in, params []tensor.Spec) (s *convSpec, x *tensor.Spec, err error) {
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
	x = &o[0]
	if s, err = resolveConv(KindConv, &c.Window, c.Groups, x, &o[1]); err != nil {
		return s, x, err
	}
	if kernel := o[1].Shape.Dims()[1 : o[1].Shape.Rank()-1]; c.Kernel != nil && !slices.Equal(c.Kernel, kernel) {
		return s, x, notShape(KindConv, "weight", fmt.Sprintf("kernel %v", c.Kernel), o[1].Shape.String())
	}
	if len(o) == 3 {
		s.bias = true
		if b := o[2].Shape; b.Elems() != s.oc || b.Rank() != 1 {
			return s, x, notShape(KindConv, "bias", fmt.Sprint(s.oc), b.String())
		}
	}
	if residual != nil {
		want, err := s.Shape(s.n, s.oc)
		if err != nil {
			return s, x, err
		}
		if residual.Shape != want {
			return s, x, notShape(KindConv, "residual", want.String(), residual.Shape.String())
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

// resolveConv checks input and weight of a convolution of kind k.
func resolveConv(k Kind, win *Window, groups int, x, w *tensor.Spec) (s *convSpec, err error) {
	s = new(convSpec)
	if w.Shape.Rank() != x.Shape.Rank() || x.Shape.Rank() < 3 {
		return s, notShape(k, "weight", "the rank of input "+x.Shape.String()+" (3 to 5)", w.Shape.String())
	}
	s.groups = max(groups, 1)
	s.n, s.ic = x.Shape.Dim(0), x.Shape.Channels()
	s.oc, s.icg = w.Shape.Dim(0), w.Shape.Channels()
	if groups < 0 || s.icg*s.groups != s.ic || s.oc%s.groups != 0 {
		return s, notShape(k, "weight", fmt.Sprintf("[oc, k..., %d/%d]", s.ic, s.groups), w.Shape.String())
	}
	s.ocg = s.oc / s.groups
	if win.Ceil {
		return s, errf(k, "ceil is for pooling")
	}
	s.Geom, err = win.Resolve(k, x.Shape, w.Shape.Dims()[1:w.Shape.Rank()-1])
	return s, err
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
// Winograd, forms of stride 2 and of first layers, packed indirect GEMM.
func (c *Conv) Prepare(p *Prep) (Kernel, error) {
	s, x, err := c.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if x.DType.IsInt8() {
		return c.prepareInt(p)
	}
	if p.Reference || len(p.Params) == 0 {
		return newWeighted(p, s.terms(), c.Act, c.Residual), nil
	}
	return c.prepareFast(p, s)
}

// outPitch is how far rows of a result are apart: see Prep.OutPitch.
//
//go:noinline
func outPitch(pitch, dense int) int {
	if pitch == 0 {
		return dense
	}
	return pitch
}
