package onnx

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// aligned are the operands of an elementwise node in one layout: NCHW where
// all images among them already have that form, else the graph's. last says
// which.
func (e *exporter) aligned(n *graph.Node) (in []string, nchw bool) {
	rank := n.Out.Shape.Rank()
	nchw = rank >= 3
	some := false
	for _, id := range n.In {
		s := e.spec(id).Shape
		if s.Rank() < rank && s.Elems() == 1 {
			continue
		}
		nchw = nchw && s.Rank() == rank && e.vals[id].nchw != ""
		some = true
	}
	if !nchw || !some {
		return e.names(n, 0), false
	}
	for _, id := range n.In {
		name := e.plainOrNCHW(id, rank)
		in = append(in, e.toReal(name, e.spec(id)))
	}
	for i, p := range n.Params {
		if p.Shape.Rank() > rank || len(p.Quant.Scale) > 1 {
			return e.names(n, 0), false
		}
		if p.Shape.Elems() != 1 || p.Shape.Rank() == rank {
			dims := make([]int, rank)
			for j := range dims {
				dims[j] = 1
				if k := j - (rank - p.Shape.Rank()); k >= 0 {
					dims[j] = p.Shape.Dim(k)
				}
			}
			p.Shape = tensor.Of(dims...)
			p = permute(p, toNCHW(rank))
		}
		in = append(in, e.param(n, p, i))
	}
	return in, true
}

func (e *exporter) plainOrNCHW(id graph.ID, rank int) string {
	if e.spec(id).Shape.Rank() == rank {
		return e.nchw(id)
	}
	return e.plain(id)
}

// finishAligned names the result of an elementwise node.
func (e *exporter) finishAligned(id graph.ID, y string, nchw bool, act ops.Act) error {
	if nchw {
		return e.finishNCHW(id, y, act)
	}
	return e.finishPlain(id, y, act)
}

var binaryNames = map[ops.BinaryFn]string{
	ops.BinaryAdd: "Add", ops.BinarySub: "Sub", ops.BinaryMul: "Mul", ops.BinaryDiv: "Div", ops.BinaryMin: "Min",
	ops.BinaryMax: "Max", ops.BinaryPow: "Pow", ops.BinaryMod: "Mod", ops.BinaryFMod: "Mod",
}

func exportBinary(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Binary)
	in, nchw := e.aligned(n)
	var a attrs
	var y string
	switch op.Fn {
	case ops.BinarySquaredDiff:
		d := e.emit("Sub", n.Name+"_d", nil, in...)
		y = e.emit("Mul", n.Name, nil, d, d)
	case ops.BinaryFloorDiv:
		y = e.emit("Floor", n.Name, nil, e.emit("Div", n.Name+"_q", nil, in...))
	case ops.BinaryMod:
		if n.Out.DType == tensor.F32 { // ONNX has it for integers only: a - b*floor(a/b)
			q := e.emit("Floor", n.Name+"_f", nil, e.emit("Div", n.Name+"_q", nil, in...))
			y = e.emit("Sub", n.Name, nil, in[0], e.emit("Mul", n.Name+"_m", nil, q, in[1]))
			break
		}
		y = e.emit("Mod", n.Name, nil, in...)
	default:
		name, ok := binaryNames[op.Fn]
		if !ok {
			return fmt.Errorf("ONNX has no function %d of two numbers", op.Fn)
		}
		a.bool("fmod", op.Fn == ops.BinaryFMod)
		y = e.emit(name, n.Name, &a, in...)
	}
	return e.finishAligned(id, y, nchw, op.Act)
}

func exportUnary(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Unary)
	in, nchw := e.aligned(n)
	y, err := e.unary(n.Name, op.Fn, op.A, op.B, in[0])
	if err != nil {
		return err
	}
	return e.finishAligned(id, y, nchw, ops.Act{})
}

func (e *exporter) act(name string, a ops.Act, x string) (string, error) {
	if a.Fn == ops.UnaryNone {
		return x, nil
	}
	return e.unary(name+"_act", a.Fn, a.A, a.B, x)
}

