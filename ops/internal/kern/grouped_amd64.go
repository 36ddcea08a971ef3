//go:build !purego

package kern

// groupedRun computes one tile.
func groupedRun(t *groupedTile, narrow bool, stride int) {
	switch {
	case narrow && stride == 1:
		groupedNarrow1AVX512(t)
	case narrow:
		groupedNarrow2AVX512(t)
	case stride == 1:
		groupedWide1AVX512(t)
	default:
		groupedWide2AVX512(t)
	}
}

// Grouped convolution at stride 1 and 2; see GroupedF32Args.runGeneric for what they compute.

//go:noescape
func groupedNarrow1AVX512(t *groupedTile)

//go:noescape
func groupedNarrow2AVX512(t *groupedTile)

//go:noescape
func groupedWide1AVX512(t *groupedTile)

//go:noescape
func groupedWide2AVX512(t *groupedTile)
