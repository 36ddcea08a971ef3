package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// Dense is a fully connected layer on the last dimension:
//
//	y[..., o] = act( sum over i of x[..., i] * w[o, i] + bias[o] + residual[..., o] )
//
// Operands: x [..., in]; w [out, in]; bias [out], optional; with Residual a
// second input of the result's shape, and weights and bias as parameters. Weights
// that are parameters are packed once. The reference sums in float64.
type Dense struct {
	Act      Act
	Out      OutType // of the integer form
	Residual bool    // the second input is added before Act
}

// Kind is KindDense.
func (*Dense) Kind() Kind { return KindDense }

// Fields lists the attributes.
func (d *Dense) Fields(f Fields) {
	d.Act.fields(f)
	d.Out.fields(f)
	f.Bool("residual", &d.Residual)
}

// PitchedOutput says that results can be written into a wider tensor.
func (*Dense) PitchedOutput() bool { return true }

// denseSpec is a dense layer with its sizes resolved.
type denseSpec struct {
	rows, in, out int
	bias          bool
	shape         tensor.Shape
}

func (d *Dense) resolve(in, params []tensor.Spec) (s denseSpec, x *tensor.Spec, err error) {
	var residual *tensor.Spec
	if d.Residual {
		if len(in) != 2 || len(params) == 0 {
			return s, x, errf(KindDense, "a residual needs the weights and the bias as parameters and a second input")
		}
		residual, in = &in[1], in[:1]
	}
	o, err := wantOperands(KindDense, in, params, 2, 3)
	if err != nil {
		return s, x, err
	}
	x, w := &o[0], &o[1]
	if x.Shape.Rank() < 1 {
		return s, x, notShape(KindDense, "input", "rank 1 or more", x.Shape.String())
	}
	s.rows, s.in = x.Shape.Rows(), x.Shape.Channels()
	if w.Shape.Rank() != 2 || w.Shape.Dim(1) != s.in {
		return s, x, notShape(KindDense, "weight", fmt.Sprintf("[out, %d]", s.in), w.Shape.String())
	}
	s.out = w.Shape.Dim(0)
	s.shape = x.Shape.With(-1, s.out)
	if _, err := tensor.NewShape(s.shape.Dims()...); err != nil {
		return s, x, errf(KindDense, "%w", err)
	}
	if len(o) == 3 {
		s.bias = true
		if b := o[2].Shape; b.Elems() != s.out || b.Rank() != 1 {
			return s, x, notShape(KindDense, "bias", fmt.Sprint(s.out), b.String())
		}
	}
	if residual != nil && residual.Shape != s.shape {
		return s, x, notShape(KindDense, "residual", s.shape.String(), residual.Shape.String())
	}
	if x.DType == tensor.F32 {
		for i, t := range o {
			if t.DType != tensor.F32 {
				return s, x, errf(KindDense, "operand %d is %v, input is f32", i, t.DType)
			}
		}
		if residual != nil && residual.DType != tensor.F32 {
			return s, x, errf(KindDense, "residual is %v, input is f32", residual.DType)
		}
	}
	return s, x, d.Act.check(KindDense)
}

// Infer is x's shape with the last dimension replaced by out.
func (d *Dense) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, x, err := d.resolve(in, params)
	if err != nil {
		return tensor.Spec{}, err
	}
	if !isQuantised(x) {
		if err := wantF32(KindDense, "input", x); err != nil {
			return tensor.Spec{}, err
		}
	}
	out, err := d.Out.sameType(KindDense, x, s.shape)
	if err == nil && isQuantised(x) {
		err = d.inferInt(in, params, out)
	}
	return out, err
}

// Prepare picks the integer form, the plain path, or the packed product.
func (d *Dense) Prepare(p *Prep) (Kernel, error) {
	s, x, err := d.resolve(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if isQuantised(x) {
		return d.prepareInt(p)
	}
	if p.Reference || len(p.Params) == 0 || s.rows*s.in*s.out == 0 {
		return newWeighted(p, s.terms(), d.Act, d.Residual), nil
	}
	return d.prepareGemm(p, s), nil
}

// weightOperand is the place of the weights among the operands; the bias
// follows.
func (d *Dense) weightOperand() int {
	if d.Residual {
		return 2
	}
	return 1
}
