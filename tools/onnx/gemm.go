package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// importGemm is y = alpha a' b' + beta c. With a constant b it is a dense
// layer.
func importGemm(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	a, b, bias := c.in[0], c.in[1], c.arg(2)
	if a.rank() != 2 || b.rank() != 2 {
		return fmt.Errorf("operands %v and %v, want matrices", a.spec(), b.spec())
	}
	if !c.wants(0) {
		return nil
	}
	alpha, beta := c.float("alpha", 1), c.float("beta", 1)
	transA, transB := c.bool("transA", false), c.bool("transB", false)
	if bias != nil && beta == 0 {
		bias = nil
	}
	name := c.outName(0)
	dense := !transA && b.isConst() && !a.isConst() && b.c.DType == tensor.F32
	var y *value
	var err error
	if dense {
		w := b
		if !transB {
			w = c.transposed(b)
		}
		if alpha != 1 && c.copies(len(w.c.Data)) {
			w = c.known(b.name, scaled(w.c, alpha))
		}
		operands := []*value{a, w}
		if v := c.vectorBias(bias, w.c.Shape.Dim(0), beta); v != nil {
			operands = append(operands, c.known(bias.name, *v))
			bias = nil
		}
		y, err = c.add(name, &ops.Dense{}, operands...)
	} else {
		op := &ops.MatMul{TransA: transA, TransB: transB, Alpha: alpha}
		if alpha == 0 { // which the operator takes for 1
			op.Alpha = 1
		}
		y, err = c.add(name, op, a, b)
		if err == nil && alpha == 0 {
			y, err = c.add(name, &ops.Binary{Fn: ops.BinaryMul}, y, c.known("alpha", tensor.FromF32([]float32{0})))
		}
	}
	if err != nil {
		return err
	}
	if bias != nil {
		if beta != 1 {
			if bias, err = c.add(bias.name, &ops.Binary{Fn: ops.BinaryMul}, bias, c.known("beta", tensor.FromF32([]float32{beta}))); err != nil {
				return err
			}
		}
		if y, err = c.add(name, &ops.Binary{Fn: ops.BinaryAdd}, y, bias); err != nil {
			return err
		}
	}
	c.set(0, y)
	return nil
}

// vectorBias is beta times a constant bias as a vector of n, or nil where it is
// more than that.
func (c *call) vectorBias(v *value, n int, beta float32) *tensor.Tensor {
	if v == nil || !v.isConst() || v.c.DType != tensor.F32 {
		return nil
	}
	s := v.c.Shape
	if s.Elems() != 1 && (s.Elems() != n || s.Channels() != n) {
		return nil
	}
	if beta == 1 && s == tensor.Of(n) {
		return &v.c
	}
	if !c.makes(4 * n) {
		return nil
	}
	src := v.c.F32()
	out := tensor.New(tensor.F32Spec(n))
	for i := range out.F32() {
		out.F32()[i] = beta * src[i%len(src)]
	}
	return &out
}

func scaled(t tensor.Tensor, by float32) tensor.Tensor {
	out := t.Clone()
	for i := range out.F32() {
		out.F32()[i] *= by
	}
	return out
}

// importMatMul makes a dense layer of a product with a constant matrix.
func importMatMul(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	y, err := c.product(c.in[0], c.in[1])
	if err != nil {
		return err
	}
	c.set(0, y)
	return nil
}

// product is a matrix product.
func (c *call) product(a, b *value) (*value, error) {
	if b.isConst() && !a.isConst() && b.rank() == 2 && a.rank() >= 2 && b.c.DType == tensor.F32 {
		return c.add(c.outName(0), &ops.Dense{}, a, c.transposed(b))
	}
	return c.add(c.outName(0), &ops.MatMul{}, a, b)
}

// transposed is a constant matrix as a dense layer wants it.
func (c *call) transposed(b *value) *value {
	if !c.copies(len(b.c.Data)) {
		return b
	}
	w := c.known(b.name, permute(b.c, []int{1, 0}))
	c.ints8.putPermuted(w.c, b.c, []int{1, 0})
	return w
}

// importCrossEntropy is SoftmaxCrossEntropyLoss.
func importCrossEntropy(c *call) error {
	red, err := c.reduction()
	if err != nil {
		return err
	}
	in, err := c.lossInputs()
	if err != nil {
		return err
	}
	op := ops.SoftmaxCrossEntropy{Axis: 1, Reduction: red, HasIgnore: c.has("ignore_index"), IgnoreIndex: c.int("ignore_index", 0)}
	if err := c.lossOut(&op, in); err != nil {
		return err
	}
	q := op
	q.Output = 1
	return c.outAt(1, &q, in...)
}

// importNLL is NegativeLogLikelihoodLoss.
func importNLL(c *call) error {
	red, err := c.reduction()
	if err != nil {
		return err
	}
	in, err := c.lossInputs()
	if err != nil {
		return err
	}
	return c.lossOut(&ops.NLLLoss{Axis: 1, Reduction: red, HasIgnore: c.has("ignore_index"), IgnoreIndex: c.int("ignore_index", 0)}, in)
}

func (c *call) reduction() (ops.Reduction, error) {
	switch r := c.string("reduction", "mean"); r {
	case "mean":
		return ops.LossMean, nil
	case "sum":
		return ops.LossSum, nil
	case "none":
		return ops.LossNone, nil
	default:
		return 0, fmt.Errorf("reduction is %q", r)
	}
}

// lossInputs gives the labels the scores' dimensions, which differ in number
// where those of the scores were merged to stay within tensor.MaxRank.
func (c *call) lossInputs() ([]*value, error) {
	if err := c.need(2); err != nil {
		return nil, err
	}
	in, err := c.present(0)
	if err != nil {
		return nil, err
	}
	s := in[0].spec().Shape.Dims()
	if len(s) >= 2 && in[1].rank() != len(s)-1 {
		if in[1], err = c.reshape(in[1].name, in[1], append([]int{s[0]}, s[2:]...)); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// lossOut is out with the labels' own shape where a loss for each is asked for.
func (c *call) lossOut(op ops.Op, in []*value) error {
	y, err := c.add(c.outName(0), op, in...)
	if err != nil {
		return err
	}
	if want := c.in[1].spec().Shape; y.rank() > 0 && y.spec().Shape != want {
		if y, err = c.reshape(c.outName(0), y, want.Dims()); err != nil {
			return err
		}
	}
	c.set(0, y)
	return nil
}
