//go:build !purego

package kern

func tapRun(dot bool, t *tapArgs) {
	switch {
	case dot && useVecAVX512:
		tapDotAVX512(t)
	case dot:
		tapDotAVX2(t)
	case useVecAVX512:
		tapAxpyAVX512(t)
	default:
		tapAxpyAVX2(t)
	}
}

func tapDots(t *tapArgs) { tapDotsAVX2(t) }

// Loops over lines; see TapLines.runGeneric for what they compute.

//go:noescape
func tapDotAVX512(t *tapArgs)

//go:noescape
func tapAxpyAVX512(t *tapArgs)

//go:noescape
func tapDotAVX2(t *tapArgs)

//go:noescape
func tapAxpyAVX2(t *tapArgs)

//go:noescape
func tapDotsAVX2(t *tapArgs)
