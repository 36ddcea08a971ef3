package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// exportFunc writes one node of the graph.
type exportFunc func(e *exporter, id graph.ID, n *graph.Node) error

// exporters are the operators that can be written.
func exporters() map[ops.Kind]exportFunc {
	return map[ops.Kind]exportFunc{
		ops.KindConv: exportConv, ops.KindConvTranspose: exportConvTranspose, ops.KindPool: exportPool,
		ops.KindGlobalPool: exportGlobalPool, ops.KindMaxUnpool: exportMaxUnpool, ops.KindBatchNorm: exportBatchNorm,
		ops.KindGroupNorm: exportGroupNorm, ops.KindLayerNorm: exportLayerNorm, ops.KindLRN: exportLRN, ops.KindLpNorm: exportLpNorm,
		ops.KindResize: exportResize, ops.KindDepthToSpace: exportDepthToSpace, ops.KindSpaceToDepth: exportSpaceToDepth,
		ops.KindCol2Im: exportCol2Im,

		ops.KindDense: exportDense, ops.KindMatMul: exportMatMul, ops.KindBinary: exportBinary, ops.KindUnary: exportUnary,
		ops.KindPRelu: exportPRelu, ops.KindSoftmax: exportSoftmax, ops.KindReduce: exportReduce, ops.KindArgMax: exportArgMax,
		ops.KindTopK: exportTopK, ops.KindCumSum: exportCumSum, ops.KindWhere: exportWhere, ops.KindCompare: exportCompare,
		ops.KindLogic: exportLogic, ops.KindCast: exportCast, ops.KindDropout: exportDropout,
		ops.KindSoftmaxCrossEntropy: exportCrossEntropy, ops.KindNLLLoss: exportNLL,

		ops.KindConstant: exportConstant, ops.KindIdentity: exportIdentity, ops.KindConcat: exportConcat, ops.KindSlice: exportSlice,
		ops.KindPad: exportPad, ops.KindReshape: exportReshape, ops.KindTranspose: exportTranspose, ops.KindGather: exportGather,
		ops.KindGatherElements: exportGatherElements, ops.KindScatter: exportScatter, ops.KindExpand: exportExpand,
		ops.KindTile: exportTile, ops.KindOneHot: exportOneHot,

		ops.KindQuantize: exportQuantize, ops.KindDequantize: exportDequantize, ops.KindDynamicQuantize: exportDynamicQuantize,
		ops.KindQLinearConv: exportQLinearConv, ops.KindQLinearMatMul: exportQLinearMatMul,
		ops.KindConvInteger: exportConvInteger, ops.KindMatMulInteger: exportMatMulInteger,
	}
}

// window writes the attributes of a window over rank spatial dimensions.
func (a *attrs) window(w *ops.Window) {
	a.ints("kernel_shape", w.Kernel)
	a.ints("strides", w.Stride)
	a.ints("dilations", w.Dilation)
	switch w.Auto {
	case ops.PadSameUpper:
		a.str("auto_pad", "SAME_UPPER")
	case ops.PadSameLower:
		a.str("auto_pad", "SAME_LOWER")
	case ops.PadValid:
		a.str("auto_pad", "VALID")
	default:
		lo, hi := w.PadLo, w.PadHi
		if lo == nil && hi != nil {
			lo = make([]int, len(hi))
		}
		if hi == nil && lo != nil {
			hi = make([]int, len(lo))
		}
		if lo != nil {
			a.ints("pads", slices.Concat(lo, hi))
		}
	}
	a.bool("ceil_mode", w.Ceil)
}

// images are the operands as convolutions want them, up to n.
func (e *exporter) images(n *graph.Node, count int) []string {
	var in []string
	for i := range count {
		s, ok := e.operandNCHW(n, i)
		if !ok {
			break
		}
		in = append(in, s)
	}
	return in
}

func exportConv(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Conv)
	var a attrs
	a.window(&op.Window)
	if op.Groups > 1 {
		a.int("group", op.Groups)
	}
	in := e.images(n, count(n))
	res := ""
	if op.Residual { // the last input, before the parameters
		at := len(n.In) - 1
		res = in[at]
		in = slices.Delete(in, at, at+1)
	}
	y := e.emit("Conv", n.Name, &a, in...)
	if res != "" {
		y = e.emit("Add", n.Name+"_sum", nil, y, res)
	}
	return e.finishNCHW(id, y, op.Act)
}

