package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// Kernels add the other operand of a sum before they store.
var useGemmI8Add = cpu.VNNI && haveAsm

func init() { cpu.Register("gemmi8add/vnni", &useGemmI8Add) }

// GemmI8Sum is an addition behind a product, of which the product's result is x: the bits of storing it, then AddI8. The
// VNNI kernels of 8 and 12 rows add in registers where addWords can; else each tile is added to while it is in the first-level
// cache.
type GemmI8Sum struct {
	add   AddI8Args
	words *addWords // nil: no kernel adds this
}

// NewGemmI8Sum is the sum of a product with these zero point and limits and another operand.
func NewGemmI8Sum(add AddI8Args, zero, lo, hi int32) *GemmI8Sum {
	add.Prepare()
	s := &GemmI8Sum{add: add}
	up := int32(0)
	if !add.XSigned {
		up = 128
	}
	if add.words == nil || add.MX < 0 || lo-up != -128 || hi-up != 127 {
		return s
	}
	s.words = add.words
	fill(s.words.product[:], int16(zero-up))
	return s
}

// addInside makes the kernel of a tile of mr rows at row m and column n add, where it can.
func (a *GemmI8Args) addInside(g *GemmI8, t *tileI8, m, n, mr int) bool {
	t.add = nil
	if a.Sum.words == nil || !useGemmI8Add || g.isa != isaAVX512 || mr != 12 && mr != 8 || t.n != g.NR {
		return false
	}
	t.add, t.res, t.ldr = a.Sum.words, &a.Res[m*a.LDR+n], a.LDR
	return true
}

// addRows adds to rows that the product has been stored to.
func (a *GemmI8Args) addRows(m0, m1, n0, n1 int) {
	for m := m0; m < m1; m++ {
		c := a.C[m*a.LDC:][n0:n1]
		AddI8(c, c, a.Res[m*a.LDR:][n0:n1], &a.Sum.add)
	}
}
