package onnx

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// computeType is the type that arithmetic on d happens in: float32 for the
// 16-bit floats, int32 for integers of 8 bits that stand for themselves.
func computeType(d tensor.DType) tensor.DType {
	switch d {
	case tensor.F16, tensor.BF16:
		return tensor.F32
	case tensor.I8, tensor.U8, tensor.Bool:
		return tensor.I32
	}
	return d
}

// cast is v with another element type.
func (im *importer) cast(v *value, to tensor.DType) (*value, error) {
	if v.spec().DType == to {
		return v, nil
	}
	return im.addAnyLayout(v.name+"_"+to.String(), func(layout) ops.Op { return &ops.Cast{To: to} }, v)
}

// arith adds an elementwise operator, by way of another type where the
// operands' is only for storage.
func (im *importer) arith(name string, make func(layout) ops.Op, operands ...*value) (*value, error) {
	d := operands[0].spec().DType
	c := computeType(d)
	if c == d {
		return im.addAnyLayout(name, make, operands...)
	}
	wide := append([]*value(nil), operands...)
	for i, v := range wide {
		if v.spec().DType != d {
			continue
		}
		var err error
		if wide[i], err = im.cast(v, c); err != nil {
			return nil, err
		}
	}
	y, err := im.addAnyLayout(name, make, wide...)
	if err != nil {
		return nil, err
	}
	if y.spec().DType != c { // a comparison, say
		return y, nil
	}
	return im.cast(y, d)
}

// elementwise makes arith's result output 0.
func (c *call) elementwise(op ops.Op, operands ...*value) error {
	if !c.wants(0) {
		return nil
	}
	y, err := c.arith(c.outName(0), func(layout) ops.Op { return op }, operands...)
	if err != nil {
		return err
	}
	c.set(0, y)
	return nil
}

// importUnary makes a handler of a function of one number; params reads its
// parameters.
func importUnary(fn ops.UnaryFn, params func(c *call) (a, b float32)) handler {
	return func(c *call) error {
		if err := c.need(1); err != nil {
			return err
		}
		op := &ops.Unary{Fn: fn}
		if params != nil {
			op.A, op.B = params(c)
		}
		return c.elementwise(op, c.in[0])
	}
}

// param is a function's parameter from an attribute.
func param(name string, def float32) func(*call) (float32, float32) {
	return func(c *call) (float32, float32) { return c.float(name, def), 0 }
}

func importGelu(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	op := &ops.Unary{Fn: ops.UnaryGelu}
	switch a := c.string("approximate", "none"); a {
	case "none":
	case "tanh":
		op.A = 1
	default:
		return fmt.Errorf("approximate is %q", a)
	}
	return c.elementwise(op, c.in[0])
}

// importClip limits to constants where it can and is a maximum and a minimum
// otherwise.
func importClip(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0]
	lo, hi := c.arg(1), c.arg(2)
	if c.opset < 11 {
		lo, hi = c.known("min", tensor.FromF32([]float32{c.float("min", -math.MaxFloat32)})), c.known("max", tensor.FromF32([]float32{c.float("max", math.MaxFloat32)}))
	}
	if x.spec().DType == tensor.F32 && (lo == nil || lo.isConst()) && (hi == nil || hi.isConst()) {
		op := &ops.Unary{Fn: ops.UnaryClip, A: -math.MaxFloat32, B: math.MaxFloat32}
		if lo != nil && lo.spec().Equal(tensor.F32Spec()) {
			op.A = lo.c.F32()[0]
		}
		if hi != nil && hi.spec().Equal(tensor.F32Spec()) {
			op.B = hi.c.F32()[0]
		}
		if op.A <= op.B {
			return c.elementwise(op, x)
		}
	}
	y := x
	for i, v := range []*value{lo, hi} {
		if v == nil {
			continue
		}
		fn := [...]ops.BinaryFn{ops.BinaryMax, ops.BinaryMin}[i]
		var err error
		if y, err = c.arith(c.outName(0), func(layout) ops.Op { return &ops.Binary{Fn: fn} }, y, v); err != nil {
			return err
		}
	}
	c.set(0, y)
	return nil
}

func importBinary(fn ops.BinaryFn) handler {
	return func(c *call) error {
		if err := c.need(2); err != nil {
			return err
		}
		a, b := c.in[0], c.in[1]
		if c.opset < 7 && c.bool("broadcast", false) {
			var err error
			if b, err = c.oldBroadcast(a, b); err != nil {
				return err
			}
		}
		return c.elementwise(&ops.Binary{Fn: fn}, a, b)
	}
}

// oldBroadcast aligns b as operator sets before 7 did: with a's dimensions
// from the given axis on.
func (c *call) oldBroadcast(a, b *value) (*value, error) {
	if !c.has("axis") {
		return b, nil
	}
	axis, err := axisIn(c.int("axis", 0), a.rank()+1)
	if err != nil {
		return nil, err
	}
	dims := b.spec().Shape.Dims()
	for len(dims)+axis < a.rank() {
		dims = append(dims, 1)
	}
	return c.reshape(b.name, b, dims)
}

// importMod has two meanings.
func importMod(c *call) error {
	fn := ops.BinaryMod
	if c.bool("fmod", false) {
		fn = ops.BinaryFMod
	}
	return importBinary(fn)(c)
}

