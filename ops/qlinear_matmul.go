package ops

import (
	"github.com/teff-ml/teff/ops/tensor"
)

// QLinearMatMul is ONNX's integer matrix product, whose scales and zero points
// are operands: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. Those
// of a have one value or one a row, those of b one or one a column. a is
// [..., m, k], b is [..., k, n]; the dimensions before broadcast.
type QLinearMatMul struct{}

// Kind is KindQLinearMatMul.
func (*QLinearMatMul) Kind() Kind { return KindQLinearMatMul }

// Fields lists no attributes.
func (*QLinearMatMul) Fields(Fields) {}

// Infer is [..., m, n] in the type of y_zero.
func (*QLinearMatMul) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindQLinearMatMul, in, params, 8, 8)
	if err != nil {
		return tensor.Spec{}, err
	}
	g, err := resolveMatMulInt(KindQLinearMatMul, &o[0], &o[3])
	if err != nil {
		return tensor.Spec{}, err
	}
	if err := checkQLinear(KindQLinearMatMul, o, g.m, g.n); err != nil {
		return tensor.Spec{}, err
	}
	return tensor.Spec{DType: o[7].DType, Shape: g.shape}, nil
}

// Prepare has one path.
func (*QLinearMatMul) Prepare(p *Prep) (Kernel, error) {
	a, _ := p.Operand(0)
	b, _ := p.Operand(3)
	g, err := resolveMatMulInt(KindQLinearMatMul, a, b)
	if err != nil {
		return nil, err
	}
	return newProduct(p, g.terms(), 3).qlinear(p), nil
}

// MatMulInteger is ONNX's matrix product of integers to int32 sums: a, b and
// optionally a_zero (one value or one a row) and b_zero (one or one a column).
type MatMulInteger struct{}

// Kind is KindMatMulInteger.
func (*MatMulInteger) Kind() Kind { return KindMatMulInteger }

// Fields lists no attributes.
func (*MatMulInteger) Fields(Fields) {}

// Infer is [..., m, n] in i32.
func (*MatMulInteger) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	o, err := wantOperands(KindMatMulInteger, in, params, 2, 4)
	if err != nil {
		return tensor.Spec{}, err
	}
	g, err := resolveMatMulInt(KindMatMulInteger, &o[0], &o[1])
	if err != nil {
		return tensor.Spec{}, err
	}
	if err := checkZeros(KindMatMulInteger, o, g.m, g.n); err != nil {
		return tensor.Spec{}, err
	}
	return tensor.Spec{DType: tensor.I32, Shape: g.shape}, nil
}

// Prepare has one path.
func (*MatMulInteger) Prepare(p *Prep) (Kernel, error) {
	a, _ := p.Operand(0)
	b, _ := p.Operand(1)
	g, err := resolveMatMulInt(KindMatMulInteger, a, b)
	if err != nil {
		return nil, err
	}
	return newProduct(p, g.terms(), 1).integer(), nil
}

// resolveMatMulInt resolves a product of plain integers.
func resolveMatMulInt(k Kind, a, b *tensor.Spec) (s matMulSpec, err error) {
	if !a.DType.IsInt8() || !b.DType.IsInt8() {
		return s, errf(k, "operands %v and %v, want i8 or u8", a.DType, b.DType)
	}
	if a.Shape.Rank() < 2 || b.Shape.Rank() < 2 {
		return s, notShape(k, "operands", "rank 2 or more", a.Shape.String()+" and "+b.Shape.String())
	}
	return resolveMatMul(k, &MatMul{}, a, b)
}
