//go:build !purego

package kern

// vecI8Run runs one loop over whole vectors.
func vecI8Run(op vecI8Op, t *vecI8Args) {
	switch op {
	case vecAddI8Words:
		if useVecI8AVX512 {
			vecAddI8WordsAVX512(t)
		} else {
			vecAddI8WordsAVX2(t)
		}
		return
	case vecQuantizeTimes:
		vecQuantizeTimesAVX512(t)
		return
	}
	if useVecI8AVX512 {
		switch op {
		case vecAddI8:
			vecAddI8AVX512(t)
		case vecMulI8:
			vecMulI8AVX512(t)
		case vecQuantize:
			vecQuantizeAVX2(t)
		case vecDequantize:
			vecDequantizeAVX512(t)
		case vecAccI8:
			vecAccI8AVX512(t)
		}
		return
	}
	switch op {
	case vecAddI8:
		vecAddI8AVX2(t)
	case vecMulI8:
		vecMulI8AVX2(t)
	case vecQuantize:
		vecQuantizeAVX2(t)
	case vecDequantize:
		vecDequantizeAVX2(t)
	case vecAccI8:
		vecAccI8AVX2(t)
	}
}

// The loops; AddI8 and its neighbours say what each computes.

//go:noescape
func vecAddI8AVX512(t *vecI8Args)

//go:noescape
func vecAddI8WordsAVX512(t *vecI8Args)

//go:noescape
func vecMulI8AVX512(t *vecI8Args)

//go:noescape
func vecQuantizeTimesAVX512(t *vecI8Args)

//go:noescape
func vecDequantizeAVX512(t *vecI8Args)

//go:noescape
func vecAccI8AVX512(t *vecI8Args)

//go:noescape
func vecAddI8AVX2(t *vecI8Args)

//go:noescape
func vecAddI8WordsAVX2(t *vecI8Args)

//go:noescape
func vecMulI8AVX2(t *vecI8Args)

//go:noescape
func vecQuantizeAVX2(t *vecI8Args)

//go:noescape
func vecDequantizeAVX2(t *vecI8Args)

//go:noescape
func vecAccI8AVX2(t *vecI8Args)
