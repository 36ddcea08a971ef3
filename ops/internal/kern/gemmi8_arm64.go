//go:build !purego

package kern

import "unsafe"

// tile runs one tile of mr rows. A panel that is not whole goes through a block of its own: the kernels know whole ones.
func (g *GemmI8) tile(t *tileI8, mr int, _ bool) {
	if t.n == g.NR {
		g.whole(t, mr)
		return
	}
	var block [64]byte
	whole := *t
	whole.c, whole.ldc = &block[0], g.NR
	g.whole(&whole, mr)
	for i := range mr {
		copy(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(t.c), i*t.ldc)), t.n), block[i*g.NR:])
	}
}

// whole runs a tile of all columns.
func (g *GemmI8) whole(t *tileI8, mr int) {
	switch g.Group {
	case 8:
		tileI8MMLA(t, mr)
	case 4:
		tileI8SDOT(t, mr)
	default:
		tileI8MLAL(t, mr)
	}
}

// widenRows is for forms of 16-bit rows, of which there is none.
func (g *GemmI8) widenRows(*tileI8) {}

// rowSums adds up what each row of a tile reads, as the signed numbers that the kernels see.
func (g *GemmI8) rowSums(t *tileI8) { gemmI8RowSumsNEON(t) }

//go:noescape
func gemmI8RowSumsNEON(t *tileI8)

func tileI8MMLA(t *tileI8, mr int) {
	switch mr {
	case 8:
		gemmI8x8x8MMLA(t)
	case 7:
		gemmI8x7x8MMLA(t)
	case 6:
		gemmI8x6x8MMLA(t)
	case 5:
		gemmI8x5x8MMLA(t)
	case 4:
		gemmI8x4x8MMLA(t)
	case 3:
		gemmI8x3x8MMLA(t)
	case 2:
		gemmI8x2x8MMLA(t)
	case 1:
		gemmI8x1x8MMLA(t)
	}
}

func tileI8SDOT(t *tileI8, mr int) {
	switch mr {
	case 8:
		gemmI8x8x8SDOT(t)
	case 7:
		gemmI8x7x8SDOT(t)
	case 6:
		gemmI8x6x8SDOT(t)
	case 5:
		gemmI8x5x8SDOT(t)
	case 4:
		gemmI8x4x8SDOT(t)
	case 3:
		gemmI8x3x8SDOT(t)
	case 2:
		gemmI8x2x8SDOT(t)
	case 1:
		gemmI8x1x8SDOT(t)
	}
}

func tileI8MLAL(t *tileI8, mr int) {
	switch mr {
	case 8:
		gemmI8x8x8MLAL(t)
	case 7:
		gemmI8x7x8MLAL(t)
	case 6:
		gemmI8x6x8MLAL(t)
	case 5:
		gemmI8x5x8MLAL(t)
	case 4:
		gemmI8x4x8MLAL(t)
	case 3:
		gemmI8x3x8MLAL(t)
	case 2:
		gemmI8x2x8MLAL(t)
	case 1:
		gemmI8x1x8MLAL(t)
	}
}

// Tile kernels, rows x columns; see GemmI8Args.runGeneric for what they compute.

//go:noescape
func gemmI8x8x8MMLA(t *tileI8)

//go:noescape
func gemmI8x7x8MMLA(t *tileI8)

//go:noescape
func gemmI8x6x8MMLA(t *tileI8)

//go:noescape
func gemmI8x5x8MMLA(t *tileI8)

//go:noescape
func gemmI8x4x8MMLA(t *tileI8)

//go:noescape
func gemmI8x3x8MMLA(t *tileI8)

//go:noescape
func gemmI8x2x8MMLA(t *tileI8)

//go:noescape
func gemmI8x1x8MMLA(t *tileI8)

//go:noescape
func gemmI8x8x8SDOT(t *tileI8)

//go:noescape
func gemmI8x7x8SDOT(t *tileI8)

//go:noescape
func gemmI8x6x8SDOT(t *tileI8)

//go:noescape
func gemmI8x5x8SDOT(t *tileI8)

//go:noescape
func gemmI8x4x8SDOT(t *tileI8)

//go:noescape
func gemmI8x3x8SDOT(t *tileI8)

//go:noescape
func gemmI8x2x8SDOT(t *tileI8)

//go:noescape
func gemmI8x1x8SDOT(t *tileI8)

//go:noescape
func gemmI8x8x8MLAL(t *tileI8)

//go:noescape
func gemmI8x7x8MLAL(t *tileI8)

//go:noescape
func gemmI8x6x8MLAL(t *tileI8)

//go:noescape
func gemmI8x5x8MLAL(t *tileI8)

//go:noescape
func gemmI8x4x8MLAL(t *tileI8)

//go:noescape
func gemmI8x3x8MLAL(t *tileI8)

//go:noescape
func gemmI8x2x8MLAL(t *tileI8)

//go:noescape
func gemmI8x1x8MLAL(t *tileI8)
