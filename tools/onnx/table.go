package onnx

import (
	"maps"

	"github.com/teff-ml/teff/ops"
)

// operators are the handlers of ONNX's own domain. An import makes the table for
// itself, so that a program which only might import does not make it at start.
func operators() map[string]handler {
	all := map[string]handler{"If": importIf}
	for _, family := range []map[string]handler{layerOps(), mathOps(), unaryOps(), shapeOps(), quantOps()} {
		maps.Copy(all, family)
	}
	return all
}

func layerOps() map[string]handler {
	return map[string]handler{
		"AveragePool":                  importPool(ops.PoolAvg),
		"BatchNormalization":           importBatchNorm,
		"Conv":                         importConv,
		"ConvTranspose":                importConvTranspose,
		"DepthToSpace":                 importDepthToSpace,
		"Dropout":                      importDropout,
		"GlobalAveragePool":            importGlobalPool(ops.PoolAvg),
		"GlobalLpPool":                 importGlobalPool(ops.PoolLp),
		"GlobalMaxPool":                importGlobalPool(ops.PoolMax),
		"GridSample":                   importGridSample,
		"GroupNormalization":           importGroupNorm,
		"InstanceNormalization":        importInstanceNorm,
		"LRN":                          importLRN,
		"LayerNormalization":           importLayerNorm,
		"LpNormalization":              importLpNorm,
		"LpPool":                       importPool(ops.PoolLp),
		"MaxPool":                      importPool(ops.PoolMax),
		"MaxUnpool":                    importMaxUnpool,
		"MeanVarianceNormalization":    importMVN,
		"RMSNormalization":             importRMSNorm,
		"Resize":                       importResize,
		"SimplifiedLayerNormalization": importRMSNorm,
		"SpaceToDepth":                 importSpaceToDepth,
		"Upsample":                     importUpsample,
	}
}

func mathOps() map[string]handler {
	return map[string]handler{
		"Add":                       importBinary(ops.BinaryAdd),
		"And":                       importLogic(ops.LogicAnd, 2),
		"ArgMax":                    importArg(false),
		"ArgMin":                    importArg(true),
		"Clip":                      importClip,
		"CumSum":                    importCumSum,
		"Div":                       importBinary(ops.BinaryDiv),
		"Equal":                     importCompare(ops.CompareEqual),
		"Gemm":                      importGemm,
		"Hardmax":                   importHardmax,
		"IsNaN":                     importIsNaN,
		"Greater":                   importCompare(ops.CompareGreater),
		"GreaterOrEqual":            importCompare(ops.CompareGreaterEqual),
		"Less":                      importCompare(ops.CompareLess),
		"LessOrEqual":               importCompare(ops.CompareLessEqual),
		"LogSoftmax":                importSoftmax(true),
		"MatMul":                    importMatMul,
		"Max":                       importVariadic(ops.BinaryMax, false),
		"Mean":                      importVariadic(ops.BinaryAdd, true),
		"Min":                       importVariadic(ops.BinaryMin, false),
		"Mod":                       importMod,
		"Mul":                       importBinary(ops.BinaryMul),
		"NegativeLogLikelihoodLoss": importNLL,
		"NonZero":                   importNonZero,
		"Not":                       importLogic(ops.LogicNot, 1),
		"Or":                        importLogic(ops.LogicOr, 2),
		"PRelu":                     importPRelu,
		"Pow":                       importPow,
		"ReduceL1":                  importReduce(ops.ReduceL1),
		"ReduceL2":                  importReduce(ops.ReduceL2),
		"ReduceLogSum":              importReduce(ops.ReduceLogSum),
		"ReduceLogSumExp":           importReduce(ops.ReduceLogSumExp),
		"ReduceMax":                 importReduce(ops.ReduceMax),
		"ReduceMean":                importReduce(ops.ReduceMean),
		"ReduceMin":                 importReduce(ops.ReduceMin),
		"ReduceProd":                importReduce(ops.ReduceProd),
		"ReduceSum":                 importReduce(ops.ReduceSum),
		"ReduceSumSquare":           importReduce(ops.ReduceSumSquare),
		"Softmax":                   importSoftmax(false),
		"SoftmaxCrossEntropyLoss":   importCrossEntropy,
		"Sub":                       importBinary(ops.BinarySub),
		"Sum":                       importVariadic(ops.BinaryAdd, false),
		"TopK":                      importTopK,
		"Where":                     importSimple(func() ops.Op { return &ops.Where{} }, 3),
		"Xor":                       importLogic(ops.LogicXor, 2),
	}
}