var unaryNames = map[ops.UnaryFn]string{
	ops.UnaryNone: "Identity", ops.UnaryRelu: "Relu", ops.UnarySigmoid: "Sigmoid", ops.UnaryHardSwish: "HardSwish",
	ops.UnaryMish: "Mish", ops.UnaryTanh: "Tanh", ops.UnarySoftplus: "Softplus", ops.UnarySoftsign: "Softsign",
	ops.UnaryExp: "Exp", ops.UnaryLog: "Log", ops.UnarySqrt: "Sqrt", ops.UnaryAbs: "Abs", ops.UnaryNeg: "Neg",
	ops.UnaryReciprocal: "Reciprocal", ops.UnaryErf: "Erf", ops.UnaryFloor: "Floor", ops.UnaryCeil: "Ceil",
	ops.UnaryRound: "Round", ops.UnarySign: "Sign", ops.UnarySin: "Sin", ops.UnaryCos: "Cos", ops.UnaryTan: "Tan",
	ops.UnarySinh: "Sinh", ops.UnaryCosh: "Cosh", ops.UnaryAsin: "Asin", ops.UnaryAcos: "Acos", ops.UnaryAtan: "Atan",
	ops.UnaryAsinh: "Asinh", ops.UnaryAcosh: "Acosh", ops.UnaryAtanh: "Atanh",
}

// unary writes a function of one number, by way of others where the operator
// set lacks it.
func (e *exporter) unary(name string, fn ops.UnaryFn, p, q float32, x string) (string, error) {
	if op, ok := unaryNames[fn]; ok {
		return e.emit(op, name, nil, x), nil
	}
	var a attrs
	switch fn {
	case ops.UnaryClip:
		return e.emit("Clip", name, nil, x, e.w.scalar(name+"_min", p), e.w.scalar(name+"_max", q)), nil
	case ops.UnaryLeakyRelu:
		a.float("alpha", p)
		return e.emit("LeakyRelu", name, &a, x), nil
	case ops.UnaryElu:
		a.float("alpha", p)
		return e.emit("Elu", name, &a, x), nil
	case ops.UnaryCelu:
		a.float("alpha", p)
		return e.emit("Celu", name, &a, x), nil
	case ops.UnarySelu:
		a.float("alpha", p)
		a.float("gamma", q)
		return e.emit("Selu", name, &a, x), nil
	case ops.UnaryHardSigmoid:
		a.float("alpha", p)
		a.float("beta", q)
		return e.emit("HardSigmoid", name, &a, x), nil
	case ops.UnaryThreshold:
		a.float("alpha", p)
		return e.emit("ThresholdedRelu", name, &a, x), nil
	case ops.UnaryShrink:
		a.float("lambd", p)
		a.float("bias", q)
		return e.emit("Shrink", name, &a, x), nil
	case ops.UnarySwish:
		s := x
		if p != 0 && p != 1 {
			s = e.emit("Mul", name+"_a", nil, x, e.w.scalar(name+"_alpha", p))
		}
		return e.emit("Mul", name, nil, x, e.emit("Sigmoid", name+"_s", nil, s)), nil
	case ops.UnaryGelu:
		return e.gelu(name, p == 1, x), nil
	case ops.UnaryRsqrt:
		return e.emit("Reciprocal", name, nil, e.emit("Sqrt", name+"_s", nil, x)), nil
	case ops.UnarySquare:
		return e.emit("Mul", name, nil, x, x), nil
	case ops.UnaryLogSigmoid:
		return e.emit("Neg", name, nil, e.emit("Softplus", name+"_s", nil, e.emit("Neg", name+"_n", nil, x))), nil
	}
	return "", fmt.Errorf("ONNX has no function %d of one number", fn)
}

// gelu is x/2 * (1 + erf(x/sqrt 2)), or its approximation by tanh.
func (e *exporter) gelu(name string, tanh bool, x string) string {
	var t string
	if tanh {
		cube := e.emit("Mul", name+"_cube", nil, x, e.emit("Mul", name+"_square", nil, x, x))
		in := e.emit("Add", name+"_poly", nil, x, e.emit("Mul", name+"_c", nil, cube, e.w.scalar(name+"_k", 0.044715)))
		t = e.emit("Tanh", name+"_tanh", nil, e.emit("Mul", name+"_in", nil, in, e.w.scalar(name+"_k", float32(math.Sqrt(2/math.Pi)))))
	} else {
		t = e.emit("Erf", name+"_erf", nil, e.emit("Div", name+"_in", nil, x, e.w.scalar(name+"_k", math.Sqrt2)))
	}
	half := e.emit("Mul", name+"_half", nil, x, e.w.scalar(name+"_k", 0.5))
	return e.emit("Mul", name, nil, half, e.emit("Add", name+"_one", nil, t, e.w.scalar(name+"_k", 1)))
}

