package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// QLinearConv is ONNX's integer convolution, whose scales and zero points are
// operands: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, and
// optionally bias (i32). x is NHWC, w is [oc, k..., ic/groups]; w_scale and
// w_zero have one value or oc. The arithmetic is Conv's on integers; the
// result's spec has no quantisation, for its scale may differ from run to run.
//
// Where all of them are constants an importer makes a Conv of it instead.
type QLinearConv struct {
	Window
	Groups int // 0 means 1
}

// Kind is KindQLinearConv.
func (*QLinearConv) Kind() Kind { return KindQLinearConv }

// Fields lists the attributes.
func (c *QLinearConv) Fields(f Fields) {
	c.Window.fields(f)
	f.Int("groups", &c.Groups)
}

// Infer is [n, out spatial..., oc] in the type of y_zero.
func (c *QLinearConv) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindQLinearConv, in, params, 8, 9)
	if err != nil {
		return tensor.Spec{}, err
	}
	s, err := resolveIntConv(KindQLinearConv, &c.Window, c.Groups, o[0], o[3])
	if err != nil {
		return tensor.Spec{}, err
	}
	for _, chk := range []error{
		checkScale(KindQLinearConv, "input scale", o[1], 1),
		checkZero(KindQLinearConv, "input zero point", o[2], o[0].DType, 1),
		checkScale(KindQLinearConv, "weight scale", o[4], s.oc),
		checkZero(KindQLinearConv, "weight zero point", o[5], o[3].DType, s.oc),
		checkScale(KindQLinearConv, "output scale", o[6], 1),
		checkZero(KindQLinearConv, "output zero point", o[7], o[7].DType, 1),
	} {
		if chk != nil {
			return tensor.Spec{}, chk
		}
	}
	if !o[7].DType.IsInt8() {
		return tensor.Spec{}, errf(KindQLinearConv, "output is %v, want i8 or u8", o[7].DType)
	}
	if len(o) == 9 && (o[8].DType != tensor.I32 || o[8].Shape.Elems() != s.oc) {
		return tensor.Spec{}, &ShapeError{KindQLinearConv, "bias", fmt.Sprintf("i32[%d]", s.oc), o[8].String()}
	}
	shape, err := s.Shape(s.n, s.oc)
	return tensor.Spec{DType: o[7].DType, Shape: shape}, err
}

// Prepare has one path.
func (c *QLinearConv) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	w, _ := p.Operand(3)
	s, err := resolveIntConv(KindQLinearConv, &c.Window, c.Groups, x, w)
	if err != nil {
		return nil, err
	}
	p.Path("reference")
	lo, hi := tensor.IntRange(p.Out.DType)
	return &qlinearConvReference{s, p.Params, int32(lo), int32(hi)}, nil
}

type qlinearConvReference struct {
	convSpec
	params []tensor.Tensor
	lo, hi int32
}

func (k *qlinearConvReference) Run(a *Args) {
	x, w, bias := arg(a, k.params, 0), arg(a, k.params, 3), optional(a, k.params, 8)
	xs, xz := scaleAt(arg(a, k.params, 1), 0), zeroAt(arg(a, k.params, 2), 0)
	ws, wz := arg(a, k.params, 4), arg(a, k.params, 5)
	ys, yz := scaleAt(arg(a, k.params, 6), 0), zeroAt(arg(a, k.params, 7), 0)
	k.each(func(i, n int, o [3]int, oc int) {
		sum := k.intAt(x, w, xz, zeroAt(wz, oc), n, o, oc)
		if !bias.IsZero() {
			sum += bias.I32()[oc]
		}
		a.Out.Data[i] = byte(requantize(sum, requantScale(xs, scaleAt(ws, oc), ys), yz, k.lo, k.hi))
	})
}

// ConvInteger is ONNX's convolution of integers to int32 sums: x, w and
// optionally x_zero and w_zero (one value or oc).
type ConvInteger struct {
	Window
	Groups int // 0 means 1
}

// Kind is KindConvInteger.
func (*ConvInteger) Kind() Kind { return KindConvInteger }

// Fields lists the attributes.
func (c *ConvInteger) Fields(f Fields) {
	c.Window.fields(f)
	f.Int("groups", &c.Groups)
}

