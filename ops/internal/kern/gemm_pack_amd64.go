//go:build !purego

package kern

func packColumnsAsm(t *packTile, lanes int) {
	if lanes == 16 {
		packColumnsAVX512(t)
	} else {
		packColumnsAVX2(t)
	}
}

// See packColumnsGeneric for what these compute.

//go:noescape
func packColumnsAVX512(t *packTile)

//go:noescape
func packColumnsAVX2(t *packTile)
