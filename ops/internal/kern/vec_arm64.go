//go:build !purego

package kern

// vecRun runs one loop.
func vecRun(op vecOp, t *vecArgs) {
	switch {
	case op < vecClamp:
		vecRunBinary(op, t)
	case op < vecLarger:
		vecRunUnary(op, t)
	default:
		vecRunRest(op, t)
	}
}

// vecRunBinary is vecRun of the binary operations, of two vectors and of one and a number.
func vecRunBinary(op vecOp, t *vecArgs) {
	switch op {
	case vecOp(Add):
		vecAddF32NEON(t)
	case vecOp(Sub):
		vecSubF32NEON(t)
	case vecOp(RSub):
		vecRSubF32NEON(t)
	case vecOp(Mul):
		vecMulF32NEON(t)
	case vecOp(Div):
		vecDivF32NEON(t)
	case vecOp(RDiv):
		vecRDivF32NEON(t)
	case vecOp(Max):
		vecMaxF32NEON(t)
	case vecOp(Min):
		vecMinF32NEON(t)
	case vecScalar + vecOp(Add):
		vecAddScalarF32NEON(t)
	case vecScalar + vecOp(Sub):
		vecSubScalarF32NEON(t)
	case vecScalar + vecOp(RSub):
		vecRSubScalarF32NEON(t)
	case vecScalar + vecOp(Mul):
		vecMulScalarF32NEON(t)
	case vecScalar + vecOp(Div):
		vecDivScalarF32NEON(t)
	case vecScalar + vecOp(RDiv):
		vecRDivScalarF32NEON(t)
	case vecScalar + vecOp(Max):
		vecMaxScalarF32NEON(t)
	case vecScalar + vecOp(Min):
		vecMinScalarF32NEON(t)
	}
}

// vecRunUnary is vecRun of clamping, of sums of products and of functions of an element.
func vecRunUnary(op vecOp, t *vecArgs) {
	switch op {
	case vecClamp:
		vecClampF32NEON(t)
	case vecScaleShift:
		vecScaleShiftF32NEON(t)
	case vecAxpy:
		vecAxpyF32NEON(t)
	case vecLeakyRelu:
		vecLeakyReluF32NEON(t)
	case vecHardSigmoid:
		vecHardSigmoidF32NEON(t)
	case vecHardSwish:
		vecHardSwishF32NEON(t)
	case vecExp:
		vecExpF32NEON(t)
	case vecSigmoid:
		vecSigmoidF32NEON(t)
	case vecSwish:
		vecSwishF32NEON(t)
	case vecTanh:
		vecTanhF32NEON(t)
	case vecSqrt:
		vecSqrtF32NEON(t)
	case vecGelu:
		vecGeluF32NEON(t)
	case vecGeluTanh:
		vecGeluTanhF32NEON(t)
	case vecRound:
		vecRoundF32NEON(t)
	case vecFloor:
		vecFloorF32NEON(t)
	case vecCeil:
		vecCeilF32NEON(t)
	case vecAbs:
		vecAbsF32NEON(t)
	case vecErf:
		vecErfF32NEON(t)
	}
}

// vecRunRest is vecRun of comparisons, reductions and training.
func vecRunRest(op vecOp, t *vecArgs) {
	switch op {
	case vecLarger:
		vecLargerF32NEON(t)
	case vecWhere:
		vecWhereF32NEON(t)
	case vecLess:
		vecLessF32NEON(t)
	case vecAtMost:
		vecAtMostF32NEON(t)
	case vecEqual:
		vecEqualF32NEON(t)
	case vecDifferent:
		vecDifferentF32NEON(t)
	case vecSGD:
		vecSGDF32NEON(t)
	case vecSum:
		vecSumF32NEON(t)
	case vecSumSquares:
		vecSumSquaresF32NEON(t)
	case vecDot:
		vecDotF32NEON(t)
	case vecMaxOf:
		vecMaxOfF32NEON(t)
	case vecExpSum:
		vecExpSumF32NEON(t)
	case vecMask:
		vecMaskF32NEON(t)
	case vecAddMasked:
		vecAddMaskedF32NEON(t)
	}
}

