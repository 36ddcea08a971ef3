package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// ConvTranspose is the transpose of a convolution, the gradient of one by its
// input: every input position adds its channels times the kernel to a window of
// the result.
//
//	y[n, i*stride + t*dilation - padLo, oc] += x[n, i, c] * w[c, t, oc]      then bias and act
//
// Operands: x [n, spatial..., ic]; w [ic, k..., oc/groups]; bias [oc],
// optional. The size along a dimension is
// stride*(in-1) + OutputPad + (k-1)*dilation + 1 - padLo - padHi, or what
// OutputShape says, the padding following from it.
type ConvTranspose struct {
	Window
	Groups      int // 0 means 1
	OutputPad   []int
	OutputShape []int // spatial extents
	Act         Act
	Out         OutType
}

// Kind is KindConvTranspose.
func (*ConvTranspose) Kind() Kind { return KindConvTranspose }

// Fields lists the attributes.
func (c *ConvTranspose) Fields(f Fields) {
	c.Window.fields(f)
	f.Int("groups", &c.Groups)
	f.Ints("output_pad", &c.OutputPad)
	f.Ints("output_shape", &c.OutputShape)
	c.Act.fields(f)
	c.Out.fields(f)
}

// resolve gives the convolution whose transpose this is: its input is our
// result.
func (c *ConvTranspose) resolve(in, params []tensor.Spec) (s *convSpec, err error) {
	s = new(convSpec)
	o, err := wantOperands(KindConvTranspose, in, params, 2, 3)
	if err != nil {
		return s, err
	}
	x, w := o[0].Shape, o[1].Shape
	rank := x.Rank() - 2
	if rank < 1 || rank > MaxSpatial || w.Rank() != x.Rank() {
		return s, notShape(KindConvTranspose, "weight", "the rank of input "+x.String()+" (3 to 5)", w.String())
	}
	for i, t := range o {
		if t.DType != tensor.F32 && !o[0].DType.IsInt8() {
			return s, errf(KindConvTranspose, "operand %d is %v, want f32", i, t.DType)
		}
	}
	s.groups = max(c.Groups, 1)
	s.n, s.oc, s.ocg = x.Dim(0), x.Channels(), x.Channels()/s.groups // of the convolution: its outputs are our inputs
	s.icg = w.Channels()
	s.ic = s.icg * s.groups
	if c.Groups < 0 || w.Dim(0) != s.oc || s.oc%s.groups != 0 || s.icg == 0 {
		return s, notShape(KindConvTranspose, "weight", fmt.Sprintf("[%d, k..., oc/%d]", s.oc, s.groups), w.String())
	}
	if len(o) == 3 {
		if s.bias = true; o[2].Shape.Rank() != 1 || o[2].Shape.Elems() != s.ic {
			return s, notShape(KindConvTranspose, "bias", fmt.Sprint(s.ic), o[2].Shape.String())
		}
	}
	s.Rank = rank
	for i := range s.In {
		s.In[i], s.Out[i], s.Kernel[i], s.Stride[i], s.Dilation[i] = 1, 1, 1, 1, 1
	}
	at := func(name string, v []int, i, def, least int) int { return spatial(name, v, i, rank, def, least, &err) }
	for i := range rank {
		j := MaxSpatial - rank + i
		s.Out[j], s.Kernel[j] = x.Dim(1+i), w.Dim(1+i)
		s.Stride[j], s.Dilation[j] = at("stride", c.Stride, i, 1, 1), at("dilation", c.Dilation, i, 1, 1)
		s.PadLo[j], s.PadHi[j] = at("pad_lo", c.PadLo, i, 0, 0), at("pad_hi", c.PadHi, i, 0, 0)
		extra := at("output_pad", c.OutputPad, i, 0, 0)
		full := s.Stride[j]*(s.Out[j]-1) + extra + (s.Kernel[j]-1)*s.Dilation[j] + 1
		want := at("output_shape", c.OutputShape, i, 0, 1)
		if want == 0 && (c.Auto == PadSameUpper || c.Auto == PadSameLower) {
			want = s.Out[j] * s.Stride[j]
		}
		if c.Auto == PadValid {
			s.PadLo[j], s.PadHi[j] = 0, 0
		}
		if want > 0 {
			pad := max(0, full-want)
			s.PadLo[j], s.PadHi[j] = pad/2, pad-pad/2
			if c.Auto == PadSameLower {
				s.PadLo[j], s.PadHi[j] = s.PadHi[j], s.PadLo[j]
			}
			s.In[j] = want
		} else {
			s.In[j] = full - s.PadLo[j] - s.PadHi[j]
		}
		if err == nil && s.In[j] < 1 {
			err = errf(KindConvTranspose, "padding %v, %v leaves nothing of %d", c.PadLo, c.PadHi, full)
		}
	}
	return s, err
}