// finish applies a fused activation, unless quantisation does: a result whose
// integers reach no further than the activation's limits saturates to the same
// values, and a convolution right before its quantisation is what other runtimes
// compute in integers.
func (e *exporter) finish(id graph.ID, act ops.Act, y string) (string, error) {
	if s := e.spec(id); quantised(s) && s.DType.IsInt8() && len(s.Quant.Scale) == 1 {
		scale, zero := s.Quant.At(0)
		least, most := -128.0, 127.0
		if s.DType == tensor.U8 {
			least, most = 0, 255
		}
		at := func(limit float32) float64 {
			return math.RoundToEven(float64(limit)/float64(scale)) + float64(zero)
		}
		if lo, hi, ok := act.Clamp(); ok && at(lo) <= least && at(hi) >= most {
			return y, nil
		}
	}
	return e.act(e.g.Node(id).Name, act, y)
}

// finishNCHW applies a fused activation and names the result.
func (e *exporter) finishNCHW(id graph.ID, y string, act ops.Act) error {
	y, err := e.finish(id, act, y)
	if err == nil {
		e.setNCHW(id, y)
	}
	return err
}

func (e *exporter) finishPlain(id graph.ID, y string, act ops.Act) error {
	y, err := e.finish(id, act, y)
	if err == nil {
		e.setPlain(id, y)
	}
	return err
}

func exportConvTranspose(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.ConvTranspose)
	var a attrs
	a.window(&op.Window)
	if op.Groups > 1 {
		a.int("group", op.Groups)
	}
	a.ints("output_padding", op.OutputPad)
	a.ints("output_shape", op.OutputShape)
	return e.finishNCHW(id, e.emit("ConvTranspose", n.Name, &a, e.images(n, count(n))...), op.Act)
}

var poolNames = map[ops.PoolFn]string{ops.PoolMax: "MaxPool", ops.PoolAvg: "AveragePool", ops.PoolLp: "LpPool"}

func exportPool(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.Pool)
	var a attrs
	a.window(&op.Window)
	if op.Kernel == nil {
		return fmt.Errorf("a pool without a kernel")
	}
	if op.Fn == ops.PoolAvg {
		if slices.ContainsFunc(op.Dilation, func(d int) bool { return d != 1 }) {
			return fmt.Errorf("an average with dilation needs a newer operator set")
		}
		a.bool("count_include_pad", op.CountIncludePad)
	}
	if op.Fn == ops.PoolLp {
		a.int("p", lpOrder(op.P))
	}
	x := e.images(n, 1)
	if op.Output == 1 {
		if !op.IndexNCHW {
			return fmt.Errorf("indices in NHWC order")
		}
		a.int("storage_order", op.StorageOrder)
		y, idx := e.w.fresh(n.Name+"_max"), e.w.fresh(n.Name)
		e.w.node("MaxPool", x, []string{y, idx}, &a)
		e.setNCHW(id, idx)
		return nil
	}
	return e.finishNCHW(id, e.emit(poolNames[op.Fn], n.Name, &a, x...), op.Act)
}

func lpOrder(p int) int {
	if p == 0 {
		return 2
	}
	return p
}

func exportGlobalPool(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.GlobalPool)
	var a attrs
	if op.Fn == ops.PoolLp {
		a.int("p", lpOrder(op.P))
	}
	e.setNCHW(id, e.emit("Global"+poolNames[op.Fn], n.Name, &a, e.images(n, 1)...))
	return nil
}

func exportMaxUnpool(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.MaxUnpool)
	if !op.IndexNCHW {
		return fmt.Errorf("indices in NHWC order")
	}
	var a attrs
	a.window(&op.Window)
	in := e.images(n, 2)
	d := n.Out.Shape.Dims()
	in = append(in, e.w.ints(n.Name+"_shape", permuted(d, toNCHW(len(d)))))
	e.setNCHW(id, e.emit("MaxUnpool", n.Name, &a, in...))
	return nil
}

