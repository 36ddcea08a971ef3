package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/tensor"
)

// MatMul is the batched matrix product of numpy's matmul:
//
//	y[..., m, n] = act( alpha * sum over k of a[..., m, k] * b[..., k, n] )
//
// Leading dimensions broadcast; an operand of rank 1 is a row (a) or a column
// (b) whose extra dimension is left out of the result. TransA and TransB swap
// the last two dimensions of an operand before all that. f32; the reference
// sums in float64.
type MatMul struct {
	TransA, TransB bool
	Alpha          float32 // 0 means 1
	Act            Act
	Out            OutType // of the integer form
}

// Kind is KindMatMul.
func (*MatMul) Kind() Kind { return KindMatMul }

// Fields lists the attributes.
func (o *MatMul) Fields(f Fields) {
	f.Bool("trans_a", &o.TransA)
	f.Bool("trans_b", &o.TransB)
	f.Float("alpha", &o.Alpha)
	o.Act.fields(f)
	o.Out.fields(f)
}

// matMulSpec is a product with its sizes resolved: batch products of
// [m, k] with [k, n].
type matMulSpec struct {
	m, n, k        int
	transA, transB bool
	alpha          float32
	batch          *bcast // offsets of a and b, in matrices
	batches        int
	shape          tensor.Shape
}

func (o *MatMul) resolve(in, params []tensor.Spec) (s matMulSpec, a, b *tensor.Spec, err error) {
	ops, err := wantOperands(KindMatMul, in, params, 2, 2)
	if err != nil {
		return s, a, b, err
	}
	if s, err = resolveMatMul(KindMatMul, o, &ops[0], &ops[1]); err == nil {
		err = o.Act.check(KindMatMul)
	}
	return s, &ops[0], &ops[1], err
}

// resolveMatMul resolves o, an operator of kind k.
func resolveMatMul(k Kind, o *MatMul, a, b *tensor.Spec) (s matMulSpec, err error) {
	if a.Shape.Rank() == 0 || b.Shape.Rank() == 0 {
		return s, errf(k, "of a scalar: %v and %v", a.Shape, b.Shape)
	}
	s.transA, s.transB, s.alpha = o.TransA, o.TransB, o.Alpha
	if s.alpha == 0 {
		s.alpha = 1
	}
	da, db := a.Shape.Dims(), b.Shape.Dims()
	rowA, colB := len(da) == 1, len(db) == 1
	if rowA {
		da, s.transA = []int{1, da[0]}, false
	}
	if colB {
		db, s.transB = []int{db[0], 1}, false
	}
	la, lb := len(da)-2, len(db)-2
	ka, kb := da[la+1], db[lb]
	s.m, s.n = da[la], db[lb+1]
	if s.transA {
		s.m, ka = ka, s.m
	}
	if s.transB {
		s.n, kb = kb, s.n
	}
	if ka != kb {
		return s, notShape(k, "operand 1", fmt.Sprintf("a depth of %d, as operand 0 %v has", ka, a.Shape), b.Shape.String())
	}
	s.k = ka
	ba, err := tensor.NewShape(da[:la]...)
	if err != nil {
		return s, errf(k, "%w", err)
	}
	bb, err := tensor.NewShape(db[:lb]...)
	if err != nil {
		return s, errf(k, "%w", err)
	}
	lead, err := tensor.Broadcast(ba, bb)
	if err != nil {
		return s, errf(k, "leading dimensions: %w", err)
	}
	s.batch, s.batches = newBcast(lead, ba, bb), lead.Elems()
	dims := lead.Dims()
	if !rowA {
		dims = append(dims, s.m)
	}
	if !colB {
		dims = append(dims, s.n)
	}
	if s.shape, err = tensor.NewShape(dims...); err != nil {
		return s, errf(k, "%w", err)
	}
	return s, nil
}

// Infer is the broadcast leading dimensions, then m and n.
func (o *MatMul) Infer(in, params []tensor.Spec) (tensor.Spec, error) {
	s, a, b, err := o.resolve(in, params)
	if err != nil {
		return tensor.Spec{}, err
	}
	if !isQuantised(a) {
		if err := wantF32(KindMatMul, "operand 0", a); err != nil {
			return tensor.Spec{}, err
		}
		if err := wantF32(KindMatMul, "operand 1", b); err != nil {
			return tensor.Spec{}, err
		}
	}
	return o.Out.sameType(KindMatMul, a, s.shape)
}
