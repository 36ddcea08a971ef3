//go:build !purego

package kern

func packColumnsAsm(t *packTile, lanes int) {
	if lanes == 8 {
		packColumns8NEON(t)
	} else {
		packColumns4NEON(t)
	}
}

// See packColumnsGeneric for what these compute.

//go:noescape
func packColumns8NEON(t *packTile)

//go:noescape
func packColumns4NEON(t *packTile)
