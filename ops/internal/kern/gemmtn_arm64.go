//go:build !purego

package kern

// tileTNRun runs one tile of mr rows: eight, four or one.
func tileTNRun(t *tileTN, mr int, _ bool) {
	switch mr {
	case 8:
		gemmTNx8x8NEON(t)
	case 4:
		gemmTNx4x8NEON(t)
	case 1:
		gemmTNx1x8NEON(t)
	}
}

// Tile kernels, rows x columns; see GemmTNArgs.runGeneric for what they compute.

//go:noescape
func gemmTNx8x8NEON(t *tileTN)

//go:noescape
func gemmTNx4x8NEON(t *tileTN)

//go:noescape
func gemmTNx1x8NEON(t *tileTN)
