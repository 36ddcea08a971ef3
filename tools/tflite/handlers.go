package tflite

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// handler imports one kind of operator that has at least in inputs.
type handler struct {
	in int
	f  func(*importer, *operator) error
}

// handlers are the operators that can be imported. An import makes the table for
// itself, so that a program which only might import does not make it at start.
func handlers() map[int]handler {
	return map[int]handler{
		opConv2d: {2, conv2D}, opDepthwiseConv2d: {2, depthwise}, opConv3d: {2, conv3D},
		opTransposeConv: {3, transposeConv}, opFullyConnected: {2, fullyConnected}, opBatchMatmul: {2, batchMatMul},
		opAveragePool2d: {1, pool(ops.PoolAvg)}, opMaxPool2d: {1, pool(ops.PoolMax)},
		opAdd: {2, arith(ops.BinaryAdd)}, opSub: {2, arith(ops.BinarySub)}, opMul: {2, arith(ops.BinaryMul)},
		opDiv: {2, arith(ops.BinaryDiv)}, opMaximum: {2, arithPlain(ops.BinaryMax)}, opMinimum: {2, arithPlain(ops.BinaryMin)},
		opPow: {2, arithPlain(ops.BinaryPow)}, opSquaredDifference: {2, arithPlain(ops.BinarySquaredDiff)}, opAddN: {1, addN},
		opLogistic: {1, unary(ops.UnarySigmoid, 0, 0)}, opTanh: {1, unary(ops.UnaryTanh, 0, 0)},
		opRelu: {1, unary(ops.UnaryRelu, 0, 0)}, opRelu6: {1, unary(ops.UnaryClip, 0, 6)},
		opReluN1To1: {1, unary(ops.UnaryClip, -1, 1)}, opRelu0To1: {1, unary(ops.UnaryClip, 0, 1)},
		opHardSwish: {1, unary(ops.UnaryHardSwish, 0, 0)}, opElu: {1, unary(ops.UnaryElu, 1, 0)},
		opExp: {1, unary(ops.UnaryExp, 0, 0)}, opLog: {1, unary(ops.UnaryLog, 0, 0)}, opSqrt: {1, unary(ops.UnarySqrt, 0, 0)},
		opRsqrt: {1, unary(ops.UnaryRsqrt, 0, 0)}, opAbs: {1, unary(ops.UnaryAbs, 0, 0)}, opNeg: {1, unary(ops.UnaryNeg, 0, 0)},
		opSin: {1, unary(ops.UnarySin, 0, 0)}, opCos: {1, unary(ops.UnaryCos, 0, 0)}, opFloor: {1, unary(ops.UnaryFloor, 0, 0)},
		opCeil: {1, unary(ops.UnaryCeil, 0, 0)}, opRound: {1, unary(ops.UnaryRound, 0, 0)}, opSquare: {1, unary(ops.UnarySquare, 0, 0)},
		opLeakyRelu: {1, leakyRelu}, opGelu: {1, gelu}, opPrelu: {2, prelu},
		opSoftmax: {1, softmax}, opLogSoftmax: {1, softmax}, opL2Normalization: {1, l2Norm}, opLocalResponseNormalization: {1, lrn},
		opMean: {2, reduce(ops.ReduceMean)}, opSum: {2, reduce(ops.ReduceSum)}, opReduceMax: {2, reduce(ops.ReduceMax)},
		opReduceMin: {2, reduce(ops.ReduceMin)}, opReduceProd: {2, reduce(ops.ReduceProd)},
		opArgMax: {2, argMax}, opArgMin: {2, argMax}, opCast: {1, cast}, opQuantize: {1, quantize}, opDequantize: {1, dequantize},
		opReshape: {1, reshape}, opSqueeze: {1, squeeze}, opExpandDims: {2, expandDims}, opTranspose: {2, transpose},
		opConcatenation: {1, concatenation}, opPack: {1, pack}, opUnpack: {1, unpack}, opSplit: {2, split}, opSplitV: {3, splitV},
		opSlice: {3, slice}, opStridedSlice: {4, stridedSlice}, opGather: {2, gather}, opPad: {2, pad}, opPadv2: {3, pad},
		opMirrorPad: {2, pad}, opResizeBilinear: {2, resize}, opResizeNearestNeighbor: {2, resize},
		opDepthToSpace: {1, depthToSpace}, opSpaceToDepth: {1, depthToSpace}, opTile: {2, tile}, opBroadcastTo: {2, broadcastTo},
		opShape: {1, shapeOf},
		opEqual: {2, compare(ops.CompareEqual)}, opNotEqual: {2, compare(ops.CompareNotEqual)}, opLess: {2, compare(ops.CompareLess)},
		opLessEqual: {2, compare(ops.CompareLessEqual)}, opGreater: {2, compare(ops.CompareGreater)},
		opGreaterEqual: {2, compare(ops.CompareGreaterEqual)}, opSelect: {3, choose}, opSelectV2: {3, choose},
		opLogicalAnd: {2, logic(ops.LogicAnd, 2)}, opLogicalOr: {2, logic(ops.LogicOr, 2)}, opLogicalNot: {1, logic(ops.LogicNot, 1)},
		opFloorDiv: {2, arithPlain(ops.BinaryFloorDiv)}, opFloorMod: {2, arithPlain(ops.BinaryMod)},
		opTopKV2: {2, topK}, opCumsum: {2, cumSum}, opOneHot: {4, oneHot}, opReverseV2: {2, reverse}, opGatherNd: {2, gatherND},
		opL2Pool2d: {1, l2Pool}, opSpaceToBatchNd: {3, spaceToBatch}, opBatchToSpaceNd: {3, batchToSpace},
	}
}

