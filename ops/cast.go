package ops

import (
	"math"

	"github.com/x448/float16"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Cast gives each element another type, between any two types, as ONNX does:
//
//   - float to integer cuts the fraction off; a number outside int64 becomes
//     the nearest one, a NaN 0, and narrower types keep the low bits
//   - to bool: whether it is not 0; from bool: 0 or 1
//   - to f16 and bf16: nearest, ties to even
//
// Quantised elements are taken as the integers they are; the result has no
// quantisation.
type Cast struct{ To tensor.DType }

// Kind is KindCast.
func (*Cast) Kind() Kind { return KindCast }

// Fields lists the attributes.
func (c *Cast) Fields(f Fields) { FieldEnum(f, "to", &c.To) }

// Infer is the operand's shape with the type To.
func (c *Cast) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindCast, in, params, 1, 1)
	if err != nil {
		return tensor.Spec{}, err
	}
	if !c.To.Valid() || !o[0].DType.Valid() {
		return tensor.Spec{}, errf(KindCast, "from %v to %v", o[0].DType, c.To)
	}
	return tensor.Spec{DType: c.To, Shape: o[0].Shape}, nil
}

// Prepare has one path; between equal types the result is a view.
func (c *Cast) Prepare(p *Prep) (Kernel, error) {
	x, _ := p.Operand(0)
	if x.DType == c.To && len(p.In) > 0 {
		p.View(0)
		return nil, nil
	}
	if len(p.In) > 0 && x.DType.Size() == c.To.Size() {
		p.InPlace(0)
	}
	p.Path("reference")
	return &castKernel{p.Params, x.Shape.Elems()}, nil
}

type castKernel struct {
	params []tensor.Tensor
	n      int
}

func (k *castKernel) Run(a *Args) { a.Parallel((k.n+chunkElems-1)/chunkElems, k) }

func (k *castKernel) Do(a *Args, i, _ int) {
	from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
	x := arg(a, k.params, 0)
	switch {
	case x.DType == a.Out.DType:
		size := x.DType.Size()
		copy(a.Out.Data[from*size:to*size], x.Data[from*size:])
	case a.Out.DType == tensor.F32 && (x.DType == tensor.Bool || x.DType == tensor.U8):
		kern.DequantizeI8(f32(&a.Out)[from:to], x.Data[from:to], false, 1, 0)
	case x.DType.IsFloat() && a.Out.DType.IsFloat():
		for j := from; j < to; j++ {
			setFloat(&a.Out, j, floatAt(x, j))
		}
	case x.DType.IsFloat() && a.Out.DType == tensor.Bool:
		for j := from; j < to; j++ {
			a.Out.Data[j] = truth(floatAt(x, j) != 0)
		}
	case x.DType.IsFloat():
		for j := from; j < to; j++ {
			setInt(&a.Out, j, saturate64(math.Trunc(float64(floatAt(x, j)))))
		}
	case a.Out.DType.IsFloat():
		for j := from; j < to; j++ {
			setFloat(&a.Out, j, float32(int64At(x, j)))
		}
	default:
		for j := from; j < to; j++ {
			setInt(&a.Out, j, int64At(x, j))
		}
	}
}

// floatAt is element i of a float tensor.
func floatAt(t *tensor.Tensor, i int) float32 {
	switch t.DType {
	case tensor.F16:
		return float16.Frombits(t.Bits16()[i]).Float32()
	case tensor.BF16:
		return math.Float32frombits(uint32(t.Bits16()[i]) << 16)
	}
	return f32(t)[i]
}

// setFloat stores element i of a float tensor, rounded to nearest even.
func setFloat(t *tensor.Tensor, i int, v float32) {
	switch t.DType {
	case tensor.F16:
		t.Bits16()[i] = float16.Fromfloat32(v).Bits()
	case tensor.BF16:
		t.Bits16()[i] = bf16Bits(v)
	default:
		f32(t)[i] = v
	}
}

// bf16Bits is the bfloat16 nearest to v, ties to even; NaNs stay NaNs.
func bf16Bits(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// int64At is element i of an integer or bool tensor.
func int64At(t *tensor.Tensor, i int) int64 {
	switch t.DType {
	case tensor.I64:
		return i64(t)[i]
	case tensor.I32:
		return int64(i32(t)[i])
	case tensor.I8:
		return int64(int8(t.Data[i]))
	}
	return int64(t.Data[i])
}

// setInt stores the low bits of v as element i of an integer tensor, or
// whether it is 0 in a bool one.
func setInt(t *tensor.Tensor, i int, v int64) {
	switch t.DType {
	case tensor.I64:
		i64(t)[i] = v
	case tensor.I32:
		i32(t)[i] = int32(v)
	case tensor.Bool:
		t.Data[i] = truth(v != 0)
	default:
		t.Data[i] = byte(v)
	}
}

// Keeps is nothing.
func (*Cast) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward prepares dx += dy between float types: gradients are f32 for all.
func (c *Cast) Backward(p *GradPrep) (GradKernel, error) {
	x := operands(p.In, Specs(p.Params))[0]
	if !x.DType.IsFloat() || !c.To.IsFloat() {
		return nil, errf(KindCast, "has no gradient from %v to %v", x.DType, c.To)
	}
	return &addTask{n: x.Shape.Elems(), factor: 1}, nil
}
