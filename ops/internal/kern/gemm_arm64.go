//go:build !purego

package kern

import "unsafe"

const haveAsm, haveNEON = false, true

func tilesAVX2(*tileF32) { panic("kern: BUG: AVX2 on another processor") }

// tile runs one tile of mr rows. A panel that is not whole goes through a block of its own: the kernels know whole ones.
func (g *GemmF32) tile(t *tileF32, mr int, _ bool) {
	if t.n == g.NR {
		tileNEON(t, mr)
		return
	}
	var bias, block [64]float32
	whole := *t
	whole.res, whole.c, whole.ldc = nil, &block[0], 4*g.NR
	whole.min, whole.max = negInf, posInf
	if t.bias != nil {
		copy(bias[:], unsafe.Slice(t.bias, t.n))
		whole.bias = &bias[0]
	}
	tileNEON(&whole, mr)
	for i := range mr {
		c := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(t.c), i*t.ldc)), t.n)
		for j := range c {
			v := block[i*g.NR+j]
			if t.res != nil {
				v += *(*float32)(unsafe.Add(unsafe.Pointer(t.res), i*t.ldr+4*j))
			}
			c[j] = clampF32(v, t.min, t.max)
		}
	}
}

func (g *GemmF32) row(t *tileF32) {
	panic("kern: BUG: NEON has no kernel for a single row of several panels")
}

func tileNEON(t *tileF32, mr int) {
	switch mr {
	case 8:
		gemmF32x8x8NEON(t)
	case 7:
		gemmF32x7x8NEON(t)
	case 6:
		gemmF32x6x8NEON(t)
	case 5:
		gemmF32x5x8NEON(t)
	case 4:
		gemmF32x4x8NEON(t)
	case 3:
		gemmF32x3x8NEON(t)
	case 2:
		gemmF32x2x8NEON(t)
	case 1:
		gemmF32x1x8NEON(t)
	}
}

// Tile kernels, rows x columns; see GemmF32Args.runGeneric for what they compute.

//go:noescape
func gemmF32x8x8NEON(t *tileF32)

//go:noescape
func gemmF32x7x8NEON(t *tileF32)

//go:noescape
func gemmF32x6x8NEON(t *tileF32)

//go:noescape
func gemmF32x5x8NEON(t *tileF32)

//go:noescape
func gemmF32x4x8NEON(t *tileF32)

//go:noescape
func gemmF32x3x8NEON(t *tileF32)

//go:noescape
func gemmF32x2x8NEON(t *tileF32)

//go:noescape
func gemmF32x1x8NEON(t *tileF32)
