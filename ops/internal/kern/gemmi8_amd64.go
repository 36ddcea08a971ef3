//go:build !purego

package kern

import "unsafe"

// tile runs one tile of mr rows; half says that the panel is Half columns wide.
func (g *GemmI8) tile(t *tileI8, mr int, half bool) {
	if g.isa == isaAVX512 {
		tileI8AVX512(t, mr, half)
		return
	}
	tileI8AVX2(t, mr, half)
}

// rowSums adds up what each row of a tile reads. Only the VNNI form leaves zero points to it.
func (g *GemmI8) rowSums(t *tileI8) { rowSumsAVX512(t) }

// See runGeneric, which sums as it goes.
//
//go:noescape
func rowSumsAVX512(t *tileI8)

// tileI8AVX512 has kernels for some heights; the rest are several of them.
func tileI8AVX512(t *tileI8, mr int, half bool) {
	if mr == 12 || mr == 9 && !half {
		tileI8Rows(t, mr, half)
		return
	}
	u := *t
	for {
		n := fewRows(mr)
		tileI8Rows(&u, n, half)
		if mr -= n; mr == 0 {
			return
		}
		u.rows = (*int32)(unsafe.Add(unsafe.Pointer(u.rows), 4*n))
		u.sums = (*int32)(unsafe.Add(unsafe.Pointer(u.sums), 4*n))
		u.c = (*byte)(unsafe.Add(unsafe.Pointer(u.c), u.ldc*n))
	}
}

// fewRows is the tallest tile kernel of at most mr rows.
func fewRows(mr int) int {
	switch {
	case mr >= 12:
		return 12
	case mr >= 8:
		return 8
	case mr >= 4:
		return 4
	case mr >= 2:
		return 2
	}
	return 1
}

func tileI8Rows(t *tileI8, mr int, half bool) {
	if half {
		switch mr {
		case 12:
			gemmI8x12x16AVX512(t)
		case 8:
			gemmI8x8x16AVX512(t)
		case 4:
			gemmI8x4x16AVX512(t)
		case 2:
			gemmI8x2x16AVX512(t)
		case 1:
			gemmI8x1x16AVX512(t)
		}
		return
	}
	switch mr {
	case 12:
		gemmI8x12x32AVX512(t)
	case 9:
		gemmI8x9x32AVX512(t)
	case 8:
		gemmI8x8x32AVX512(t)
	case 4:
		gemmI8x4x32AVX512(t)
	case 2:
		gemmI8x2x32AVX512(t)
	case 1:
		gemmI8x1x32AVX512(t)
	}
}

func tileI8AVX2(t *tileI8, mr int, half bool) {
	if half {
		switch mr {
		case 6:
			gemmI8x6x8AVX2(t)
		case 5:
			gemmI8x5x8AVX2(t)
		case 4:
			gemmI8x4x8AVX2(t)
		case 3:
			gemmI8x3x8AVX2(t)
		case 2:
			gemmI8x2x8AVX2(t)
		case 1:
			gemmI8x1x8AVX2(t)
		}
		return
	}
	switch mr {
	case 6:
		gemmI8x6x16AVX2(t)
	case 5:
		gemmI8x5x16AVX2(t)
	case 4:
		gemmI8x4x16AVX2(t)
	case 3:
		gemmI8x3x16AVX2(t)
	case 2:
		gemmI8x2x16AVX2(t)
	case 1:
		gemmI8x1x16AVX2(t)
	}
}

// Tile kernels, rows x columns; see GemmI8Args.runGeneric for what they compute.

//go:noescape
func gemmI8x12x32AVX512(t *tileI8)

//go:noescape
func gemmI8x9x32AVX512(t *tileI8)

//go:noescape
func gemmI8x8x32AVX512(t *tileI8)

//go:noescape
func gemmI8x4x32AVX512(t *tileI8)

//go:noescape
func gemmI8x2x32AVX512(t *tileI8)

//go:noescape
func gemmI8x1x32AVX512(t *tileI8)

//go:noescape
func gemmI8x12x16AVX512(t *tileI8)

//go:noescape
func gemmI8x8x16AVX512(t *tileI8)

//go:noescape
func gemmI8x4x16AVX512(t *tileI8)

//go:noescape
func gemmI8x2x16AVX512(t *tileI8)

//go:noescape
func gemmI8x1x16AVX512(t *tileI8)

// Tile kernels, rows x columns; see GemmI8Args.runGeneric for what they compute.

//go:noescape
func gemmI8x6x16AVX2(t *tileI8)

//go:noescape
func gemmI8x5x16AVX2(t *tileI8)

//go:noescape
func gemmI8x4x16AVX2(t *tileI8)

//go:noescape
func gemmI8x3x16AVX2(t *tileI8)

//go:noescape
func gemmI8x2x16AVX2(t *tileI8)

//go:noescape
func gemmI8x1x16AVX2(t *tileI8)

//go:noescape
func gemmI8x6x8AVX2(t *tileI8)

//go:noescape
func gemmI8x5x8AVX2(t *tileI8)

//go:noescape
func gemmI8x4x8AVX2(t *tileI8)

//go:noescape
func gemmI8x3x8AVX2(t *tileI8)

//go:noescape
func gemmI8x2x8AVX2(t *tileI8)

//go:noescape
func gemmI8x1x8AVX2(t *tileI8)
