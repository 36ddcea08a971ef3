//go:build !purego

package kern

func winoSpread(t *winoTile) {
	if useWinoAVX512 {
		winoSpread4AVX512(t)
	} else {
		winoSpread4AVX2(t)
	}
}

func winoFilter(t *winoFilterTile) {
	if useWinoAVX512 {
		winoFilter4AVX512(t)
	} else {
		winoFilter4AVX2(t)
	}
}

func winoGather(t *winoFilterTile) {
	if useWinoAVX512 {
		winoGather4AVX512(t)
	} else {
		winoGather4AVX2(t)
	}
}

// Transforms of training; see their generic twins for what they compute.

//go:noescape
func winoSpread4AVX512(t *winoTile)

//go:noescape
func winoSpread4AVX2(t *winoTile)

//go:noescape
func winoFilter4AVX512(t *winoFilterTile)

//go:noescape
func winoFilter4AVX2(t *winoFilterTile)

//go:noescape
func winoGather4AVX512(t *winoFilterTile)

//go:noescape
func winoGather4AVX2(t *winoFilterTile)
