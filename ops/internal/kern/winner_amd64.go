//go:build !purego

package kern

func winnerRun(add bool, t *winnerArgs) {
	switch {
	case add && useVecAVX512:
		winnerAddAVX512(t)
	case add:
		winnerAddAVX2(t)
	case useVecAVX512:
		winnerPickAVX512(t)
	default:
		winnerPickAVX2(t)
	}
}

// Loops over channels; see Winners.pickGeneric and addGeneric for what they compute.

//go:noescape
func winnerPickAVX512(t *winnerArgs)

//go:noescape
func winnerAddAVX512(t *winnerArgs)

//go:noescape
func winnerPickAVX2(t *winnerArgs)

//go:noescape
func winnerAddAVX2(t *winnerArgs)