// fusedAct is the activation that field id of the options names.
func fusedAct(o *operator, id int) (ops.Act, error) {
	switch a := o.options.byte(id); a {
	case 0:
		return ops.Act{}, nil
	case 1:
		return ops.Relu, nil
	case 2:
		return ops.Clip(-1, 1), nil
	case 3:
		return ops.Clip(0, 6), nil
	case 4:
		return ops.Act{Fn: ops.UnaryTanh}, nil
	default:
		return ops.Act{}, refuse("", "fused activation %d", a)
	}
}

// auto is the padding mode that field id of the options names.
func auto(o *operator, id int) (ops.AutoPad, error) {
	switch p := o.options.byte(id); p {
	case 0:
		return ops.PadSameUpper, nil
	case 1:
		return ops.PadValid, nil
	default:
		return 0, refuse("", "padding mode %d", p)
	}
}

// operands is where weights and bias of a product go: to the node's parameters
// when all are constants, else to its inputs. Weights of a float operator are
// made float32; prepare, if not nil, brings a constant weight into our layout.
func (im *importer) operands(o *operator, x graph.ID, weight, bias int, prepare func(tensor.Tensor) (tensor.Tensor, error)) (params []tensor.Tensor, in []graph.ID, w tensor.Spec, err error) {
	if !o.has(weight) {
		return nil, nil, w, refuse("", "its weights are missing")
	}
	in = []graph.ID{x}
	float := im.spec(x).DType == tensor.F32
	for n, i := range []int{weight, bias} {
		if i < 0 || !o.has(i) {
			continue
		}
		c, ok, err := im.constant(o, i)
		if err != nil {
			return nil, nil, w, err
		}
		if !ok {
			if n == 0 && prepare != nil {
				return nil, nil, w, refuse("", "its weights are computed while the network runs")
			}
			if len(params) > 0 {
				return nil, nil, w, refuse("", "its bias is computed while the network runs")
			}
			id, err := im.value(o, i)
			if err != nil {
				return nil, nil, w, err
			}
			if in = append(in, id); n == 0 {
				w = im.spec(id)
			}
			continue
		}
		if float {
			if c, err = im.floats32(c); err != nil {
				return nil, nil, w, err
			}
		}
		if n == 0 && prepare != nil {
			if c, err = prepare(c); err != nil {
				return nil, nil, w, err
			}
		}
		if n == 0 {
			w = c.Spec
		}
		params = append(params, c)
	}
	return params, in, w, nil
}

func conv2D(im *importer, o *operator) error {
	opt := o.options
	return im.conv(o, ops.Window{
		Stride:   []int{opt.int(2, 0), opt.int(1, 0)},
		Dilation: []int{opt.int(5, 1), opt.int(4, 1)},
	}, 3, false, nil)
}

func depthwise(im *importer, o *operator) error {
	opt := o.options
	return im.conv(o, ops.Window{
		Stride:   []int{opt.int(2, 0), opt.int(1, 0)},
		Dilation: []int{opt.int(6, 1), opt.int(5, 1)},
	}, 4, true, func(w tensor.Tensor) (tensor.Tensor, error) {
		if w.Shape.Rank() != 4 || w.Shape.Dim(0) != 1 {
			return w, refuse("", "depthwise weights are %v, want [1, kh, kw, channels]", w.Shape)
		}
		return im.permuted(w, 3, 1, 2, 0)
	})
}

func conv3D(im *importer, o *operator) error {
	opt := o.options
	return im.conv(o, ops.Window{
		Stride:   []int{opt.int(1, 0), opt.int(3, 0), opt.int(2, 0)},
		Dilation: []int{opt.int(5, 1), opt.int(7, 1), opt.int(6, 1)},
	}, 4, false, func(w tensor.Tensor) (tensor.Tensor, error) {
		if w.Shape.Rank() != 5 {
			return w, refuse("", "weights are %v, want [kd, kh, kw, ic, oc]", w.Shape)
		}
		return im.permuted(w, 4, 0, 1, 2, 3)
	})
}