func unaryOps() map[string]handler {
	return map[string]handler{
		"Abs":         importUnary(ops.UnaryAbs, nil),
		"Acos":        importUnary(ops.UnaryAcos, nil),
		"Acosh":       importUnary(ops.UnaryAcosh, nil),
		"Asin":        importUnary(ops.UnaryAsin, nil),
		"Asinh":       importUnary(ops.UnaryAsinh, nil),
		"Atan":        importUnary(ops.UnaryAtan, nil),
		"Atanh":       importUnary(ops.UnaryAtanh, nil),
		"Ceil":        importUnary(ops.UnaryCeil, nil),
		"Celu":        importUnary(ops.UnaryCelu, param("alpha", 1)),
		"Cos":         importUnary(ops.UnaryCos, nil),
		"Cosh":        importUnary(ops.UnaryCosh, nil),
		"Elu":         importUnary(ops.UnaryElu, param("alpha", 1)),
		"Erf":         importUnary(ops.UnaryErf, nil),
		"Exp":         importUnary(ops.UnaryExp, nil),
		"Floor":       importUnary(ops.UnaryFloor, nil),
		"Gelu":        importGelu,
		"HardSigmoid": importUnary(ops.UnaryHardSigmoid, func(c *call) (float32, float32) { return c.float("alpha", 0.2), c.float("beta", 0.5) }),
		"HardSwish":   importUnary(ops.UnaryHardSwish, nil),
		"LeakyRelu":   importUnary(ops.UnaryLeakyRelu, param("alpha", 0.01)),
		"Log":         importUnary(ops.UnaryLog, nil),
		"Mish":        importUnary(ops.UnaryMish, nil),
		"Neg":         importUnary(ops.UnaryNeg, nil),
		"Reciprocal":  importUnary(ops.UnaryReciprocal, nil),
		"Relu":        importUnary(ops.UnaryRelu, nil),
		"Round":       importUnary(ops.UnaryRound, nil),
		"Selu": importUnary(ops.UnarySelu, func(c *call) (float32, float32) {
			return c.float("alpha", 1.67326319217681884765625), c.float("gamma", 1.05070102214813232421875)
		}),
		"Shrink":          importUnary(ops.UnaryShrink, func(c *call) (float32, float32) { return c.float("lambd", 0.5), c.float("bias", 0) }),
		"Sigmoid":         importUnary(ops.UnarySigmoid, nil),
		"Sign":            importUnary(ops.UnarySign, nil),
		"Sin":             importUnary(ops.UnarySin, nil),
		"Sinh":            importUnary(ops.UnarySinh, nil),
		"Softplus":        importUnary(ops.UnarySoftplus, nil),
		"Softsign":        importUnary(ops.UnarySoftsign, nil),
		"Sqrt":            importUnary(ops.UnarySqrt, nil),
		"Swish":           importUnary(ops.UnarySwish, param("alpha", 1)),
		"Tan":             importUnary(ops.UnaryTan, nil),
		"Tanh":            importUnary(ops.UnaryTanh, nil),
		"ThresholdedRelu": importUnary(ops.UnaryThreshold, param("alpha", 1)),
	}
}

func shapeOps() map[string]handler {
	return map[string]handler{
		"Cast":            importCast,
		"CastLike":        importCast,
		"Col2Im":          importCol2Im,
		"Concat":          importConcat,
		"Constant":        importConstant,
		"ConstantOfShape": importConstantOfShape,
		"Einsum":          importEinsum,
		"Expand":          importExpand,
		"Flatten":         reshaped(flattenDims),
		"Gather":          importGather,
		"GatherElements":  importGatherElements,
		"GatherND":        importGatherND,
		"Identity":        importIdentity,
		"OneHot":          importOneHot,
		"Pad":             importPad,
		"Range":           importRange,
		"Reshape":         importReshape,
		"Scatter":         importScatter(false),
		"ScatterElements": importScatter(false),
		"ScatterND":       importScatter(true),
		"Shape":           importShape,
		"Size":            importSize,
		"Slice":           importSlice,
		"Split":           importSplit,
		"Squeeze":         reshaped(squeezeDims),
		"Tile":            importTile,
		"Transpose":       importTranspose,
		"Trilu":           importTrilu,
		"Unsqueeze":       reshaped(unsqueezeDims),
	}
}

func quantOps() map[string]handler {
	return map[string]handler{
		"ConvInteger":           importConvInteger,
		"DequantizeLinear":      importDequantize,
		"DynamicQuantizeLinear": importDynamicQuantize,
		"MatMulInteger":         importMatMulInteger,
		"QLinearConv":           importQLinearConv,
		"QLinearMatMul":         importQLinearMatMul,
		"QuantizeLinear":        importQuantize,
	}
}