func exportPRelu(e *exporter, id graph.ID, n *graph.Node) error {
	in, nchw := e.aligned(n)
	return e.finishAligned(id, e.emit("PRelu", n.Name, nil, in...), nchw, ops.Act{})
}

func exportDense(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Dense)
	in := e.names(n, 0)
	res := ""
	if op.Residual {
		at := len(n.In) - 1
		res = in[at]
		in = append(in[:at:at], in[at+1:]...)
	}
	var y string
	if e.operandSpec(n, 0).Shape.Rank() == 2 {
		var a attrs
		a.int("transB", 1)
		y = e.emit("Gemm", n.Name, &a, in...)
	} else {
		y = e.emit("MatMul", n.Name, nil, in[0], e.transpose(in[1], []int{1, 0}))
		if len(in) > 2 {
			y = e.emit("Add", n.Name+"_bias", nil, y, in[2])
		}
	}
	if res != "" {
		y = e.emit("Add", n.Name+"_sum", nil, y, res)
	}
	return e.finishPlain(id, y, op.Act)
}

func exportMatMul(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.MatMul)
	in := e.names(n, 0)
	for i, t := range []bool{op.TransA, op.TransB} {
		if r := e.operandSpec(n, i).Shape.Rank(); t && r >= 2 {
			perm := make([]int, r)
			for j := range perm {
				perm[j] = j
			}
			perm[r-1], perm[r-2] = r-2, r-1
			in[i] = e.transpose(in[i], perm)
		}
	}
	y := e.emit("MatMul", n.Name, nil, in...)
	if op.Alpha != 0 && op.Alpha != 1 {
		y = e.emit("Mul", n.Name+"_scaled", nil, y, e.w.scalar(n.Name+"_alpha", op.Alpha))
	}
	return e.finishPlain(id, y, op.Act)
}

func exportSoftmax(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Softmax)
	rank := n.Out.Shape.Rank()
	axis, err := axisIn(op.Axis, rank)
	if err != nil {
		return err
	}
	in, nchw := e.aligned(n)
	x := in[0]
	if op.Flatten && nchw {
		x, nchw = e.names(n, 0)[0], false
	}
	if op.Beta != 0 && op.Beta != 1 {
		x = e.emit("Mul", n.Name+"_scaled", nil, x, e.w.scalar(n.Name+"_beta", op.Beta))
	}
	name := "Softmax"
	if op.Log {
		name = "LogSoftmax"
	}
	var a attrs
	if op.Flatten {
		var f attrs
		f.int("axis", axis)
		a.int("axis", -1)
		y := e.emit(name, n.Name+"_flat", &a, e.emit("Flatten", n.Name+"_in", &f, x))
		y = e.emit("Reshape", n.Name, nil, y, e.emit("Shape", n.Name+"_dims", nil, x))
		return e.finishPlain(id, y, ops.Act{})
	}
	if nchw {
		axis = layoutAxis(rank, axis)
	}
	a.int("axis", axis)
	return e.finishAligned(id, e.emit(name, n.Name, &a, x), nchw, ops.Act{})
}

var reduceNames = [...]string{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"}

func exportReduce(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Reduce)
	rank := e.operandSpec(n, 0).Shape.Rank()
	var a attrs
	a.int("keepdims", int(b2u(op.KeepDims)))
	a.bool("noop_with_empty_axes", op.NoOp)
	var x string
	nchw := false
	if op.KeepDims {
		in, last := e.aligned(n)
		x, nchw = in[0], last
	} else {
		x, _ = e.operand(n, 0)
	}
	in := []string{x}
	if len(op.Axes) > 0 {
		axes := make([]int, len(op.Axes))
		for i, v := range op.Axes {
			var err error
			if axes[i], err = axisIn(v, rank); err != nil {
				return err
			}
			if nchw {
				axes[i] = layoutAxis(rank, axes[i])
			}
		}
		in = append(in, e.w.ints(n.Name+"_axes", axes))
	}
	return e.finishAligned(id, e.emit(reduceNames[op.Fn], n.Name, &a, in...), nchw, ops.Act{})
}

