//go:build !purego

package kern

func normRun(op normOp, t *normArgs) {
	if useVecAVX512 {
		switch op {
		case normSum:
			normSumAVX512(t)
		case normSquare:
			normSquareAVX512(t)
		case normGradSums:
			normGradSumsAVX512(t)
		case normGradSet:
			normGradSetAVX512(t)
		case normGradAdd:
			normGradAddAVX512(t)
		}
		return
	}
	switch op {
	case normSum:
		normSumAVX2(t)
	case normSquare:
		normSquareAVX2(t)
	case normGradSums:
		normGradSumsAVX2(t)
	case normGradSet:
		normGradSetAVX2(t)
	case normGradAdd:
		normGradAddAVX2(t)
	}
}

// Loops over lines; see NormLines.runGeneric for what they compute.

//go:noescape
func normSumAVX512(t *normArgs)

//go:noescape
func normSquareAVX512(t *normArgs)

//go:noescape
func normGradSumsAVX512(t *normArgs)

//go:noescape
func normGradSetAVX512(t *normArgs)

//go:noescape
func normGradAddAVX512(t *normArgs)

//go:noescape
func normSumAVX2(t *normArgs)

//go:noescape
func normSquareAVX2(t *normArgs)

//go:noescape
func normGradSumsAVX2(t *normArgs)

//go:noescape
func normGradSetAVX2(t *normArgs)

//go:noescape
func normGradAddAVX2(t *normArgs)