// spatial is dimension i of an attribute with rank dimensions, def where it is not given; err becomes what is wrong with it.
//
//go:noinline
func spatial(name string, v []int, i, rank, def, least int, err *error) int {
	if v == nil {
		return def
	}
	if len(v) != rank || v[i] < least || v[i] > limit {
		*err = errf(KindConvTranspose, "%s %v", name, v)
		return def
	}
	return v[i]
}

// Geometry is the window of the convolution whose transpose this is: its input is
// our result.
func (c *ConvTranspose) Geometry(in, params []tensor.Spec) (Geom, error) {
	s, err := c.resolve(in, params)
	return s.Geom, err
}

// Infer is [n, spatial..., oc].
func (c *ConvTranspose) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, err := c.resolve(in, params)
	if err != nil {
		return tensor.Spec{}, err
	}
	if err := c.Act.check(KindConvTranspose); err != nil {
		return tensor.Spec{}, err
	}
	if operands(in, params)[0].DType.IsInt8() {
		return c.inferInt(s, in, params)
	}
	shape, err := tensor.NewShape(append(append([]int{s.n}, s.In[MaxSpatial-s.Rank:]...), s.ic)...)
	return tensor.Spec{DType: tensor.F32, Shape: shape}, err
}

// Prepare picks the integer form, products, or the plain path: that adds window by
// window, an image a task.
func (c *ConvTranspose) Prepare(p *Prep) (Kernel, error) {
	s, err := c.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if x, _ := p.Operand(0); x.DType.IsInt8() {
		return c.prepareInt(p, s)
	}
	if !p.Reference {
		if k := c.prepareDepthwise(p, s); k != nil {
			return k, nil
		}
		if k := c.prepareFast(p, s); k != nil {
			return k, nil
		}
	}
	p.Path("reference")
	return &convTranspose{s, c.Act, p.Params}, nil
}

type convTranspose struct {
	*convSpec
	act    Act
	params []tensor.Tensor
}

func (k *convTranspose) Run(a *Args) { a.Parallel(k.n, k) }

// Do computes one image.
func (k *convTranspose) Do(a *Args, n, _ int) {
	x, w := argF32(a, k.params, 0), argF32(a, k.params, 1)
	y := f32(&a.Out)[n*k.InSize()*k.ic:][:k.InSize()*k.ic]
	if k.bias {
		b := argF32(a, k.params, 2)
		for i := 0; i < len(y); i += k.ic {
			copy(y[i:], b)
		}
	} else {
		clear(y)
	}
	taps := k.Taps()
	for row := range k.OutSize() {
		xr := x[(n*k.OutSize()+row)*k.oc:][:k.oc]
		for t := range taps {
			pos, ok := k.inAt(k.outAt(row), t)
			if !ok {
				continue
			}
			for c, v := range xr {
				to := y[pos*k.ic+c/k.ocg*k.icg:][:k.icg]
				for j, f := range w[(c*taps+t)*k.icg:][:len(to)] {
					to[j] += v * f
				}
			}
		}
	}
	if k.act.Fn != UnaryNone {
		actRow(&k.act, y)
	}
}

// Keeps is the input, and the output when an activation's gradient reads it.
func (c *ConvTranspose) Keeps(in, params []tensor.Spec) Keep {
	if c.Act.Fn == UnaryNone {
		return KeepIn0
	}
	return KeepIn0 | KeepOut
}
