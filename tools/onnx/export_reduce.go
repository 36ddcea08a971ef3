package onnx

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

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
