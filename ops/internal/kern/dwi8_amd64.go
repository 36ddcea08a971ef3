//go:build !purego

package kern

func dwI8Any(t *dwTileI8, signed bool) {
	switch {
	case useDWI8VNNI && signed:
		dwI8anyAVX512(t)
	case useDWI8VNNI:
		dwU8anyAVX512(t)
	case signed:
		dwI8anyAVX2(t)
	default:
		dwU8anyAVX2(t)
	}
}

// dwI8Shared runs tiles of n neighbouring outputs for a kernel kw wide at stride s.
func dwI8Shared(t *dwTileI8, signed bool, kw, s, n int) {
	which := (kw-3)*4 + (s-1)*4 + n
	switch {
	case useDWI8VNNI && signed:
		dwI8SharedAVX512(t, which)
	case useDWI8VNNI:
		dwU8SharedAVX512(t, which)
	case signed:
		dwI8SharedAVX2(t, which)
	default:
		dwU8SharedAVX2(t, which)
	}
}

// dwI8Down runs tiles of n neighbouring outputs for 3x3 kernels at stride s, down the rows.
func dwI8Down(t *dwTileI8, signed bool, s, n int) {
	switch {
	case s == 2 && signed:
		dwI8down2x3AVX2(t)
	case s == 2:
		dwU8down2x3AVX2(t)
	case n == 3 && signed:
		dwI8down1x3AVX2(t)
	case n == 3:
		dwU8down1x3AVX2(t)
	case signed:
		dwI8down1x4AVX2(t)
	default:
		dwU8down1x4AVX2(t)
	}
}

func dwI8SharedAVX512(t *dwTileI8, which int) {
	switch which {
	case 4:
		dwI8w3s1x4AVX512(t)
	case 3:
		dwI8w3s1x3AVX512(t)
	case 2:
		dwI8w3s1x2AVX512(t)
	case 1:
		dwI8w3s1x1AVX512(t)
	case 8:
		dwI8w3s2x4AVX512(t)
	case 7:
		dwI8w3s2x3AVX512(t)
	case 6:
		dwI8w3s2x2AVX512(t)
	case 5:
		dwI8w3s2x1AVX512(t)
	case 12:
		dwI8w5s1x4AVX512(t)
	case 11:
		dwI8w5s1x3AVX512(t)
	case 10:
		dwI8w5s1x2AVX512(t)
	case 9:
		dwI8w5s1x1AVX512(t)
	case 16:
		dwI8w5s2x4AVX512(t)
	case 15:
		dwI8w5s2x3AVX512(t)
	case 14:
		dwI8w5s2x2AVX512(t)
	case 13:
		dwI8w5s2x1AVX512(t)
	}
}

func dwU8SharedAVX512(t *dwTileI8, which int) {
	switch which {
	case 4:
		dwU8w3s1x4AVX512(t)
	case 3:
		dwU8w3s1x3AVX512(t)
	case 2:
		dwU8w3s1x2AVX512(t)
	case 1:
		dwU8w3s1x1AVX512(t)
	case 8:
		dwU8w3s2x4AVX512(t)
	case 7:
		dwU8w3s2x3AVX512(t)
	case 6:
		dwU8w3s2x2AVX512(t)
	case 5:
		dwU8w3s2x1AVX512(t)
	case 12:
		dwU8w5s1x4AVX512(t)
	case 11:
		dwU8w5s1x3AVX512(t)
	case 10:
		dwU8w5s1x2AVX512(t)
	case 9:
		dwU8w5s1x1AVX512(t)
	case 16:
		dwU8w5s2x4AVX512(t)
	case 15:
		dwU8w5s2x3AVX512(t)
	case 14:
		dwU8w5s2x2AVX512(t)
	case 13:
		dwU8w5s2x1AVX512(t)
	}
}

func dwI8SharedAVX2(t *dwTileI8, which int) {
	switch which {
	case 12:
		dwI8w5s1x4AVX2(t)
	case 11:
		dwI8w5s1x3AVX2(t)
	case 10:
		dwI8w5s1x2AVX2(t)
	case 9:
		dwI8w5s1x1AVX2(t)
	case 16:
		dwI8w5s2x4AVX2(t)
	case 15:
		dwI8w5s2x3AVX2(t)
	case 14:
		dwI8w5s2x2AVX2(t)
	case 13:
		dwI8w5s2x1AVX2(t)
	}
}

func dwU8SharedAVX2(t *dwTileI8, which int) {
	switch which {
	case 12:
		dwU8w5s1x4AVX2(t)
	case 11:
		dwU8w5s1x3AVX2(t)
	case 10:
		dwU8w5s1x2AVX2(t)
	case 9:
		dwU8w5s1x1AVX2(t)
	case 16:
		dwU8w5s2x4AVX2(t)
	case 15:
		dwU8w5s2x3AVX2(t)
	case 14:
		dwU8w5s2x2AVX2(t)
	case 13:
		dwU8w5s2x1AVX2(t)
	}
}

