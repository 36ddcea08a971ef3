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
	g, err := resolveMatMul(KindQLinearMatMul, o[0], o[3])
	if err != nil {
		return tensor.Spec{}, err
	}
	for _, chk := range []error{
		checkScale(KindQLinearMatMul, "scale of a", o[1], g.m),
		checkZero(KindQLinearMatMul, "zero point of a", o[2], o[0].DType, g.m),
		checkScale(KindQLinearMatMul, "scale of b", o[4], g.n),
		checkZero(KindQLinearMatMul, "zero point of b", o[5], o[3].DType, g.n),
		checkScale(KindQLinearMatMul, "output scale", o[6], 1),
		checkZero(KindQLinearMatMul, "output zero point", o[7], o[7].DType, 1),
	} {
		if chk != nil {
			return tensor.Spec{}, chk
		}
	}
	if !o[7].DType.IsInt8() {
		return tensor.Spec{}, errf(KindQLinearMatMul, "output is %v, want i8 or u8", o[7].DType)
	}
	return tensor.Spec{DType: o[7].DType, Shape: g.out}, nil
}

// Prepare has one path.
func (*QLinearMatMul) Prepare(p *Prep) (Kernel, error) {
	a, _ := p.Operand(0)
	b, _ := p.Operand(3)
	g, err := resolveMatMul(KindQLinearMatMul, a, b)
	if err != nil {
		return nil, err
	}
	p.Path("reference")
	lo, hi := tensor.IntRange(p.Out.DType)
	return &qlinearMatMulReference{g, p.Params, int32(lo), int32(hi)}, nil
}

type qlinearMatMulReference struct {
	matMulInt
	params []tensor.Tensor
	lo, hi int32
}

func (k *qlinearMatMulReference) Run(a *Args) {
	as, az := arg(a, k.params, 1), arg(a, k.params, 2)
	bs, bz := arg(a, k.params, 4), arg(a, k.params, 5)
	ys, yz := scaleAt(arg(a, k.params, 6), 0), zeroAt(arg(a, k.params, 7), 0)
	x, w := arg(a, k.params, 0), arg(a, k.params, 3)
	i := 0
	for batch := range k.batch {
		for r := range k.m {
			for c := range k.n {
				sum := k.at(x, w, zeroAt(az, r), zeroAt(bz, c), batch, r, c)
				a.Out.Data[i] = byte(requantize(sum, requantScale(scaleAt(as, r), scaleAt(bs, c), ys), yz, k.lo, k.hi))
				i++
			}
		}
	}
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
	g, err := resolveMatMul(KindMatMulInteger, o[0], o[1])
	if err != nil {
		return tensor.Spec{}, err
	}
	if len(o) > 2 {
		if err := checkZero(KindMatMulInteger, "zero point of a", o[2], o[0].DType, g.m); err != nil {
			return tensor.Spec{}, err
		}
	}
	if len(o) > 3 {
		if err := checkZero(KindMatMulInteger, "zero point of b", o[3], o[1].DType, g.n); err != nil {
			return tensor.Spec{}, err
		}
	}
	return tensor.Spec{DType: tensor.I32, Shape: g.out}, nil
}

// Prepare has one path.
func (*MatMulInteger) Prepare(p *Prep) (Kernel, error) {
	a, _ := p.Operand(0)
	b, _ := p.Operand(1)
	g, err := resolveMatMul(KindMatMulInteger, a, b)
	if err != nil {
		return nil, err
	}
	p.Path("reference")
	return &matMulIntegerReference{g, p.Params}, nil
}

type matMulIntegerReference struct {
	matMulInt
	params []tensor.Tensor
}

func (k *matMulIntegerReference) Run(a *Args) {
	x, w, y := arg(a, k.params, 0), arg(a, k.params, 1), a.Out.I32()
	az, bz := optional(a, k.params, 2), optional(a, k.params, 3)
	i := 0
	for batch := range k.batch {
		for r := range k.m {
			for c := range k.n {
				y[i] = k.at(x, w, zeroAt(az, r), zeroAt(bz, c), batch, r, c)
				i++
			}
		}
	}
}

// matMulInt is a batched product of plain integers, resolved.
type matMulInt struct {
	batch, m, k, n int
	a, b           [tensor.MaxRank]int // steps in matrices along each batch dimension
	dims           [tensor.MaxRank]int // the batch dimensions of the result
	rank           int                 // how many
	out            tensor.Shape
}

func resolveMatMul(kind Kind, a, b tensor.Spec) (g matMulInt, err error) {
	if !a.DType.IsInt8() || !b.DType.IsInt8() {
		return g, errf(kind, "operands %v and %v, want i8 or u8", a.DType, b.DType)
	}
	ra, rb := a.Shape.Rank(), b.Shape.Rank()
	if ra < 2 || rb < 2 {
		return g, &ShapeError{kind, "operands", "rank 2 or more", a.Shape.String() + " and " + b.Shape.String()}
	}
	g.m, g.k, g.n = a.Shape.Dim(-2), a.Shape.Dim(-1), b.Shape.Dim(-1)
	if b.Shape.Dim(-2) != g.k {
		return g, &ShapeError{kind, "b", "as many rows as a has columns", a.Shape.String() + " times " + b.Shape.String()}
	}
	da, err := tensor.NewShape(a.Shape.Dims()[:ra-2]...)
	if err != nil {
		return g, err
	}
	db, err := tensor.NewShape(b.Shape.Dims()[:rb-2]...)
	if err != nil {
		return g, err
	}
	outer, err := tensor.Broadcast(da, db)
	if err != nil {
		return g, errf(kind, "%v", err)
	}
	g.batch, g.rank = outer.Elems(), outer.Rank()
	sa, sb := da.Strides(), db.Strides()
	for i := range g.rank {
		g.dims[i] = outer.Dim(i)
		if j := i - (g.rank - da.Rank()); j >= 0 && da.Dim(j) != 1 {
			g.a[i] = sa[j]
		}
		if j := i - (g.rank - db.Rank()); j >= 0 && db.Dim(j) != 1 {
			g.b[i] = sb[j]
		}
	}
	g.out, err = tensor.NewShape(append(outer.Dims(), g.m, g.n)...)
	return g, err
}

// at is the sum of (a-az)*(b-bz) for one output.
func (g *matMulInt) at(a, b tensor.Tensor, az, bz int32, batch, row, col int) (sum int32) {
	ma, mb := 0, 0
	for i := g.rank - 1; i >= 0; i-- {
		at := batch % g.dims[i]
		batch /= g.dims[i]
		ma += at * g.a[i]
		mb += at * g.b[i]
	}
	for i := range g.k {
		sum += (intAt(a, (ma*g.m+row)*g.k+i) - az) * (intAt(b, (mb*g.k+i)*g.n+col) - bz)
	}
	return sum
}
