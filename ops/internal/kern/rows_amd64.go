//go:build !purego

package kern

func rowsRun(t *rowsArgs) {
	if useVecAVX512 {
		rowsAddAVX512(t)
	} else {
		rowsAddAVX2(t)
	}
}

// See Rows.addGeneric for what they compute.

//go:noescape
func rowsAddAVX512(t *rowsArgs)

//go:noescape
func rowsAddAVX2(t *rowsArgs)
