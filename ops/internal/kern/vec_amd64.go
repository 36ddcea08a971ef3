//go:build !purego

package kern

// vecRun runs one loop of the best instruction set that is switched on.
func vecRun(op vecOp, t *vecArgs) {
	if useVecAVX512 {
		vecRunAVX512(op, t)
	} else {
		vecRunAVX2(op, t)
	}
}

func vecRunAVX512(op vecOp, t *vecArgs) {
	switch op {
	case vecOp(Add):
		vecAddF32AVX512(t)
	case vecOp(Sub):
		vecSubF32AVX512(t)
	case vecOp(RSub):
		vecRSubF32AVX512(t)
	case vecOp(Mul):
		vecMulF32AVX512(t)
	case vecOp(Div):
		vecDivF32AVX512(t)
	case vecOp(RDiv):
		vecRDivF32AVX512(t)
	case vecOp(Max):
		vecMaxF32AVX512(t)
	case vecOp(Min):
		vecMinF32AVX512(t)
	case vecScalar + vecOp(Add):
		vecAddScalarF32AVX512(t)
	case vecScalar + vecOp(Sub):
		vecSubScalarF32AVX512(t)
	case vecScalar + vecOp(RSub):
		vecRSubScalarF32AVX512(t)
	case vecScalar + vecOp(Mul):
		vecMulScalarF32AVX512(t)
	case vecScalar + vecOp(Div):
		vecDivScalarF32AVX512(t)
	case vecScalar + vecOp(RDiv):
		vecRDivScalarF32AVX512(t)
	case vecScalar + vecOp(Max):
		vecMaxScalarF32AVX512(t)
	case vecScalar + vecOp(Min):
		vecMinScalarF32AVX512(t)
	case vecClamp:
		vecClampF32AVX512(t)
	case vecScaleShift:
		vecScaleShiftF32AVX512(t)
	case vecAxpy:
		vecAxpyF32AVX512(t)
	case vecLeakyRelu:
		vecLeakyReluF32AVX512(t)
	case vecHardSigmoid:
		vecHardSigmoidF32AVX512(t)
	case vecHardSwish:
		vecHardSwishF32AVX512(t)
	case vecExp:
		vecExpF32AVX512(t)
	case vecSigmoid:
		vecSigmoidF32AVX512(t)
	case vecSwish:
		vecSwishF32AVX512(t)
	case vecTanh:
		vecTanhF32AVX512(t)
	case vecSqrt:
		vecSqrtF32AVX512(t)
	case vecSGD:
		vecSGDF32AVX512(t)
	case vecSum:
		vecSumF32AVX512(t)
	case vecSumSquares:
		vecSumSquaresF32AVX512(t)
	case vecDot:
		vecDotF32AVX512(t)
	case vecMaxOf:
		vecMaxOfF32AVX512(t)
	case vecExpSum:
		vecExpSumF32AVX512(t)
	case vecMask:
		vecMaskF32AVX512(t)
	case vecAddMasked:
		vecAddMaskedF32AVX512(t)
	case vecGelu:
		vecGeluF32AVX512(t)
	case vecGeluTanh:
		vecGeluTanhF32AVX512(t)
	}
}