func vecTrain(op vecOp, t *vecArgs) { vecRun(op, t) }

// The loops; BinaryF32 and its neighbours say what each computes.

//go:noescape
func vecAddF32NEON(t *vecArgs)

//go:noescape
func vecSubF32NEON(t *vecArgs)

//go:noescape
func vecRSubF32NEON(t *vecArgs)

//go:noescape
func vecMulF32NEON(t *vecArgs)

//go:noescape
func vecDivF32NEON(t *vecArgs)

//go:noescape
func vecRDivF32NEON(t *vecArgs)

//go:noescape
func vecMaxF32NEON(t *vecArgs)

//go:noescape
func vecMinF32NEON(t *vecArgs)

//go:noescape
func vecAddScalarF32NEON(t *vecArgs)

//go:noescape
func vecSubScalarF32NEON(t *vecArgs)

//go:noescape
func vecRSubScalarF32NEON(t *vecArgs)

//go:noescape
func vecMulScalarF32NEON(t *vecArgs)

//go:noescape
func vecDivScalarF32NEON(t *vecArgs)

//go:noescape
func vecRDivScalarF32NEON(t *vecArgs)

//go:noescape
func vecMaxScalarF32NEON(t *vecArgs)

//go:noescape
func vecMinScalarF32NEON(t *vecArgs)

//go:noescape
func vecClampF32NEON(t *vecArgs)

//go:noescape
func vecScaleShiftF32NEON(t *vecArgs)

//go:noescape
func vecAxpyF32NEON(t *vecArgs)

//go:noescape
func vecLeakyReluF32NEON(t *vecArgs)

//go:noescape
func vecHardSigmoidF32NEON(t *vecArgs)

//go:noescape
func vecHardSwishF32NEON(t *vecArgs)

//go:noescape
func vecExpF32NEON(t *vecArgs)

//go:noescape
func vecSigmoidF32NEON(t *vecArgs)

//go:noescape
func vecSwishF32NEON(t *vecArgs)

//go:noescape
func vecTanhF32NEON(t *vecArgs)

//go:noescape
func vecSqrtF32NEON(t *vecArgs)

//go:noescape
func vecSGDF32NEON(t *vecArgs)

//go:noescape
func vecSumF32NEON(t *vecArgs)

//go:noescape
func vecSumSquaresF32NEON(t *vecArgs)

//go:noescape
func vecDotF32NEON(t *vecArgs)

//go:noescape
func vecMaxOfF32NEON(t *vecArgs)

//go:noescape
func vecExpSumF32NEON(t *vecArgs)

//go:noescape
func vecMaskF32NEON(t *vecArgs)

//go:noescape
func vecAddMaskedF32NEON(t *vecArgs)

//go:noescape
func vecGeluF32NEON(t *vecArgs)

//go:noescape
func vecGeluTanhF32NEON(t *vecArgs)

//go:noescape
func vecRoundF32NEON(t *vecArgs)

//go:noescape
func vecFloorF32NEON(t *vecArgs)

//go:noescape
func vecCeilF32NEON(t *vecArgs)

//go:noescape
func vecAbsF32NEON(t *vecArgs)

//go:noescape
func vecErfF32NEON(t *vecArgs)

//go:noescape
func vecLargerF32NEON(t *vecArgs)

//go:noescape
func vecWhereF32NEON(t *vecArgs)

//go:noescape
func vecLessF32NEON(t *vecArgs)

//go:noescape
func vecAtMostF32NEON(t *vecArgs)

//go:noescape
func vecEqualF32NEON(t *vecArgs)

//go:noescape
func vecDifferentF32NEON(t *vecArgs)