func exportArgMax(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.ArgMax)
	var a attrs
	a.int("axis", op.Axis)
	a.int("keepdims", int(b2u(op.KeepDims)))
	a.bool("select_last_index", op.Last)
	name := "ArgMax"
	if op.Min {
		name = "ArgMin"
	}
	y := e.emit(name, n.Name, &a, e.names(n, 0)...)
	if n.Out.DType != tensor.I64 {
		y = e.castTo(n.Name+"_i", y, n.Out.DType)
	}
	e.setPlain(id, y)
	return nil
}

func (e *exporter) castTo(name, x string, d tensor.DType) string {
	var a attrs
	a.int("to", int(onnxType(d)))
	return e.emit("Cast", name, &a, x)
}

func exportTopK(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.TopK)
	var a attrs
	a.int("axis", op.Axis)
	a.int("largest", int(b2u(!op.Smallest)))
	out := []string{e.w.fresh(n.Name), e.w.fresh(n.Name)}
	e.w.node("TopK", append(e.names(n, 0), e.w.ints(n.Name+"_k", []int{op.K})), out, &a)
	e.setPlain(id, out[op.Output])
	return nil
}

func exportCumSum(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.CumSum)
	var a attrs
	a.bool("exclusive", op.Exclusive)
	a.bool("reverse", op.Reverse)
	e.setPlain(id, e.emit("CumSum", n.Name, &a, append(e.names(n, 0), e.w.constant(n.Name+"_axis", tensor.FromI64([]int64{int64(op.Axis)})))...))
	return nil
}

func exportWhere(e *exporter, id graph.ID, n *graph.Node) error {
	in, nchw := e.aligned(n)
	return e.finishAligned(id, e.emit("Where", n.Name, nil, in...), nchw, ops.Act{})
}

var compareNames = [...]string{"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"}

func exportCompare(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Compare)
	in, nchw := e.aligned(n)
	y := e.emit(compareNames[op.Fn], n.Name, nil, in...)
	if op.Fn == ops.CompareNotEqual {
		y = e.emit("Not", n.Name+"_not", nil, y)
	}
	return e.finishAligned(id, y, nchw, ops.Act{})
}

var logicNames = [...]string{"And", "Or", "Xor", "Not"}

func exportLogic(e *exporter, id graph.ID, n *graph.Node) error {
	in, nchw := e.aligned(n)
	return e.finishAligned(id, e.emit(logicNames[n.Op.(*ops.Logic).Fn], n.Name, nil, in...), nchw, ops.Act{})
}

// exportDropout is the identity with a mark, as in inference everywhere.
func exportDropout(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Dropout)
	x, _ := e.operand(n, 0)
	in := []string{x, e.w.scalar(n.Name+"_ratio", op.Rate)}
	if op.Training {
		in = append(in, e.w.constant(n.Name+"_training", tensor.Tensor{Spec: tensor.Spec{DType: tensor.Bool}, Data: []byte{1}}))
	}
	out := []string{e.w.fresh(n.Name), e.w.fresh(n.Name + "_mask")}
	e.w.node("Dropout", in, out[:op.Output+1], nil)
	e.setPlain(id, out[op.Output])
	return nil
}

var reductionNames = [...]string{"mean", "sum", "none"}

func (e *exporter) loss(id graph.ID, n *graph.Node, name string, axis, output int, red ops.Reduction, ignore int, has bool) error {
	s := e.operandSpec(n, 0).Shape
	if axis != 1 && !(s.Rank() == 2 && (axis == 0 || axis == -1)) {
		return fmt.Errorf("classes on axis %d of %v; ONNX wants them on axis 1", axis, s)
	}
	if d := e.operandSpec(n, 1).DType; d.IsFloat() {
		return fmt.Errorf("labels that are no class numbers")
	}
	var a attrs
	a.str("reduction", reductionNames[red])
	if has {
		a.int("ignore_index", ignore)
	}
	out := []string{e.w.fresh(n.Name), e.w.fresh(n.Name + "_logp")}
	e.w.node(name, e.names(n, 0), out[:output+1], &a)
	e.setPlain(id, out[output])
	return nil
}

func exportCrossEntropy(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.SoftmaxCrossEntropy)
	if op.Smoothing != 0 {
		return fmt.Errorf("label smoothing")
	}
	return e.loss(id, n, "SoftmaxCrossEntropyLoss", op.Axis, op.Output, op.Reduction, op.IgnoreIndex, op.HasIgnore)
}

func exportNLL(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.NLLLoss)
	return e.loss(id, n, "NegativeLogLikelihoodLoss", op.Axis, 0, op.Reduction, op.IgnoreIndex, op.HasIgnore)
}