// conv imports a convolution whose padding is option 0 and whose activation is
// option act.
func (im *importer) conv(o *operator, win ops.Window, act int, depthwise bool, prepare func(tensor.Tensor) (tensor.Tensor, error)) error {
	x, err := im.convInput(o)
	if err != nil {
		return err
	}
	if win.Auto, err = auto(o, 0); err != nil {
		return err
	}
	c := &ops.Conv{Window: win, Out: im.out(o)}
	if c.Act, err = fusedAct(o, act); err != nil {
		return err
	}
	params, in, w, err := im.operands(o, x, 1, 2, prepare)
	if err != nil {
		return err
	}
	ic := im.spec(x).Shape.Channels()
	switch icg := w.Shape.Channels(); {
	case depthwise:
		c.Groups = ic
	case icg > 0 && ic%icg == 0:
		c.Groups = ic / icg
	}
	if p := im.phased[o.inputs[0]]; p != nil {
		return im.dilated(o, p, c, w.Shape, params, in)
	}
	return im.add(o, c, params, in...)
}

// convInput is a convolution's input, which may be in phases.
func (im *importer) convInput(o *operator) (graph.ID, error) {
	if p := im.phased[o.inputs[0]]; p != nil {
		return p.x, nil
	}
	return im.value(o, 0)
}

func transposeConv(im *importer, o *operator) error {
	x, err := im.value(o, 2)
	if err != nil {
		return err
	}
	size, err := im.ints(o, 0, "the output shape")
	if err != nil {
		return err
	}
	act, err := fusedAct(o, 3)
	if err != nil {
		return err
	}
	// [oc, kh, kw, ic] to [ic, kh, kw, oc]
	params, in, w, err := im.operands(o, x, 1, 3, func(w tensor.Tensor) (tensor.Tensor, error) {
		if w.Shape.Rank() != 4 {
			return w, refuse("", "weights are %v, want [oc, kh, kw, ic]", w.Shape)
		}
		return im.permuted(w, 3, 1, 2, 0)
	})
	if err != nil {
		return err
	}
	xs := im.spec(x).Shape
	if xs.Rank() != 4 || len(size) != 4 {
		return refuse("", "input %v and output %v, want 4 dimensions", xs, size)
	}
	c := &ops.ConvTranspose{Act: act, Out: im.out(o)}
	c.Stride = []int{o.options.int(2, 0), o.options.int(1, 0)}
	mode, err := auto(o, 0)
	if err != nil {
		return err
	}
	c.PadLo, c.PadHi, c.OutputPad = make([]int, 2), make([]int, 2), make([]int, 2)
	for i := range 2 {
		full := (xs.Dim(1+i)-1)*c.Stride[i] + w.Shape.Dim(1+i)
		switch cut := full - size[1+i]; {
		case cut < 0:
			c.OutputPad[i] = -cut
		case mode == ops.PadValid:
			c.PadHi[i] = cut
		default:
			c.PadLo[i], c.PadHi[i] = cut/2, cut-cut/2
		}
	}
	return im.add(o, c, params, in...)
}

func fullyConnected(im *importer, o *operator) error {
	x, err := im.value(o, 0)
	if err != nil {
		return err
	}
	act, err := fusedAct(o, 0)
	if err != nil {
		return err
	}
	if f := o.options.byte(1); f != 0 {
		return refuse("convert without shuffled weights", "weights format %d", f)
	}
	params, in, w, err := im.operands(o, x, 1, 2, nil)
	if err != nil {
		return err
	}
	if xs := im.spec(x).Shape; !o.options.bool(2) && (xs.Rank() != 2 || xs.Channels() != w.Shape.Channels()) {
		in[0] = im.b.Add(im.outName(o)+"/flat", &ops.Reshape{Dims: []int{-1, w.Shape.Channels()}}, nil, x)
	}
	return im.add(o, &ops.Dense{Act: act, Out: im.out(o)}, params, in...)
}

func batchMatMul(im *importer, o *operator) error {
	a, err := im.value(o, 0)
	if err != nil {
		return err
	}
	b, err := im.value(o, 1)
	if err != nil {
		return err
	}
	return im.add(o, &ops.MatMul{TransA: o.options.bool(0), TransB: o.options.bool(1), Out: im.out(o)}, nil, a, b)
}

func pool(fn ops.PoolFn) func(*importer, *operator) error {
	return func(im *importer, o *operator) error {
		x, err := im.value(o, 0)
		if err != nil {
			return err
		}
		p := &ops.Pool{Fn: fn, Out: im.out(o)}
		if p.Window, p.Act, err = poolOptions(o); err != nil {
			return err
		}
		return im.add(o, p, nil, x)
	}
}

// poolOptions are the window and the activation of a pool.
func poolOptions(o *operator) (w ops.Window, act ops.Act, err error) {
	opt := o.options
	w.Stride, w.Kernel = []int{opt.int(2, 0), opt.int(1, 0)}, []int{opt.int(4, 0), opt.int(3, 0)}
	if w.Auto, err = auto(o, 0); err != nil {
		return w, act, err
	}
	act, err = fusedAct(o, 5)
	return w, act, err
}
