package cuda

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// constant is bytes that were made for this program: they are what tells them
// apart.
func constant(b []byte) weight {
	return weight{weightKey{n: len(b), form: "bytes " + string(b)}, func() ([]byte, error) { return b, nil }}
}

// bytes256 are all bytes, as a tensor quantised as s is.
func bytes256(s tensor.Spec) tensor.Tensor {
	t := tensor.New(tensor.Spec{DType: s.DType, Shape: tensor.Of(256), Quant: s.Quant})
	for i := range t.Data {
		t.Data[i] = byte(i)
	}
	return t
}

// filled is the operator's results for all bytes of operand i.
func (n *node) filled(op ops.Op, i int, params ...tensor.Tensor) (tensor.Tensor, error) {
	y, err := ops.RunPrepared(op, []tensor.Tensor{bytes256(n.spec(i))}, params, &ops.Prep{Reference: true}, nil)
	if err != nil {
		return y, fmt.Errorf("table of 256 results: %w", err)
	}
	return y, nil
}

// table applies a function of one number to operand i, in rows of cols elements
// every pitch.
func (n *node) table(i int, y ref, cols, pitch int) error {
	if err := affineSpecs(n.spec(i), n.Out); err != nil {
		return err
	}
	op, params := n.Op, []tensor.Tensor(nil)
	switch n.Op.(type) {
	case *ops.PRelu:
		slope, ok := n.known(1)
		if !ok || slope.Shape.Elems() != 1 {
			return fmt.Errorf("more slopes than one have no kernel for integers")
		}
		slope.Shape = tensor.Of(1)
		params = append(params, slope)
	case *ops.Concat: // a concatenation of one operand changes its scale
		out := ops.OutType{DType: n.Out.DType}
		scale, zero := n.Out.Quant.At(0)
		out.Scale, out.Zero = scale, int(zero)
		op = &ops.Concat{Out: out}
	}
	t, err := n.filled(op, i, params...)
	if err != nil {
		return err
	}
	elems := n.spec(i).Shape.Elems()
	n.count("table_i8", elems, []param{at(n.operand(i)), at(n.made(constant(t.Data))), at(y)}, ints(elems, cols, pitch))
	return nil
}

// concatInt copies what has the result's scale, and brings the rest to it.
func (n *node) concatInt(o *ops.Concat) error {
	axis, ok := axisOf(o.Axis, n.Out.Shape.Rank())
	if !ok {
		return fmt.Errorf("axis %d of %v", o.Axis, n.Out.Shape)
	}
	sy, from := dense(n.Out.Shape), 0
	pitch := sy[axis] * n.Out.Shape.Dim(axis)
	for i := range len(n.In) + len(n.Params) {
		s := n.spec(i)
		there := false
		if i < len(n.In) {
			_, there = n.parts[n.In[i]]
		}
		switch {
		case there:
		case s.DType == n.Out.DType && s.Quant.Equal(n.Out.Quant):
			n.copy(n.operand(i), n.y, s.Shape.Dims(), dense(s.Shape), 0, sy, from*sy[axis])
		default:
			y := n.y
			y.offset += from * sy[axis]
			if err := n.table(i, y, s.Shape.Dim(axis)*sy[axis], pitch); err != nil {
				return err
			}
		}
		from += s.Shape.Dim(axis)
	}
	return nil
}

func (n *node) quantize() error {
	if len(n.In)+len(n.Params) > 1 {
		return fmt.Errorf("a scale that is an operand has no kernel")
	}
	x := n.spec(0)
	if x.DType != tensor.F32 {
		return n.table(0, n.y, n.Out.Shape.Elems(), n.Out.Shape.Elems())
	}
	if err := affineSpecs(n.Out); err != nil {
		return err
	}
	tail, err := limits(ops.Act{}, n.Out)
	if err != nil {
		return err
	}
	scale, _ := n.Out.Quant.At(0)
	elems := n.Out.Shape.Elems()
	n.count("quantize_i8", elems, []param{at(n.operand(0)), at(n.y)}, ints(elems), []param{num(float64(scale))}, tail)
	return nil
}

func (n *node) dequantize() error {
	if len(n.In)+len(n.Params) > 1 {
		return fmt.Errorf("a scale that is an operand has no kernel")
	}
	if err := affineSpecs(n.spec(0)); err != nil {
		return err
	}
	t, err := n.filled(n.Op, 0)
	if err != nil {
		return err
	}
	elems := n.Out.Shape.Elems()
	n.count("lookup_i8", elems, []param{at(n.operand(0)), at(n.made(constant(t.Data))), at(n.y)}, ints(elems))
	return nil
}

// binaryInt is a table of 256 by 256 results, which the operator fills; sums and
// differences are computed as the CPU does.
func (n *node) binaryInt(o *ops.Binary) error {
	a, b := n.spec(0), n.spec(1)
	if err := affineSpecs(a, b, n.Out); err != nil {
		return err
	}
	tail, err := limits(o.Act, n.Out)
	if err != nil {
		return err
	}
	table, fixed := ref{}, [4]int{}
	if !fixedSum(o.Fn, a, b, n.Out, &fixed) {
		x, y := bytes256(a), bytes256(b)
		x.Shape, y.Shape = tensor.Of(256, 1), tensor.Of(1, 256)
		t, err := ops.RunPrepared(o, []tensor.Tensor{x, y}, nil, &ops.Prep{Reference: true}, nil)
		if err != nil {
			return fmt.Errorf("table of 65536 results: %w", err)
		}
		table = n.made(constant(t.Data))
	}
	out := n.Out.Shape
	n.count("binary_i8", out.Elems(), []param{at(n.operand(0)), at(n.operand(1)), at(table), at(n.y)}, ints(out.Elems()),
		ints(six(out.Dims(), 1)...), ints(six(broadcastStrides(a.Shape, out), 0)...), ints(six(broadcastStrides(b.Shape, out), 0)...),
		ints(sign(a), sign(b)), ints(fixed[:]...), tail)
	return nil
}

// fixedSum are the multipliers, the bias and the shift of a sum or difference in
// fixed point, by the rule in ops' binary_int.go; false where it has none.
func fixedSum(fn ops.BinaryFn, a, b, out tensor.Spec, f *[4]int) bool {
	if fn != ops.BinaryAdd && fn != ops.BinarySub {
		return false
	}
	sa, za := a.Quant.At(0)
	sb, zb := b.Quant.At(0)
	sy, _ := out.Quant.At(0)
	ra, rb := sa/sy, sb/sy
	m := max(ra, rb)
	if !(m >= 1.0/1024 && m < 256) {
		return false
	}
	shift := 20 - (int(math.Float32bits(m)>>23) - 127)
	ma := int32(math.RoundToEven(math.Ldexp(float64(ra), shift)))
	mb := int32(math.RoundToEven(math.Ldexp(float64(rb), shift)))
	if fn == ops.BinarySub {
		mb = -mb
	}
	*f = [4]int{int(ma), int(mb), int(int32(1)<<(shift-1) - ma*za - mb*zb), shift}
	return true
}