// exponent is a float32 base's constant exponent that does not broadcast it.
func exponent(x, y *value) (float64, bool) {
	if x.spec().DType != tensor.F32 || !y.isConst() || y.spec().Shape.Elems() != 1 || y.rank() > x.rank() {
		return 0, false
	}
	switch y.c.DType {
	case tensor.F32:
		return float64(y.c.F32()[0]), true
	case tensor.I32:
		return float64(y.c.I32()[0]), true
	case tensor.I64:
		return float64(y.c.I64()[0]), true
	}
	return 0, false
}

// simplePow makes x to the power of e what takes a small part of the time: a square
// has the same bits, for the product of two float32 is exact in float64; a third power
// is rounded twice; a root and a reciprocal once; a power of 3/4, of LRN, three times. ok is false for other exponents.
func (c *call) simplePow(x *value, e float64) (y *value, ok bool, err error) {
	unary := func(fn ops.UnaryFn) (*value, bool, error) {
		y, err := c.arith(c.outName(0), func(layout) ops.Op { return &ops.Unary{Fn: fn} }, x)
		return y, true, err
	}
	times := func(y *value) (*value, bool, error) {
		y, err := c.arith(c.outName(0), func(layout) ops.Op { return &ops.Binary{Fn: ops.BinaryMul} }, y, x)
		return y, true, err
	}
	switch e {
	case -1:
		return unary(ops.UnaryReciprocal)
	case 0.5:
		return unary(ops.UnarySqrt)
	case 0.75:
		root, _, err := unary(ops.UnarySqrt)
		if err != nil {
			return nil, false, err
		}
		x = root
		if y, _, err = unary(ops.UnarySqrt); err != nil {
			return nil, false, err
		}
		return times(y)
	case 2, 3:
		if y, ok, err = times(x); err == nil && e == 3 {
			y, ok, err = times(y)
		}
		return y, ok, err
	}
	return nil, false, nil
}

// importPow lets the exponent have a type of its own; the result has the
// base's.
func importPow(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x, y := c.in[0], c.in[1]
	xd, yd := x.spec().DType, y.spec().DType
	if e, ok := exponent(x, y); ok {
		if z, ok, err := c.simplePow(x, e); ok || err != nil {
			if err == nil {
				c.set(0, z)
			}
			return err
		}
	}
	if xd == yd {
		return importBinary(ops.BinaryPow)(c)
	}
	to := xd
	if computeType(yd) == tensor.F32 {
		to = tensor.F32
	}
	var err error
	if x, err = c.cast(x, to); err != nil {
		return err
	}
	if y, err = c.cast(y, to); err != nil {
		return err
	}
	z, err := c.arith(c.outName(0), func(layout) ops.Op { return &ops.Binary{Fn: ops.BinaryPow} }, x, y)
	if err != nil {
		return err
	}
	if z, err = c.cast(z, xd); err != nil {
		return err
	}
	c.set(0, z)
	return nil
}

// importVariadic folds any number of inputs with fn; mean divides by their
// number.
func importVariadic(fn ops.BinaryFn, mean bool) handler {
	return func(c *call) error {
		if err := c.need(max(1, len(c.in))); err != nil {
			return err
		}
		y := c.in[0]
		var err error
		for _, v := range c.in[1:] {
			if y, err = c.arith(c.outName(0), func(layout) ops.Op { return &ops.Binary{Fn: fn} }, y, v); err != nil {
				return err
			}
		}
		if mean && len(c.in) > 1 {
			n := c.known("count", tensor.FromF32([]float32{float32(len(c.in))}))
			if n, err = c.cast(n, y.spec().DType); err != nil {
				return err
			}
			if y, err = c.arith(c.outName(0), func(layout) ops.Op { return &ops.Binary{Fn: ops.BinaryDiv} }, y, n); err != nil {
				return err
			}
		}
		c.set(0, y)
		return nil
	}
}

func importCompare(fn ops.CompareFn) handler {
	return func(c *call) error {
		if err := c.need(2); err != nil {
			return err
		}
		return c.elementwise(&ops.Compare{Fn: fn}, c.in[0], c.in[1])
	}
}

func importLogic(fn ops.LogicFn, n int) handler {
	return func(c *call) error {
		if err := c.need(n); err != nil {
			return err
		}
		return c.anyLayout(0, func(layout) ops.Op { return &ops.Logic{Fn: fn} }, c.in[:n]...)
	}
}

// importSimple is for operators without attributes that take n operands as
// they are, in any layout.
func importSimple(op func() ops.Op, n int) handler {
	return func(c *call) error {
		if err := c.need(n); err != nil {
			return err
		}
		return c.anyLayout(0, func(layout) ops.Op { return op() }, c.in[:n]...)
	}
}

// importPRelu has a slope that broadcasts to x.
func importPRelu(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	slope := c.in[1]
	if c.opset < 7 && slope.rank() == 1 && c.in[0].rank() > 2 { // one slope a channel
		dims := make([]int, c.in[0].rank()-1)
		for i := range dims {
			dims[i] = 1
		}
		dims[0] = slope.spec().Shape.Dim(0)
		var err error
		if slope, err = c.reshape(slope.name, slope, dims); err != nil {
			return err
		}
	}
	return c.elementwise(&ops.PRelu{}, c.in[0], slope)
}
