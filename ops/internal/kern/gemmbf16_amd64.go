//go:build !purego

package kern

// bf16Args is what toBF16AVX512 is handed.
type bf16Args struct {
	src *float32
	dst *uint16
	n   int
}

func convertBF16(dst []uint16, src []float32) {
	t := bf16Args{&src[0], &dst[0], len(src)}
	toBF16AVX512(&t)
}

//go:noescape
func toBF16AVX512(t *bf16Args)

func tileBF16(t *tileF32, mr int, half bool) {
	if half {
		switch mr {
		case 12:
			gemmBF16x12x16(t)
		case 11:
			gemmBF16x11x16(t)
		case 10:
			gemmBF16x10x16(t)
		case 9:
			gemmBF16x9x16(t)
		case 8:
			gemmBF16x8x16(t)
		case 7:
			gemmBF16x7x16(t)
		case 6:
			gemmBF16x6x16(t)
		case 5:
			gemmBF16x5x16(t)
		case 4:
			gemmBF16x4x16(t)
		case 3:
			gemmBF16x3x16(t)
		case 2:
			gemmBF16x2x16(t)
		case 1:
			gemmBF16x1x16(t)
		}
		return
	}
	switch mr {
	case 12:
		gemmBF16x12x32(t)
	case 11:
		gemmBF16x11x32(t)
	case 10:
		gemmBF16x10x32(t)
	case 9:
		gemmBF16x9x32(t)
	case 8:
		gemmBF16x8x32(t)
	case 7:
		gemmBF16x7x32(t)
	case 6:
		gemmBF16x6x32(t)
	case 5:
		gemmBF16x5x32(t)
	case 4:
		gemmBF16x4x32(t)
	case 3:
		gemmBF16x3x32(t)
	case 2:
		gemmBF16x2x32(t)
	case 1:
		gemmBF16x1x32(t)
	}
}

// Tile kernels, rows x columns; GemmF32Args.runGeneric on rounded operands says what they compute.

//go:noescape
func gemmBF16x12x32(t *tileF32)

//go:noescape
func gemmBF16x11x32(t *tileF32)

//go:noescape
func gemmBF16x10x32(t *tileF32)

//go:noescape
func gemmBF16x9x32(t *tileF32)

//go:noescape
func gemmBF16x8x32(t *tileF32)

//go:noescape
func gemmBF16x7x32(t *tileF32)

//go:noescape
func gemmBF16x6x32(t *tileF32)

//go:noescape
func gemmBF16x5x32(t *tileF32)

//go:noescape
func gemmBF16x4x32(t *tileF32)

//go:noescape
func gemmBF16x3x32(t *tileF32)

//go:noescape
func gemmBF16x2x32(t *tileF32)

//go:noescape
func gemmBF16x1x32(t *tileF32)

//go:noescape
func gemmBF16x12x16(t *tileF32)

//go:noescape
func gemmBF16x11x16(t *tileF32)

//go:noescape
func gemmBF16x10x16(t *tileF32)

//go:noescape
func gemmBF16x9x16(t *tileF32)

//go:noescape
func gemmBF16x8x16(t *tileF32)

//go:noescape
func gemmBF16x7x16(t *tileF32)

//go:noescape
func gemmBF16x6x16(t *tileF32)

//go:noescape
func gemmBF16x5x16(t *tileF32)

//go:noescape
func gemmBF16x4x16(t *tileF32)

//go:noescape
func gemmBF16x3x16(t *tileF32)

//go:noescape
func gemmBF16x2x16(t *tileF32)

//go:noescape
func gemmBF16x1x16(t *tileF32)
