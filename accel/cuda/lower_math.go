package cuda

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// The functions of unary.
const (
	unaryClamp       = 1
	unaryLeaky       = 2
	unarySigmoid     = 3
	unaryTanh        = 4
	unaryHardSigmoid = 5
	unaryHardSwish   = 6
	unarySwish       = 7
	unaryExp         = 8
	unaryLog         = 9
	unarySqrt        = 10
	unaryNeg         = 11
	unaryAbs         = 12
	unaryAffine      = 13
	unaryGelu        = 14
	unarySoftplus    = 15
	unaryElu         = 16
)

var unaryKinds = map[ops.UnaryFn]int{
	ops.UnaryRelu: unaryClamp, ops.UnaryClip: unaryClamp, ops.UnaryLeakyRelu: unaryLeaky, ops.UnarySigmoid: unarySigmoid,
	ops.UnaryTanh: unaryTanh, ops.UnaryHardSigmoid: unaryHardSigmoid, ops.UnaryHardSwish: unaryHardSwish,
	ops.UnarySwish: unarySwish, ops.UnaryExp: unaryExp, ops.UnaryLog: unaryLog, ops.UnarySqrt: unarySqrt,
	ops.UnaryNeg: unaryNeg, ops.UnaryAbs: unaryAbs, ops.UnaryGelu: unaryGelu, ops.UnarySoftplus: unarySoftplus,
	ops.UnaryElu: unaryElu,
}

// activate applies a function to elems elements of x; y may be x.
func (n *node) activate(fn ops.UnaryFn, a, b float32, x, y ref, elems int) error {
	kind, ok := unaryKinds[fn]
	switch {
	case !ok:
		return fmt.Errorf("function %d has no kernel", fn)
	case fn == ops.UnarySwish && a != 0 && a != 1:
		return fmt.Errorf("swish with a factor of %v has no kernel", a)
	case fn == ops.UnaryGelu && a == 1:
		return fmt.Errorf("gelu by tanh has no kernel")
	case fn == ops.UnaryRelu:
		a, b = 0, float32(math.Inf(1))
	}
	n.unary(kind, float64(a), float64(b), x, y, elems)
	return nil
}

func (n *node) unary(kind int, a, b float64, x, y ref, elems int) {
	n.each("unary", elems, []param{at(x), at(y)}, ints(elems, kind), []param{num(a), num(b)})
}

// The functions of binary.
const (
	binaryAdd = 0
	binarySub = 1
	binaryMul = 2
	binaryDiv = 3
	binaryMax = 4
	binaryMin = 5
	binaryPow = 6
)

var binaryKinds = map[ops.BinaryFn]int{
	ops.BinaryAdd: binaryAdd, ops.BinarySub: binarySub, ops.BinaryMul: binaryMul, ops.BinaryDiv: binaryDiv,
	ops.BinaryMax: binaryMax, ops.BinaryMin: binaryMin, ops.BinaryPow: binaryPow,
}

func (n *node) binary(o *ops.Binary) error {
	kind, ok := binaryKinds[o.Fn]
	clamp, _ := fused(o.Act)
	a, b, y := n.spec(0).Shape, n.spec(1).Shape, n.Out.Shape
	switch {
	case o.Fn == ops.BinarySquaredDiff:
		n.arith(binarySub, n.operand(0), n.operand(1), n.y, a, b, nil)
		n.arith(binaryMul, n.y, n.y, n.y, y, y, clamp)
	case !ok:
		return fmt.Errorf("function %d of two operands has no kernel", o.Fn)
	default:
		n.arith(kind, n.operand(0), n.operand(1), n.y, a, b, clamp)
	}
	return n.finish(o.Act)
}

// arith is y = fn(x1, x2) of the node's shape; y may be an operand of that shape.
func (n *node) arith(kind int, x1, x2, y ref, s1, s2 tensor.Shape, clamp []param) {
	if clamp == nil {
		clamp, _ = fused(ops.Act{})
	}
	out := n.Out.Shape
	n.each("binary", out.Elems(), []param{at(x1), at(x2), at(y)}, ints(out.Elems(), kind),
		ints(six(out.Dims(), 1)...), ints(six(broadcastStrides(s1, out), 0)...), ints(six(broadcastStrides(s2, out), 0)...), clamp)
}

// prelu with one slope is leaky; with more it is max(x, 0) + slope*min(x, 0).
func (n *node) prelu() error {
	x, y, elems := n.operand(0), n.y, n.Out.Shape.Elems()
	if s, ok := n.known(1); ok && s.Shape.Elems() == 1 && !n.changes(s) {
		n.unary(unaryLeaky, float64(s.F32()[0]), 0, x, y, elems)
		return nil
	}
	t, own := n.scratch(elems), n.Out.Shape
	n.unary(unaryClamp, math.Inf(-1), 0, x, t, elems)
	n.arith(binaryMul, t, n.operand(1), t, own, n.spec(1).Shape, nil)
	n.unary(unaryClamp, 0, math.Inf(1), x, y, elems)
	n.arith(binaryAdd, y, t, y, own, own, nil)
	return nil
}

// softmaxLines splits a shape at the axis.
func softmaxLines(o *ops.Softmax, shape tensor.Shape) (outer, cols, inner int, ok bool) {
	axis, ok := axisOf(o.Axis, shape.Rank())
	if !ok {
		return 0, 0, 0, false
	}
	outer, cols, inner = 1, shape.Dim(axis), 1
	for i := range shape.Rank() {
		if i < axis {
			outer *= shape.Dim(i)
		} else if i > axis {
			inner *= shape.Dim(i)
		}
	}
	if o.Flatten {
		cols, inner = cols*inner, 1
	}
	return outer, cols, inner, true
}

// softmax runs over rows: an axis that is not the last is brought there.
func (n *node) softmax(o *ops.Softmax) error {
	shape := n.Out.Shape
	outer, cols, inner, ok := softmaxLines(o, shape)
	if !ok {
		return fmt.Errorf("axis %d of %v", o.Axis, shape)
	}
	x, y, elems := n.operand(0), n.y, shape.Elems()
	if inner > 1 {
		t := n.scratch(elems)
		n.copy(x, t, []int{outer, inner, cols}, []int{cols * inner, 1, inner}, 0, []int{inner * cols, cols, 1}, 0)
		x, y = t, n.scratch(elems)
	}
	if o.Beta != 0 && o.Beta != 1 {
		n.unary(unaryAffine, float64(o.Beta), 0, x, y, elems)
		x = y
	}
	logged := 0
	if o.Log {
		logged = 1
	}
	rows := outer * inner
	n.call("softmax_"+n.numbers.element, [3]int{rows, 1, 1}, []param{at(x), at(y)}, ints(rows, cols, logged))
	if inner > 1 {
		n.copy(y, n.y, []int{outer, cols, inner}, []int{inner * cols, 1, cols}, 0, []int{cols * inner, inner, 1}, 0)
	}
	return nil
}

// axisOf resolves an axis that may count from the end.
func axisOf(axis, rank int) (int, bool) {
	if axis < 0 {
		axis += rank
	}
	return axis, axis >= 0 && axis < rank
}