func vecRunAVX2(op vecOp, t *vecArgs) {
	switch op {
	case vecOp(Add):
		vecAddF32AVX2(t)
	case vecOp(Sub):
		vecSubF32AVX2(t)
	case vecOp(RSub):
		vecRSubF32AVX2(t)
	case vecOp(Mul):
		vecMulF32AVX2(t)
	case vecOp(Div):
		vecDivF32AVX2(t)
	case vecOp(RDiv):
		vecRDivF32AVX2(t)
	case vecOp(Max):
		vecMaxF32AVX2(t)
	case vecOp(Min):
		vecMinF32AVX2(t)
	case vecScalar + vecOp(Add):
		vecAddScalarF32AVX2(t)
	case vecScalar + vecOp(Sub):
		vecSubScalarF32AVX2(t)
	case vecScalar + vecOp(RSub):
		vecRSubScalarF32AVX2(t)
	case vecScalar + vecOp(Mul):
		vecMulScalarF32AVX2(t)
	case vecScalar + vecOp(Div):
		vecDivScalarF32AVX2(t)
	case vecScalar + vecOp(RDiv):
		vecRDivScalarF32AVX2(t)
	case vecScalar + vecOp(Max):
		vecMaxScalarF32AVX2(t)
	case vecScalar + vecOp(Min):
		vecMinScalarF32AVX2(t)
	case vecClamp:
		vecClampF32AVX2(t)
	case vecScaleShift:
		vecScaleShiftF32AVX2(t)
	case vecAxpy:
		vecAxpyF32AVX2(t)
	case vecLeakyRelu:
		vecLeakyReluF32AVX2(t)
	case vecHardSigmoid:
		vecHardSigmoidF32AVX2(t)
	case vecHardSwish:
		vecHardSwishF32AVX2(t)
	case vecExp:
		vecExpF32AVX2(t)
	case vecSigmoid:
		vecSigmoidF32AVX2(t)
	case vecSwish:
		vecSwishF32AVX2(t)
	case vecTanh:
		vecTanhF32AVX2(t)
	case vecSqrt:
		vecSqrtF32AVX2(t)
	case vecSGD:
		vecSGDF32AVX2(t)
	case vecSum:
		vecSumF32AVX2(t)
	case vecSumSquares:
		vecSumSquaresF32AVX2(t)
	case vecDot:
		vecDotF32AVX2(t)
	case vecMaxOf:
		vecMaxOfF32AVX2(t)
	case vecExpSum:
		vecExpSumF32AVX2(t)
	case vecMask:
		vecMaskF32AVX2(t)
	case vecAddMasked:
		vecAddMaskedF32AVX2(t)
	case vecGelu:
		vecGeluF32AVX2(t)
	case vecGeluTanh:
		vecGeluTanhF32AVX2(t)
	}
}

// The loops; BinaryF32 and its neighbours say what each computes.

//go:noescape
func vecAddF32AVX512(t *vecArgs)

//go:noescape
func vecSubF32AVX512(t *vecArgs)

//go:noescape
func vecRSubF32AVX512(t *vecArgs)

//go:noescape
func vecMulF32AVX512(t *vecArgs)

//go:noescape
func vecDivF32AVX512(t *vecArgs)

//go:noescape
func vecRDivF32AVX512(t *vecArgs)

//go:noescape
func vecMaxF32AVX512(t *vecArgs)

//go:noescape
func vecMinF32AVX512(t *vecArgs)

//go:noescape
func vecAddScalarF32AVX512(t *vecArgs)

//go:noescape
func vecSubScalarF32AVX512(t *vecArgs)

//go:noescape
func vecRSubScalarF32AVX512(t *vecArgs)

//go:noescape
func vecMulScalarF32AVX512(t *vecArgs)

//go:noescape
func vecDivScalarF32AVX512(t *vecArgs)

//go:noescape
func vecRDivScalarF32AVX512(t *vecArgs)

//go:noescape
func vecMaxScalarF32AVX512(t *vecArgs)

//go:noescape
func vecMinScalarF32AVX512(t *vecArgs)

//go:noescape
func vecClampF32AVX512(t *vecArgs)

//go:noescape
func vecScaleShiftF32AVX512(t *vecArgs)

//go:noescape
func vecAxpyF32AVX512(t *vecArgs)

//go:noescape
func vecLeakyReluF32AVX512(t *vecArgs)

//go:noescape
func vecHardSigmoidF32AVX512(t *vecArgs)

//go:noescape
func vecHardSwishF32AVX512(t *vecArgs)

//go:noescape
func vecExpF32AVX512(t *vecArgs)

