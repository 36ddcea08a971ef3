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

var binaryNames = [...]string{
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
		name := nameOf(binaryNames[:], int(op.Fn))
		if name == "" {
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

var unaryNames = [...]string{
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
	if op := nameOf(unaryNames[:], int(fn)); op != "" {
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
