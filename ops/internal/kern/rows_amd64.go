//go:build !purego

package kern

func rowsRun(t *rowsArgs, add bool) {
	switch {
	case useVecAVX512 && add:
		rowsAddAVX512(t)
	case useVecAVX512:
		rowsCopyAVX512(t)
	case add:
		rowsAddAVX2(t)
	default:
		rowsCopyAVX2(t)
	}
}

// See Rows.runGeneric for what they compute.

//go:noescape
func rowsAddAVX512(t *rowsArgs)

//go:noescape
func rowsAddAVX2(t *rowsArgs)

//go:noescape
func rowsCopyAVX512(t *rowsArgs)

//go:noescape
func rowsCopyAVX2(t *rowsArgs)