// Depthwise kernels: kernel width, stride, outputs a tile; see DWI8Args.pixel for what they compute.

//go:noescape
func dwI8w3s1x4AVX512(t *dwTileI8)

//go:noescape
func dwI8w3s1x3AVX512(t *dwTileI8)

//go:noescape
func dwI8w3s1x2AVX512(t *dwTileI8)

//go:noescape
func dwI8w3s1x1AVX512(t *dwTileI8)

//go:noescape
func dwI8w3s2x4AVX512(t *dwTileI8)

//go:noescape
func dwI8w3s2x3AVX512(t *dwTileI8)

//go:noescape
func dwI8w3s2x2AVX512(t *dwTileI8)

//go:noescape
func dwI8w3s2x1AVX512(t *dwTileI8)

//go:noescape
func dwI8w5s1x4AVX512(t *dwTileI8)

//go:noescape
func dwI8w5s1x3AVX512(t *dwTileI8)

//go:noescape
func dwI8w5s1x2AVX512(t *dwTileI8)

//go:noescape
func dwI8w5s1x1AVX512(t *dwTileI8)

//go:noescape
func dwI8w5s2x4AVX512(t *dwTileI8)

//go:noescape
func dwI8w5s2x3AVX512(t *dwTileI8)

//go:noescape
func dwI8w5s2x2AVX512(t *dwTileI8)

//go:noescape
func dwI8w5s2x1AVX512(t *dwTileI8)

//go:noescape
func dwI8anyAVX512(t *dwTileI8)

//go:noescape
func dwU8w3s1x4AVX512(t *dwTileI8)

//go:noescape
func dwU8w3s1x3AVX512(t *dwTileI8)

//go:noescape
func dwU8w3s1x2AVX512(t *dwTileI8)

//go:noescape
func dwU8w3s1x1AVX512(t *dwTileI8)

//go:noescape
func dwU8w3s2x4AVX512(t *dwTileI8)

//go:noescape
func dwU8w3s2x3AVX512(t *dwTileI8)

//go:noescape
func dwU8w3s2x2AVX512(t *dwTileI8)

//go:noescape
func dwU8w3s2x1AVX512(t *dwTileI8)

//go:noescape
func dwU8w5s1x4AVX512(t *dwTileI8)

//go:noescape
func dwU8w5s1x3AVX512(t *dwTileI8)

//go:noescape
func dwU8w5s1x2AVX512(t *dwTileI8)

//go:noescape
func dwU8w5s1x1AVX512(t *dwTileI8)

//go:noescape
func dwU8w5s2x4AVX512(t *dwTileI8)

//go:noescape
func dwU8w5s2x3AVX512(t *dwTileI8)

//go:noescape
func dwU8w5s2x2AVX512(t *dwTileI8)

//go:noescape
func dwU8w5s2x1AVX512(t *dwTileI8)

//go:noescape
func dwU8anyAVX512(t *dwTileI8)

//go:noescape
func dwI8w5s1x4AVX2(t *dwTileI8)

//go:noescape
func dwI8w5s1x3AVX2(t *dwTileI8)

//go:noescape
func dwI8w5s1x2AVX2(t *dwTileI8)

//go:noescape
func dwI8w5s1x1AVX2(t *dwTileI8)

//go:noescape
func dwI8w5s2x4AVX2(t *dwTileI8)

//go:noescape
func dwI8w5s2x3AVX2(t *dwTileI8)

//go:noescape
func dwI8w5s2x2AVX2(t *dwTileI8)

//go:noescape
func dwI8w5s2x1AVX2(t *dwTileI8)

//go:noescape
func dwI8anyAVX2(t *dwTileI8)

//go:noescape
func dwU8w5s1x4AVX2(t *dwTileI8)

//go:noescape
func dwU8w5s1x3AVX2(t *dwTileI8)

//go:noescape
func dwU8w5s1x2AVX2(t *dwTileI8)

//go:noescape
func dwU8w5s1x1AVX2(t *dwTileI8)

//go:noescape
func dwU8w5s2x4AVX2(t *dwTileI8)

//go:noescape
func dwU8w5s2x3AVX2(t *dwTileI8)

//go:noescape
func dwU8w5s2x2AVX2(t *dwTileI8)

//go:noescape
func dwU8w5s2x1AVX2(t *dwTileI8)

//go:noescape
func dwU8anyAVX2(t *dwTileI8)

//go:noescape
func dwI8down1x4AVX2(t *dwTileI8)

//go:noescape
func dwI8down1x3AVX2(t *dwTileI8)

//go:noescape
func dwI8down2x3AVX2(t *dwTileI8)

//go:noescape
func dwU8down1x4AVX2(t *dwTileI8)

//go:noescape
func dwU8down1x3AVX2(t *dwTileI8)

//go:noescape
func dwU8down2x3AVX2(t *dwTileI8)
