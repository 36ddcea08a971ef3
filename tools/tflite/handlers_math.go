package tflite

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

func arith(fn ops.BinaryFn) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		act, err := fusedAct(o, 0)
		if err != nil {
			return err
		}
		return im.binary(o, fn, act)
	}
}

// arithPlain is arith for operators without a fused activation.
func arithPlain(fn ops.BinaryFn) func(*importer, *operator) error {
	return func(im *importer, o *operator) error { return im.binary(o, fn, ops.Act{}) }
}

func (im *importer) binary(o *operator, fn ops.BinaryFn, act ops.Act) error {
	a, err := im.value(o, 0)
	if err != nil {
		return err
	}
	op := &ops.Binary{Fn: fn, Act: act, Out: im.out(o)}
	c, ok, err := im.constant(o, 1)
	if err != nil {
		return err
	}
	if ok {
		if im.spec(a).DType == tensor.F32 {
			if c, err = im.floats32(c); err != nil {
				return err
			}
		}
		return im.add(o, op, []tensor.Tensor{c}, a)
	}
	b, err := im.value(o, 1)
	if err != nil {
		return err
	}
	return im.add(o, op, nil, a, b)
}

func addN(im *importer, o *operator) error {
	sum, err := im.value(o, 0)
	if err != nil {
		return err
	}
	if im.spec(sum).DType.IsInt8() {
		return refuse("", "a sum of many integers")
	}
	for i := 1; i < len(o.inputs); i++ {
		x, err := im.value(o, i)
		if err != nil {
			return err
		}
		sum = im.b.Add(im.outName(o), &ops.Binary{Fn: ops.BinaryAdd}, nil, sum, x)
	}
	return im.set(o, 0, sum)
}

func unary(fn ops.UnaryFn, a, b float32) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		x, err := im.value(o, 0)
		if err != nil {
			return err
		}
		return im.add(o, &ops.Unary{Fn: fn, A: a, B: b, Out: im.out(o)}, nil, x)
	}
}

func leakyRelu(im *importer, o *operator) error {
	return unary(ops.UnaryLeakyRelu, o.options.float(0), 0)(im, o)
}

func gelu(im *importer, o *operator) error {
	var tanh float32
	if o.options.bool(0) {
		tanh = 1
	}
	return unary(ops.UnaryGelu, tanh, 0)(im, o)
}

func prelu(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	params, in, _, err := im.operands(o, x, 1, -1, nil)
	if err != nil {
		return err
	}
	return im.add(o, &ops.PRelu{Out: im.out(o)}, params, in...)
}

func softmax(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	s := &ops.Softmax{Axis: -1, Out: im.out(o)}
	if o.code.code == opLogSoftmax {
		s.Log = true
	} else {
		s.Beta = o.options.float(0)
	}
	return im.add(o, s, nil, x)
}

// l2Norm is x divided by its length along the last axis.
func l2Norm(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	act, err := fusedAct(o, 0)
	if err != nil {
		return err
	}
	if im.spec(x).DType != tensor.F32 {
		return refuse("", "L2 normalisation of integers")
	}
	// TFLite guards against a length of 0 with this number.
	norm := &ops.LpNorm{P: 2, Axis: -1, Eps: 1e-6}
	if act == (ops.Act{}) {
		return im.add(o, norm, nil, x)
	}
	x = im.b.Add(im.outName(o)+"/norm", norm, nil, x)
	return im.add(o, &ops.Unary{Fn: act.Fn, A: act.A, B: act.B}, nil, x)
}

func lrn(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	r := o.options.int(0, 0)
	if r < 0 || r > 1<<16 {
		return refuse("", "radius %d", r)
	}
	size := 2*r + 1
	// The operator here divides alpha by the size, TFLite's does not.
	return im.add(o, &ops.LRN{Size: size, Alpha: o.options.float(2) * float32(size), Beta: o.options.float(3), Bias: o.options.float(1)}, nil, x)
}

func reduce(fn ops.ReduceFn) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		x, err := im.value(o, 0)
		if err != nil {
			return err
		}
		axes, err := im.ints(o, 1, "the axes")
		if err != nil {
			return err
		}
		r := &ops.Reduce{Fn: fn, Axes: axes, KeepDims: o.options.bool(0), Out: im.out(o)}
		if len(axes) == 0 {
			r.NoOp = true
		}
		return im.add(o, r, nil, x)
	}
}

func argMax(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	axis, err := im.number(o, 1, "the axis")
	if err != nil {
		return err
	}
	return im.add(o, &ops.ArgMax{Axis: axis, Min: o.code.code == opArgMin, To: dtype(im.declared(o, 0).typ)}, nil, x)
}

func cast(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	return im.add(o, &ops.Cast{To: dtype(im.declared(o, 0).typ)}, nil, x)
}

func quantize(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	out := im.out(o)
	if out.Scale == 0 {
		return refuse("convert with int8 or uint8 activations", "the result is %s without a scale", typeName(im.declared(o, 0).typ))
	}
	return im.add(o, &ops.Quantize{Out: out}, nil, x)
}

// dequantize makes float32 of float16 and quantised constants here, and of
// activations while the network runs.
func dequantize(im *importer, o *operator) error {
	c, ok, err := im.constant(o, 0)
	if err != nil {
		return err
	}
	if ok {
		if c, err = im.floats32(c); err != nil {
			return err
		}
		im.known[o.outputs[0]] = c
		return nil
	}
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	return im.add(o, &ops.Dequantize{}, nil, x)
}

// values are the nodes of all inputs.
func (im *importer) values(o *operator) ([]graph.ID, error) {
	ids := make([]graph.ID, len(o.inputs))
	for i := range ids {
		var err error
		if ids[i], err = im.value(o, i); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