func exportBatchNorm(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.BatchNorm)
	var a attrs
	a.float("epsilon", op.Eps)
	a.float("momentum", op.Momentum)
	in := e.images(n, 5)
	if !op.Training {
		e.setNCHW(id, e.emit("BatchNormalization", n.Name, &a, in...))
		return nil
	}
	if op.Unbiased && op.Output == 2 {
		return fmt.Errorf("a running variance that is not biased")
	}
	a.int("training_mode", 1)
	out := []string{e.w.fresh(n.Name), e.w.fresh(n.Name + "_mean"), e.w.fresh(n.Name + "_var")}
	e.w.node("BatchNormalization", in, out, &a)
	if op.Output == 0 {
		e.setNCHW(id, out[0])
	} else {
		e.setPlain(id, out[op.Output])
	}
	return nil
}

// exportGroupNorm normalises groups as channels of one value each, and scales
// afterwards.
func exportGroupNorm(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.GroupNorm)
	rank, c := n.Out.Shape.Rank(), n.Out.Shape.Channels()
	groups := op.Groups
	if groups == 0 {
		groups = c
	}
	var a attrs
	a.float("epsilon", op.Eps)
	x := e.images(n, 1)[0]
	one, zero := e.w.constant(n.Name+"_one", filledF32(1, groups)), e.w.constant(n.Name+"_zero", filledF32(0, groups))
	y := e.emit("Reshape", n.Name+"_groups", nil, x, e.w.ints(n.Name+"_shape", []int{0, groups, -1}))
	y = e.emit("InstanceNormalization", n.Name+"_norm", &a, y, one, zero)
	y = e.emit("Reshape", n.Name+"_channels", nil, y, e.emit("Shape", n.Name+"_dims", nil, x))
	for i, fn := range []string{"Mul", "Add"} {
		s, ok := e.operand(n, 1+i)
		if !ok {
			break
		}
		elems := e.operandSpec(n, 1+i).Shape.Elems()
		if elems != c { // one a group
			s = e.emit("Reshape", n.Name+"_col", nil, s, e.w.ints(n.Name+"_to", []int{elems, 1}))
			s = e.emit("Expand", n.Name+"_wide", nil, s, e.w.ints(n.Name+"_to", []int{elems, c / elems}))
		}
		to := make([]int, rank-1)
		for j := range to {
			to[j] = 1
		}
		to[0] = c
		s = e.emit("Reshape", n.Name+"_each", nil, s, e.w.ints(n.Name+"_to", to))
		y = e.emit(fn, n.Name, nil, y, s)
	}
	e.setNCHW(id, y)
	return nil
}

func filledF32(v float32, n int) tensor.Tensor {
	t := tensor.New(tensor.F32Spec(n))
	for i := range t.F32() {
		t.F32()[i] = v
	}
	return t
}

func exportLayerNorm(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.LayerNorm)
	var a attrs
	a.int("axis", op.Axis)
	a.float("epsilon", op.Eps)
	in := e.names(n, 0)
	if len(in) == 1 {
		d := e.operandSpec(n, 0).Shape.Dims()
		axis, err := axisIn(op.Axis, len(d))
		if err != nil {
			return err
		}
		one := tensor.New(tensor.F32Spec(d[axis:]...))
		for i := range one.F32() {
			one.F32()[i] = 1
		}
		in = append(in, e.w.constant(n.Name+"_one", one))
	}
	out := []string{e.w.fresh(n.Name), e.w.fresh(n.Name + "_mean"), e.w.fresh(n.Name + "_inv")}
	e.w.node("LayerNormalization", in, out[:op.Output+1], &a)
	e.setPlain(id, out[op.Output])
	return nil
}

func exportLRN(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.LRN)
	var a attrs
	a.int("size", op.Size)
	a.float("alpha", op.Alpha)
	a.float("beta", op.Beta)
	a.float("bias", op.Bias)
	e.setNCHW(id, e.emit("LRN", n.Name, &a, e.images(n, 1)...))
	return nil
}

func exportLpNorm(e *exporter, id graph.ID, n *graph.Node) error {
	op := n.Op.(*ops.LpNorm)
	if op.Eps != 0 {
		return fmt.Errorf("an epsilon")
	}
	var a attrs
	a.int("p", op.P)
	a.int("axis", op.Axis)
	e.setPlain(id, e.emit("LpNormalization", n.Name, &a, e.names(n, 0)...))
	return nil
}