//go:noescape
func vecSigmoidF32AVX512(t *vecArgs)

//go:noescape
func vecSwishF32AVX512(t *vecArgs)

//go:noescape
func vecTanhF32AVX512(t *vecArgs)

//go:noescape
func vecSqrtF32AVX512(t *vecArgs)

//go:noescape
func vecSGDF32AVX512(t *vecArgs)

//go:noescape
func vecSumF32AVX512(t *vecArgs)

//go:noescape
func vecSumSquaresF32AVX512(t *vecArgs)

//go:noescape
func vecDotF32AVX512(t *vecArgs)

//go:noescape
func vecMaxOfF32AVX512(t *vecArgs)

//go:noescape
func vecExpSumF32AVX512(t *vecArgs)

// The loops; BinaryF32 and its neighbours say what each computes.

//go:noescape
func vecAddF32AVX2(t *vecArgs)

//go:noescape
func vecSubF32AVX2(t *vecArgs)

//go:noescape
func vecRSubF32AVX2(t *vecArgs)

//go:noescape
func vecMulF32AVX2(t *vecArgs)

//go:noescape
func vecDivF32AVX2(t *vecArgs)

//go:noescape
func vecRDivF32AVX2(t *vecArgs)

//go:noescape
func vecMaxF32AVX2(t *vecArgs)

//go:noescape
func vecMinF32AVX2(t *vecArgs)

//go:noescape
func vecAddScalarF32AVX2(t *vecArgs)

//go:noescape
func vecSubScalarF32AVX2(t *vecArgs)

//go:noescape
func vecRSubScalarF32AVX2(t *vecArgs)

//go:noescape
func vecMulScalarF32AVX2(t *vecArgs)

//go:noescape
func vecDivScalarF32AVX2(t *vecArgs)

//go:noescape
func vecRDivScalarF32AVX2(t *vecArgs)

//go:noescape
func vecMaxScalarF32AVX2(t *vecArgs)

//go:noescape
func vecMinScalarF32AVX2(t *vecArgs)

//go:noescape
func vecClampF32AVX2(t *vecArgs)

//go:noescape
func vecScaleShiftF32AVX2(t *vecArgs)

//go:noescape
func vecAxpyF32AVX2(t *vecArgs)

//go:noescape
func vecLeakyReluF32AVX2(t *vecArgs)

//go:noescape
func vecHardSigmoidF32AVX2(t *vecArgs)

//go:noescape
func vecHardSwishF32AVX2(t *vecArgs)

//go:noescape
func vecExpF32AVX2(t *vecArgs)

//go:noescape
func vecSigmoidF32AVX2(t *vecArgs)

//go:noescape
func vecSwishF32AVX2(t *vecArgs)

//go:noescape
func vecTanhF32AVX2(t *vecArgs)

//go:noescape
func vecSqrtF32AVX2(t *vecArgs)

//go:noescape
func vecSGDF32AVX2(t *vecArgs)

//go:noescape
func vecSumF32AVX2(t *vecArgs)

//go:noescape
func vecSumSquaresF32AVX2(t *vecArgs)

//go:noescape
func vecDotF32AVX2(t *vecArgs)

//go:noescape
func vecMaxOfF32AVX2(t *vecArgs)

//go:noescape
func vecExpSumF32AVX2(t *vecArgs)

//go:noescape
func vecMaskF32AVX512(t *vecArgs)

//go:noescape
func vecAddMaskedF32AVX512(t *vecArgs)

//go:noescape
func vecMaskF32AVX2(t *vecArgs)

//go:noescape
func vecAddMaskedF32AVX2(t *vecArgs)

//go:noescape
func vecGeluF32AVX512(t *vecArgs)

//go:noescape
func vecGeluTanhF32AVX512(t *vecArgs)

//go:noescape
func vecGeluF32AVX2(t *vecArgs)

//go:noescape
func vecGeluTanhF32AVX2(t *vecArgs)
