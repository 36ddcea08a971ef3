//go:build !purego

package kern

// vecRun runs one loop of the best instruction set that is switched on.
func vecRun(op vecOp, t *vecArgs) {
	if useVecAVX512 {
		vecRunAVX512(uint64(op), t)
	} else {
		vecRunAVX2(uint64(op), t)
	}
}

// vecTrain is vecRun for the loops that only training asks for, so that a program
// which only infers is linked without.
func vecTrain(op vecOp, t *vecArgs) {
	switch {
	case op == vecSGD && useVecAVX512:
		vecSGDF32AVX512(t)
	case op == vecSGD:
		vecSGDF32AVX2(t)
	case op == vecMask && useVecAVX512:
		vecMaskF32AVX512(t)
	case op == vecMask:
		vecMaskF32AVX2(t)
	case useVecAVX512:
		vecAddMaskedF32AVX512(t)
	default:
		vecAddMaskedF32AVX2(t)
	}
}

//go:noescape
func vecRunAVX512(op uint64, t *vecArgs)

//go:noescape
func vecRunAVX2(op uint64, t *vecArgs)

//go:noescape
func vecSGDF32AVX512(t *vecArgs)

//go:noescape
func vecSGDF32AVX2(t *vecArgs)

//go:noescape
func vecMaskF32AVX512(t *vecArgs)

//go:noescape
func vecMaskF32AVX2(t *vecArgs)

//go:noescape
func vecAddMaskedF32AVX512(t *vecArgs)

//go:noescape
func vecAddMaskedF32AVX2(t *vecArgs)
