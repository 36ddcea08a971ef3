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
	s, err := resolveIntConv(KindQLinearConv, &c.Window, c.Groups, &o[0], &o[3])
	if err != nil {
		return tensor.Spec{}, err
	}
	if err := checkQLinear(KindQLinearConv, o, 1, s.oc); err != nil {
		return tensor.Spec{}, err
	}
	if len(o) == 9 && (o[8].DType != tensor.I32 || o[8].Shape.Elems() != s.oc) {
		return tensor.Spec{}, notShape(KindQLinearConv, "bias", fmt.Sprintf("i32[%d]", s.oc), o[8].String())
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
	return newProduct(p, s.terms(), 3).qlinear(p), nil
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
	s, err := resolveIntConv(KindConvInteger, &c.Window, c.Groups, &o[0], &o[1])
	if err != nil {
		return tensor.Spec{}, err
	}
	if err := checkZeros(KindConvInteger, o, 1, s.oc); err != nil {
		return tensor.Spec{}, err
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
	return newProduct(p, s.terms(), 1).integer(), nil
}

// resolveIntConv checks input and weight of a convolution of plain integers.
func resolveIntConv(k Kind, win *Window, groups int, x, w *tensor.Spec) (s *convSpec, err error) {
	if !x.DType.IsInt8() || !w.DType.IsInt8() {
		return s, errf(k, "input %v and weight %v, want i8 or u8", x.DType, w.DType)
	}
	return resolveConv(k, win, groups, x, w)
}
