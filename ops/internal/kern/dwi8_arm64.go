//go:build !purego

package kern

func dwI8Any(t *dwTileI8, signed bool) {
	if signed {
		dwI8anyNEON(t)
	} else {
		dwU8anyNEON(t)
	}
}

// dwI8Shared runs tiles of n neighbouring outputs for a kernel kw wide at stride s.
func dwI8Shared(t *dwTileI8, signed bool, kw, s, n int) {
	which := (kw-3)*4 + (s-1)*4 + n
	if signed {
		dwI8SharedNEON(t, which)
	} else {
		dwU8SharedNEON(t, which)
	}
}

func dwI8SharedNEON(t *dwTileI8, which int) {
	switch which {
	case 4:
		dwI8w3s1x4NEON(t)
	case 3:
		dwI8w3s1x3NEON(t)
	case 2:
		dwI8w3s1x2NEON(t)
	case 1:
		dwI8w3s1x1NEON(t)
	case 8:
		dwI8w3s2x4NEON(t)
	case 7:
		dwI8w3s2x3NEON(t)
	case 6:
		dwI8w3s2x2NEON(t)
	case 5:
		dwI8w3s2x1NEON(t)
	case 12:
		dwI8w5s1x4NEON(t)
	case 11:
		dwI8w5s1x3NEON(t)
	case 10:
		dwI8w5s1x2NEON(t)
	case 9:
		dwI8w5s1x1NEON(t)
	case 16:
		dwI8w5s2x4NEON(t)
	case 15:
		dwI8w5s2x3NEON(t)
	case 14:
		dwI8w5s2x2NEON(t)
	case 13:
		dwI8w5s2x1NEON(t)
	}
}

func dwU8SharedNEON(t *dwTileI8, which int) {
	switch which {
	case 4:
		dwU8w3s1x4NEON(t)
	case 3:
		dwU8w3s1x3NEON(t)
	case 2:
		dwU8w3s1x2NEON(t)
	case 1:
		dwU8w3s1x1NEON(t)
	case 8:
		dwU8w3s2x4NEON(t)
	case 7:
		dwU8w3s2x3NEON(t)
	case 6:
		dwU8w3s2x2NEON(t)
	case 5:
		dwU8w3s2x1NEON(t)
	case 12:
		dwU8w5s1x4NEON(t)
	case 11:
		dwU8w5s1x3NEON(t)
	case 10:
		dwU8w5s1x2NEON(t)
	case 9:
		dwU8w5s1x1NEON(t)
	case 16:
		dwU8w5s2x4NEON(t)
	case 15:
		dwU8w5s2x3NEON(t)
	case 14:
		dwU8w5s2x2NEON(t)
	case 13:
		dwU8w5s2x1NEON(t)
	}
}

func dwQuads(t *dwQuadTile, rows int) { panic("kern: BUG: NEON has no kernel for quads") }

func dwQuadRow(t *dwRow) { panic("kern: BUG: NEON has no kernel for quads") }

// Depthwise kernels: kernel width, stride, outputs a tile; see DWI8Args.pixel for what they compute.

//go:noescape
func dwI8w3s1x4NEON(t *dwTileI8)

//go:noescape
func dwI8w3s1x3NEON(t *dwTileI8)

//go:noescape
func dwI8w3s1x2NEON(t *dwTileI8)

//go:noescape
func dwI8w3s1x1NEON(t *dwTileI8)

//go:noescape
func dwI8w3s2x4NEON(t *dwTileI8)

//go:noescape
func dwI8w3s2x3NEON(t *dwTileI8)

//go:noescape
func dwI8w3s2x2NEON(t *dwTileI8)

//go:noescape
func dwI8w3s2x1NEON(t *dwTileI8)

//go:noescape
func dwI8w5s1x4NEON(t *dwTileI8)

//go:noescape
func dwI8w5s1x3NEON(t *dwTileI8)

//go:noescape
func dwI8w5s1x2NEON(t *dwTileI8)

//go:noescape
func dwI8w5s1x1NEON(t *dwTileI8)

//go:noescape
func dwI8w5s2x4NEON(t *dwTileI8)

//go:noescape
func dwI8w5s2x3NEON(t *dwTileI8)

//go:noescape
func dwI8w5s2x2NEON(t *dwTileI8)

//go:noescape
func dwI8w5s2x1NEON(t *dwTileI8)

//go:noescape
func dwI8anyNEON(t *dwTileI8)

//go:noescape
func dwU8w3s1x4NEON(t *dwTileI8)

//go:noescape
func dwU8w3s1x3NEON(t *dwTileI8)

//go:noescape
func dwU8w3s1x2NEON(t *dwTileI8)

//go:noescape
func dwU8w3s1x1NEON(t *dwTileI8)

//go:noescape
func dwU8w3s2x4NEON(t *dwTileI8)

//go:noescape
func dwU8w3s2x3NEON(t *dwTileI8)

//go:noescape
func dwU8w3s2x2NEON(t *dwTileI8)

//go:noescape
func dwU8w3s2x1NEON(t *dwTileI8)

//go:noescape
func dwU8w5s1x4NEON(t *dwTileI8)

//go:noescape
func dwU8w5s1x3NEON(t *dwTileI8)

//go:noescape
func dwU8w5s1x2NEON(t *dwTileI8)

//go:noescape
func dwU8w5s1x1NEON(t *dwTileI8)

//go:noescape
func dwU8w5s2x4NEON(t *dwTileI8)

//go:noescape
func dwU8w5s2x3NEON(t *dwTileI8)

//go:noescape
func dwU8w5s2x2NEON(t *dwTileI8)

//go:noescape
func dwU8w5s2x1NEON(t *dwTileI8)

//go:noescape
func dwU8anyNEON(t *dwTileI8)

func dwI8Down(t *dwTileI8, signed bool, s, n int) {
	panic("kern: BUG: NEON has no kernel down the rows")
}
