package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Dequantize turns integers into the float32 numbers they stand for.
//
//	y = float32(x - zero) * scale
//
// Operands: x (i8, u8 or i32). Without more, x's own quantisation counts. Or,
// as ONNX has it: scale in f32 and optionally a zero point of x's type, each
// one value or one for each index of Axis.
type Dequantize struct {
	Axis int
}

// Kind is KindDequantize.
func (*Dequantize) Kind() Kind { return KindDequantize }

// Fields lists the attributes.
func (q *Dequantize) Fields(f Fields) { f.Int("axis", &q.Axis) }

// Infer is the shape of x in f32.
func (q *Dequantize) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindDequantize, in, params, 1, 3)
	if err != nil {
		return tensor.Spec{}, err
	}
	x := &o[0]
	if !x.DType.IsInt8() && x.DType != tensor.I32 {
		return tensor.Spec{}, errf(KindDequantize, "input is %v, want i8, u8 or i32", x.DType)
	}
	out := tensor.Spec{DType: tensor.F32, Shape: x.Shape}
	if len(o) == 1 {
		if x.Quant.IsZero() {
			return out, errf(KindDequantize, "input %v has no quantisation", x)
		}
		return out, x.Quant.Check(x.DType, x.Shape)
	}
	n := 1
	if o[1].Shape.Elems() != 1 {
		if _, n, _, err = axisOf(KindDequantize, x.Shape, q.Axis); err != nil {
			return out, err
		}
	}
	if err := checkScale(KindDequantize, "scale", &o[1], n); err != nil {
		return out, err
	}
	if len(o) == 3 {
		err = checkZero(KindDequantize, "zero point", &o[2], x.DType, n)
	}
	return out, err
}

// Prepare has one path.
func (q *Dequantize) Prepare(p *Prep) (Kernel, error) {
	p.Path("reference")
	x, _ := p.Operand(0)
	k := &dequantizeReference{params: p.Params, outer: 1, n: 1, inner: x.Shape.Elems()}
	var channels int
	axis := q.Axis
	if s, ok := p.Operand(1); ok {
		channels = s.Shape.Elems()
	} else {
		k.own, channels, axis = x.Quant, len(x.Quant.Scale), x.Quant.Axis
	}
	k.vectors = !p.Reference && x.DType.IsInt8()
	if k.vectors {
		p.Path("vector")
	}
	if channels != 1 {
		var err error
		if k.outer, k.n, k.inner, err = axisOf(KindDequantize, x.Shape, axis); err != nil {
			return nil, err
		}
	}
	return k, nil
}

type dequantizeReference struct {
	params          []tensor.Tensor
	own             tensor.Quant // zero when scale and zero point are operands
	outer, n, inner int
	vectors         bool
}

func (k *dequantizeReference) Run(a *Args) {
	x, y := arg(a, k.params, 0), f32(&a.Out)
	scale, zero := optional(a, k.params, 1), optional(a, k.params, 2)
	i := 0
	for range k.outer {
		for c := range k.n {
			var s float32
			var z int32
			if k.own.IsZero() {
				s, z = scaleAt(scale, c), zeroAt(zero, c)
			} else {
				s, z = k.own.At(c)
			}
			if k.vectors {
				kern.DequantizeI8(y[i:i+k.inner], x.Data[i:i+k.inner], x.DType == tensor.I8, s, z)
				i += k.inner
				continue
			}
			for range k.inner {
				y[i] = float32(intAt(x, i)-z) * s
				i++
			}
		}
	}
}

// DynamicQuantize quantises x to u8 over its own range, which is widened to
// hold 0:
//
//	scale = (max - min) / 255
//	zero  = clamp(roundHalfEven(-min / scale), 0, 255)
//	y     = clamp(roundHalfEven(x / scale) + zero, 0, 255)
//
// A node has one output, so Output says which: 0 is y, 1 the scale (f32 scalar),
// 2 the zero point (u8 scalar).
type DynamicQuantize struct {
	Output int
}

// Kind is KindDynamicQuantize.
func (*DynamicQuantize) Kind() Kind { return KindDynamicQuantize }

// Fields lists the attributes.
func (q *DynamicQuantize) Fields(f Fields) { f.Int("output", &q.Output) }

// Infer is the spec of that output.
func (q *DynamicQuantize) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindDynamicQuantize, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if o[0].DType != tensor.F32 {
		return tensor.Spec{}, errf(KindDynamicQuantize, "input is %v, want f32", o[0].DType)
	}
	switch q.Output {
	case 0:
		return tensor.Spec{DType: tensor.U8, Shape: o[0].Shape}, nil
	case 1:
		return tensor.F32Spec(), nil
	case 2:
		return tensor.Spec{DType: tensor.U8}, nil
	}
	return tensor.Spec{}, errf(KindDynamicQuantize, "output %d", q.Output)
}

// Prepare has one path.
func (q *DynamicQuantize) Prepare(p *Prep) (Kernel, error) {
	p.Path("reference")
	return &dynamicQuantizeReference{p.Params, q.Output}, nil
}

type dynamicQuantizeReference struct {
	params []tensor.Tensor
	part   int
}

func (k *dynamicQuantizeReference) Run(a *Args) {
	x := argF32(a, k.params, 0)
	var lo, hi float32
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	scale := (hi - lo) / 255
	zero := int32(0)
	if scale > 0 {
		zero = int32(min(max(math.RoundToEven(float64(-lo/scale)), 0), 255))
	}
	switch k.part {
	case 1:
		f32(&a.Out)[0] = scale
	case 2:
		a.Out.Data[0] = byte(zero)
	default:
		for i, v := range x {
			if scale == 0 { // all zeros
				a.Out.Data[i] = byte(zero)
				continue
			}
			a.Out.Data[i] = byte(roundClamp(v/scale, zero, 0, 255))
		}
	}
}