// Infer is [n, out spatial..., oc] in i32.
func (c *ConvInteger) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindConvInteger, in, params, 2, 4)
	if err != nil {
		return tensor.Spec{}, err
	}
	s, err := resolveIntConv(KindConvInteger, &c.Window, c.Groups, o[0], o[1])
	if err != nil {
		return tensor.Spec{}, err
	}
	if len(o) > 2 {
		if err := checkZero(KindConvInteger, "input zero point", o[2], o[0].DType, 1); err != nil {
			return tensor.Spec{}, err
		}
	}
	if len(o) > 3 {
		if err := checkZero(KindConvInteger, "weight zero point", o[3], o[1].DType, s.oc); err != nil {
			return tensor.Spec{}, err
		}
	}
	shape, err := s.Shape(s.n, s.oc)
	return tensor.Spec{DType: tensor.I32, Shape: shape}, err
}

// Prepare has one path.
func (c *ConvInteger) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	w, _ := p.Operand(1)
	s, err := resolveIntConv(KindConvInteger, &c.Window, c.Groups, x, w)
	if err != nil {
		return nil, err
	}
	p.Path("reference")
	return &convIntegerReference{s, p.Params}, nil
}

type convIntegerReference struct {
	convSpec
	params []tensor.Tensor
}

func (k *convIntegerReference) Run(a *Args) {
	x, w, y := arg(a, k.params, 0), arg(a, k.params, 1), a.Out.I32()
	xz, wz := zeroAt(optional(a, k.params, 2), 0), optional(a, k.params, 3)
	k.each(func(i, n int, o [3]int, oc int) {
		y[i] = k.intAt(x, w, xz, zeroAt(wz, oc), n, o, oc)
	})
}

// resolveIntConv checks input and weight of a convolution of plain integers.
func resolveIntConv(k Kind, win *Window, groups int, x, w tensor.Spec) (s convSpec, err error) {
	if !x.DType.IsInt8() || !w.DType.IsInt8() {
		return s, errf(k, "input %v and weight %v, want i8 or u8", x.DType, w.DType)
	}
	if w.Shape.Rank() != x.Shape.Rank() || x.Shape.Rank() < 3 {
		return s, &ShapeError{k, "weight", "the rank of input " + x.Shape.String() + " (3 to 5)", w.Shape.String()}
	}
	s.groups = max(groups, 1)
	s.n, s.ic = x.Shape.Dim(0), x.Shape.Channels()
	s.oc, s.icg = w.Shape.Dim(0), w.Shape.Channels()
	if groups < 0 || s.icg*s.groups != s.ic || s.oc%s.groups != 0 {
		return s, &ShapeError{k, "weight", fmt.Sprintf("[oc, k..., %d/%d]", s.ic, s.groups), w.Shape.String()}
	}
	s.ocg = s.oc / s.groups
	if win.Ceil {
		return s, errf(k, "ceil is for pooling")
	}
	s.Geom, err = win.Resolve(k, x.Shape, w.Shape.Dims()[1:w.Shape.Rank()-1])
	return s, err
}

// each visits every output: its place i, image n, position o and channel oc.
func (s *convSpec) each(f func(i, n int, o [3]int, oc int)) {
	i := 0
	for n := range s.n {
		for od := range s.Out[0] {
			for oh := range s.Out[1] {
				for ow := range s.Out[2] {
					for oc := range s.oc {
						f(i, n, [3]int{od, oh, ow}, oc)
						i++
					}
				}
			}
		}
	}
}

// intAt is the sum of (x-xz)*(w-wz) for one output.
func (s *convSpec) intAt(x, w tensor.Tensor, xz, wz int32, n int, o [3]int, oc int) (sum int32) {
	for kd := range s.Kernel[0] {
		for kh := range s.Kernel[1] {
			for kw := range s.Kernel[2] {
				d := o[0]*s.Stride[0] + kd*s.Dilation[0] - s.PadLo[0]
				h := o[1]*s.Stride[1] + kh*s.Dilation[1] - s.PadLo[1]
				v := o[2]*s.Stride[2] + kw*s.Dilation[2] - s.PadLo[2]
				if uint(d) >= uint(s.In[0]) || uint(h) >= uint(s.In[1]) || uint(v) >= uint(s.In[2]) {
					continue
				}
				xi := (((n*s.In[0]+d)*s.In[1]+h)*s.In[2]+v)*s.ic + oc/s.ocg*s.icg
				wi := (((oc*s.Kernel[0]+kd)*s.Kernel[1]+kh)*s.Kernel[2] + kw) * s.icg
				for i := range s.icg {
					sum += (intAt(x, xi+i) - xz) * (intAt(w, wi+i) - wz)
				}
			}
		}
	}
	return sum
}
