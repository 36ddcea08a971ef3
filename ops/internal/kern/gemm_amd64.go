//go:build !purego

package kern

const haveAsm, haveNEON = true, false

// tile runs one tile of mr rows; half says that the panel is Half columns wide.
func (g *GemmF32) tile(t *tileF32, mr int, half bool) { tileAVX512(t, mr, half) }

// tilesAVX2 is each.
//
//go:noescape
func tilesAVX2(t *tileF32)

// row runs rowPanels whole panels of a single row.
func (g *GemmF32) row(t *tileF32) {
	if g.isa == isaAVX512 {
		gemmF32x1x128AVX512(t)
		return
	}
	gemmF32x1x64AVX2(t)
}

//go:noescape
func gemmF32x1x128AVX512(t *tileF32)

//go:noescape
func gemmF32x1x64AVX2(t *tileF32)

func tileAVX512(t *tileF32, mr int, half bool) {
	if half {
		switch mr {
		case 12:
			gemmF32x12x16AVX512(t)
		case 11:
			gemmF32x11x16AVX512(t)
		case 10:
			gemmF32x10x16AVX512(t)
		case 9:
			gemmF32x9x16AVX512(t)
		case 8:
			gemmF32x8x16AVX512(t)
		case 7:
			gemmF32x7x16AVX512(t)
		case 6:
			gemmF32x6x16AVX512(t)
		case 5:
			gemmF32x5x16AVX512(t)
		case 4:
			gemmF32x4x16AVX512(t)
		case 3:
			gemmF32x3x16AVX512(t)
		case 2:
			gemmF32x2x16AVX512(t)
		case 1:
			gemmF32x1x16AVX512(t)
		}
		return
	}
	switch mr {
	case 12:
		gemmF32x12x32AVX512(t)
	case 11:
		gemmF32x11x32AVX512(t)
	case 10:
		gemmF32x10x32AVX512(t)
	case 9:
		gemmF32x9x32AVX512(t)
	case 8:
		gemmF32x8x32AVX512(t)
	case 7:
		gemmF32x7x32AVX512(t)
	case 6:
		gemmF32x6x32AVX512(t)
	case 5:
		gemmF32x5x32AVX512(t)
	case 4:
		gemmF32x4x32AVX512(t)
	case 3:
		gemmF32x3x32AVX512(t)
	case 2:
		gemmF32x2x32AVX512(t)
	case 1:
		gemmF32x1x32AVX512(t)
	}
}

// Tile kernels, rows x columns; see GemmF32Args.runGeneric for what they compute.

//go:noescape
func gemmF32x12x32AVX512(t *tileF32)

//go:noescape
func gemmF32x11x32AVX512(t *tileF32)

//go:noescape
func gemmF32x10x32AVX512(t *tileF32)

//go:noescape
func gemmF32x9x32AVX512(t *tileF32)

//go:noescape
func gemmF32x8x32AVX512(t *tileF32)

//go:noescape
func gemmF32x7x32AVX512(t *tileF32)

//go:noescape
func gemmF32x6x32AVX512(t *tileF32)

//go:noescape
func gemmF32x5x32AVX512(t *tileF32)

//go:noescape
func gemmF32x4x32AVX512(t *tileF32)

//go:noescape
func gemmF32x3x32AVX512(t *tileF32)

//go:noescape
func gemmF32x2x32AVX512(t *tileF32)

//go:noescape
func gemmF32x1x32AVX512(t *tileF32)

//go:noescape
func gemmF32x12x16AVX512(t *tileF32)

//go:noescape
func gemmF32x11x16AVX512(t *tileF32)

//go:noescape
func gemmF32x10x16AVX512(t *tileF32)

//go:noescape
func gemmF32x9x16AVX512(t *tileF32)

//go:noescape
func gemmF32x8x16AVX512(t *tileF32)

//go:noescape
func gemmF32x7x16AVX512(t *tileF32)

//go:noescape
func gemmF32x6x16AVX512(t *tileF32)

//go:noescape
func gemmF32x5x16AVX512(t *tileF32)

//go:noescape
func gemmF32x4x16AVX512(t *tileF32)

//go:noescape
func gemmF32x3x16AVX512(t *tileF32)

//go:noescape
func gemmF32x2x16AVX512(t *tileF32)

//go:noescape
func gemmF32x1x16AVX512(t *tileF32)

// Tile kernels, rows x columns; see GemmF32Args.runGeneric for what they compute.

//go:noescape
func gemmF32x6x16AVX2(t *tileF32)

//go:noescape
func gemmF32x5x16AVX2(t *tileF32)

//go:noescape
func gemmF32x4x16AVX2(t *tileF32)

//go:noescape
func gemmF32x3x16AVX2(t *tileF32)

//go:noescape
func gemmF32x2x16AVX2(t *tileF32)

//go:noescape
func gemmF32x1x16AVX2(t *tileF32)

//go:noescape
func gemmF32x6x8AVX2(t *tileF32)

//go:noescape
func gemmF32x5x8AVX2(t *tileF32)

//go:noescape
func gemmF32x4x8AVX2(t *tileF32)

//go:noescape
func gemmF32x3x8AVX2(t *tileF32)

//go:noescape
func gemmF32x2x8AVX2(t *tileF32)

//go:noescape
func gemmF32x1x8AVX2(t *tileF32)

func gemmPlanes16(t *planes16) { gemmPlanes16AVX512(t) }

//go:noescape
func gemmPlanes16AVX512(t *planes16)
