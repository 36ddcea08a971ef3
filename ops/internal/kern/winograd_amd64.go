//go:build !purego

package kern

func winoInput(m int, t *winoTile) {
	switch {
	case useWinoAVX512 && m == 4:
		winoInput4AVX512(t)
	case useWinoAVX512:
		winoInput2AVX512(t)
	case m == 4:
		winoInput4AVX2(t)
	default:
		winoInput2AVX2(t)
	}
}

func winoOutput(m int, t *winoTile) {
	switch {
	case useWinoAVX512 && m == 4:
		winoOutput4AVX512(t)
	case useWinoAVX512:
		winoOutput2AVX512(t)
	case m == 4:
		winoOutput4AVX2(t)
	default:
		winoOutput2AVX2(t)
	}
}

func winoWeightsAsm(m int, t *winoPack) {
	switch {
	case useWinoAVX512 && m == 4:
		winoWeights4AVX512(t)
	case useWinoAVX512:
		winoWeights2AVX512(t)
	case m == 4:
		winoWeights4AVX2(t)
	default:
		winoWeights2AVX2(t)
	}
}

// See winoWeightsGeneric for what these compute.

//go:noescape
func winoWeights2AVX512(t *winoPack)

//go:noescape
func winoWeights4AVX512(t *winoPack)

//go:noescape
func winoWeights2AVX2(t *winoPack)

//go:noescape
func winoWeights4AVX2(t *winoPack)

// Transforms of one tile; see winoInputGeneric and outputGeneric for what they compute.

//go:noescape
func winoInput2AVX512(t *winoTile)

//go:noescape
func winoInput4AVX512(t *winoTile)

//go:noescape
func winoOutput2AVX512(t *winoTile)

//go:noescape
func winoOutput4AVX512(t *winoTile)

//go:noescape
func winoInput2AVX2(t *winoTile)

//go:noescape
func winoInput4AVX2(t *winoTile)

//go:noescape
func winoOutput2AVX2(t *winoTile)

//go:noescape
func winoOutput4AVX2(t *winoTile)
