//go:build !purego

package kern

import "unsafe"

// tile runs one tile of mr rows; half says that the panel is Half columns wide.
func (g *GemmI8) tile(t *tileI8, mr int, half bool) {
	if mr == 9 && !half && g.isa == isaAVX512 {
		gemmI8x9x32AVX512(t)
		return
	}
	n := g.tallest(mr)
	if n == mr {
		g.tileRows(t, n, half)
		return
	}
	for u := *t; ; n = g.tallest(mr) {
		v := u // kernels go from panel to panel in it
		g.tileRows(&v, n, half)
		if mr -= n; mr == 0 {
			return
		}
		u.rows = (*int32)(unsafe.Add(unsafe.Pointer(u.rows), 4*n))
		u.sums = (*int32)(unsafe.Add(unsafe.Pointer(u.sums), 4*n))
		u.wide = (*byte)(unsafe.Add(unsafe.Pointer(u.wide), u.stride*n))
		u.c = (*byte)(unsafe.Add(unsafe.Pointer(u.c), u.ldc*n))
	}
}

// tallest is how many of mr rows the tallest kernel has.
func (g *GemmI8) tallest(mr int) int {
	switch {
	case g.isa == isaAVX512:
		return fewRows(mr)
	case mr >= 6:
		return 6
	}
	return min(fewRows(mr), 4)
}

// tileRows runs a kernel of mr rows.
func (g *GemmI8) tileRows(t *tileI8, mr int, half bool) {
	if g.isa == isaAVX512 {
		tileI8AVX512(t, mr, half)
	} else {
		tileI8AVX2(t, mr, half)
	}
}

// widenRows makes 16-bit numbers of what a tile's rows read.
func (g *GemmI8) widenRows(t *tileI8) { widenRowsAVX2(t) }

//go:noescape
func widenRowsAVX2(t *tileI8)

// rowSums adds up what each row of a tile reads.
func (g *GemmI8) rowSums(t *tileI8) {
	if g.isa == isaAVX512 {
		rowSumsAVX512(t)
		return
	}
	sums, rows := unsafe.Slice(t.sums, t.mr), unsafe.Slice(t.rows, g.MR*(t.taps-1)+t.mr)
	for i := range sums {
		sums[i] = 0
		for tap := range t.taps {
			p := t.zero
			if o := rows[g.MR*tap+i]; o >= 0 {
				p = (*byte)(unsafe.Add(unsafe.Pointer(t.a), o))
			}
			sum, _ := sumsI8(unsafe.Slice(p, t.kc), t.flip != 0)
			sums[i] += int32(sum) + 128*int32(t.kc)
		}
	}
}

// See runGeneric, which sums as it goes.
//
//go:noescape
func rowSumsAVX512(t *tileI8)

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

func tileI8AVX512(t *tileI8, mr int, half bool) {
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
		case 4:
			gemmI8x4x8AVX2(t)
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
	case 4:
		gemmI8x4x16AVX2(t)
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
func gemmI8x4x16AVX2(t *tileI8)

//go:noescape
func gemmI8x2x16AVX2(t *tileI8)

//go:noescape
func gemmI8x1x16AVX2(t *tileI8)

//go:noescape
func gemmI8x6x8AVX2(t *tileI8)

//go:noescape
func gemmI8x4x8AVX2(t *tileI8)

//go:noescape
func gemmI8x2x8AVX2(t *tileI8)

//go:noescape
func gemmI8x1x8AVX2(t *tileI8)
