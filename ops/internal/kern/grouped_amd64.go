//go:build !purego

package kern

// groupedRun computes one tile of a vector of that many channels.
func groupedRun(t *groupedTile, block int, narrow bool, stride int) {
	switch {
	case block < groupedBlock:
		groupedRunAVX2(t, narrow, stride)
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

func groupedRunAVX2(t *groupedTile, narrow bool, stride int) {
	switch {
	case narrow && stride == 1:
		groupedNarrow1AVX2(t)
	case narrow:
		groupedNarrow2AVX2(t)
	case stride == 1:
		groupedWide1AVX2(t)
	default:
		groupedWide2AVX2(t)
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

//go:noescape
func groupedNarrow1AVX2(t *groupedTile)

//go:noescape
func groupedNarrow2AVX2(t *groupedTile)

//go:noescape
func groupedWide1AVX2(t *groupedTile)

//go:noescape
func groupedWide2AVX2(t *groupedTile)
