//go:build !purego

package kern

import "unsafe"

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

// tileBF16 has kernels for some heights; the rest are several of them.
func tileBF16(t *tileF32, mr int, half bool) {
	u := *t
	for {
		n := fewRows(mr)
		tileBF16Rows(&u, n, half)
		if mr -= n; mr == 0 {
			return
		}
		u.rows = (*int32)(unsafe.Add(unsafe.Pointer(u.rows), 4*n))
		u.c = (*float32)(unsafe.Add(unsafe.Pointer(u.c), u.ldc*n))
		if u.res != nil {
			u.res = (*float32)(unsafe.Add(unsafe.Pointer(u.res), u.ldr*n))
		}
	}
}

func tileBF16Rows(t *tileF32, mr int, half bool) {
	if half {
		switch mr {
		case 12:
			gemmBF16x12x16(t)
		case 8:
			gemmBF16x8x16(t)
		case 4:
			gemmBF16x4x16(t)
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
	case 8:
		gemmBF16x8x32(t)
	case 4:
		gemmBF16x4x32(t)
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
func gemmBF16x8x32(t *tileF32)

//go:noescape
func gemmBF16x4x32(t *tileF32)

//go:noescape
func gemmBF16x2x32(t *tileF32)

//go:noescape
func gemmBF16x1x32(t *tileF32)

//go:noescape
func gemmBF16x12x16(t *tileF32)

//go:noescape
func gemmBF16x8x16(t *tileF32)

//go:noescape
func gemmBF16x4x16(t *tileF32)

//go:noescape
func gemmBF16x2x16(t *tileF32)

//go:noescape
func gemmBF16x1x16(t *tileF32)
