//go:build !purego

package kern

// tileTNRun runs one tile of mr rows; narrow says that it is one vector wide.
func tileTNRun(t *tileTN, mr int, narrow bool) {
	if useGemmAVX512 {
		tileTNAVX512(t, mr, narrow)
		return
	}
	tileTNAVX2(t, mr, narrow)
}

func tileTNAVX512(t *tileTN, mr int, narrow bool) {
	if narrow {
		switch mr {
		case 12:
			gemmTNx12x16AVX512(t)
		case 11:
			gemmTNx11x16AVX512(t)
		case 10:
			gemmTNx10x16AVX512(t)
		case 9:
			gemmTNx9x16AVX512(t)
		case 8:
			gemmTNx8x16AVX512(t)
		case 7:
			gemmTNx7x16AVX512(t)
		case 6:
			gemmTNx6x16AVX512(t)
		case 5:
			gemmTNx5x16AVX512(t)
		case 4:
			gemmTNx4x16AVX512(t)
		case 3:
			gemmTNx3x16AVX512(t)
		case 2:
			gemmTNx2x16AVX512(t)
		case 1:
			gemmTNx1x16AVX512(t)
		}
		return
	}
	switch mr {
	case 12:
		gemmTNx12x32AVX512(t)
	case 11:
		gemmTNx11x32AVX512(t)
	case 10:
		gemmTNx10x32AVX512(t)
	case 9:
		gemmTNx9x32AVX512(t)
	case 8:
		gemmTNx8x32AVX512(t)
	case 7:
		gemmTNx7x32AVX512(t)
	case 6:
		gemmTNx6x32AVX512(t)
	case 5:
		gemmTNx5x32AVX512(t)
	case 4:
		gemmTNx4x32AVX512(t)
	case 3:
		gemmTNx3x32AVX512(t)
	case 2:
		gemmTNx2x32AVX512(t)
	case 1:
		gemmTNx1x32AVX512(t)
	}
}

func tileTNAVX2(t *tileTN, mr int, narrow bool) {
	if narrow {
		switch mr {
		case 6:
			gemmTNx6x8AVX2(t)
		case 5:
			gemmTNx5x8AVX2(t)
		case 4:
			gemmTNx4x8AVX2(t)
		case 3:
			gemmTNx3x8AVX2(t)
		case 2:
			gemmTNx2x8AVX2(t)
		case 1:
			gemmTNx1x8AVX2(t)
		}
		return
	}
	switch mr {
	case 6:
		gemmTNx6x16AVX2(t)
	case 5:
		gemmTNx5x16AVX2(t)
	case 4:
		gemmTNx4x16AVX2(t)
	case 3:
		gemmTNx3x16AVX2(t)
	case 2:
		gemmTNx2x16AVX2(t)
	case 1:
		gemmTNx1x16AVX2(t)
	}
}

// Tile kernels, rows x columns; see GemmTNArgs.runGeneric for what they compute.

//go:noescape
func gemmTNx12x32AVX512(t *tileTN)

//go:noescape
func gemmTNx11x32AVX512(t *tileTN)

//go:noescape
func gemmTNx10x32AVX512(t *tileTN)

//go:noescape
func gemmTNx9x32AVX512(t *tileTN)

//go:noescape
func gemmTNx8x32AVX512(t *tileTN)

//go:noescape
func gemmTNx7x32AVX512(t *tileTN)

//go:noescape
func gemmTNx6x32AVX512(t *tileTN)

//go:noescape
func gemmTNx5x32AVX512(t *tileTN)

//go:noescape
func gemmTNx4x32AVX512(t *tileTN)

//go:noescape
func gemmTNx3x32AVX512(t *tileTN)

//go:noescape
func gemmTNx2x32AVX512(t *tileTN)

//go:noescape
func gemmTNx1x32AVX512(t *tileTN)

//go:noescape
func gemmTNx12x16AVX512(t *tileTN)

//go:noescape
func gemmTNx11x16AVX512(t *tileTN)

//go:noescape
func gemmTNx10x16AVX512(t *tileTN)

//go:noescape
func gemmTNx9x16AVX512(t *tileTN)

//go:noescape
func gemmTNx8x16AVX512(t *tileTN)

//go:noescape
func gemmTNx7x16AVX512(t *tileTN)

//go:noescape
func gemmTNx6x16AVX512(t *tileTN)

//go:noescape
func gemmTNx5x16AVX512(t *tileTN)

//go:noescape
func gemmTNx4x16AVX512(t *tileTN)

//go:noescape
func gemmTNx3x16AVX512(t *tileTN)

//go:noescape
func gemmTNx2x16AVX512(t *tileTN)

//go:noescape
func gemmTNx1x16AVX512(t *tileTN)

// Tile kernels, rows x columns; see GemmTNArgs.runGeneric for what they compute.

//go:noescape
func gemmTNx6x16AVX2(t *tileTN)

//go:noescape
func gemmTNx5x16AVX2(t *tileTN)

//go:noescape
func gemmTNx4x16AVX2(t *tileTN)

//go:noescape
func gemmTNx3x16AVX2(t *tileTN)

//go:noescape
func gemmTNx2x16AVX2(t *tileTN)

//go:noescape
func gemmTNx1x16AVX2(t *tileTN)

//go:noescape
func gemmTNx6x8AVX2(t *tileTN)

//go:noescape
func gemmTNx5x8AVX2(t *tileTN)

//go:noescape
func gemmTNx4x8AVX2(t *tileTN)

//go:noescape
func gemmTNx3x8AVX2(t *tileTN)

//go:noescape
func gemmTNx2x8AVX2(t *tileTN)

//go:noescape
func gemmTNx1x8AVX2(t *tileTN)
