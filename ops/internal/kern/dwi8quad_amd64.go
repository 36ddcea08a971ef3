//go:build !purego

package kern

func dwQuads(t *dwQuadTile, rows int) {
	switch {
	case rows == 2 && t.step == t.tap:
		dwQuadsAlong1AVX512(t)
	case rows == 1 && t.step == 2*t.tap:
		dwQuadsAlong2AVX512(t)
	case rows == 2:
		dwQuads2AVX512(t)
	default:
		dwQuads1AVX512(t)
	}
}

func dwQuadRow(t *dwRow) { dwRowAVX512(t) }

// Rows of outputs; see DWI8Args.pixel for what they compute.

//go:noescape
func dwQuads2AVX512(t *dwQuadTile)

//go:noescape
func dwQuadsAlong1AVX512(t *dwQuadTile)

//go:noescape
func dwQuadsAlong2AVX512(t *dwQuadTile)

//go:noescape
func dwQuads1AVX512(t *dwQuadTile)

// dwRowAVX512 copies n bytes, bits flipped.
//
//go:noescape
func dwRowAVX512(t *dwRow)
