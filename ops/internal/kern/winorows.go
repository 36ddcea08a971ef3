package kern

import (
	"unsafe"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// What a tile kernel of GemmF32 does before its first product and behind its last takes a tenth of the time of a depth of
// 64, and the rows of a plane of Winograd's products come from the second-level cache just when they are needed. So all
// tiles of a plane are one call, which sets once what they share, asks for the rows of the next tile and stores results
// between the last products of a tile.

var useWinoRowsAVX512 = cpu.AVX512 && haveAsm

func init() { cpu.RegisterFor("winorows/avx512", &useWinoRowsAVX512, cpu.Intel) }

// winoRows is products of groups of rows, for panels of 32 columns. The last group ends with the rows: some of it may be
// computed twice. Assembly knows the offsets (see TestWinoRowsLayout). Distances are in bytes.
type winoRows struct {
	a            *float32
	lda          int
	b            *float32
	c            *float32
	ldc          int
	bias         *float32 // or nil
	depth        int      // even, 6 at least
	panels       int
	groups       int
	backA, backC int     // from where the last group would start to where it does
	near         uintptr // what a panel's groups will read, from the second one on
	nearStep     int     // of near, for every two of depth
	aheadStep    int     // as nearStep, of the panel behind
}

// winoTall and winoLow are the rows of a group.
const winoTall, winoLow = 10, 8

// hasRows says that runRows is there for such a product.
func (g *GemmF32) hasRows(a *GemmF32Args, rows, n0, n1 int) bool {
	return useWinoRowsAVX512 && g.isa == isaAVX512 && rows >= winoLow && a.KC >= 6 && a.KC%2 == 0 && n0%g.NR == 0 && n1%g.NR == 0 && n0 < n1
}

func roundRows(n, to int) int { return (n + to - 1) / to * to }

// winoHeight is the rows of a group, of so many rows.
func winoHeight(rows, lda int) int {
	if rows < winoTall || roundRows(rows, winoLow) < roundRows(rows, winoTall) || lda%aliasing == 0 {
		return winoLow
	}
	return winoTall
}

// Rows is how many rows of a plane are computed for a block of so many tiles.
func (w *WinogradF32) Rows(tiles int) int {
	a := GemmF32Args{KC: w.IC}
	if w.Fly || w.Pairs != nil || !w.Gemm.hasRows(&a, tiles, 0, w.OC) {
		return tiles
	}
	return roundRows(tiles, winoHeight(tiles, w.IC))
}

// runRows is Run for rows from 0 on without a table, residual and clamp; false where it is not there. Bits are the same.
func (g *GemmF32) runRows(a *GemmF32Args, rows, n0, n1 int) bool {
	if !g.hasRows(a, rows, n0, n1) {
		return false
	}
	a.check(g, 0, rows, n0, n1)
	h := winoHeight(rows, a.LDA)
	groups := (rows + h - 1) / h
	t := winoRows{
		a: &a.A[0], lda: 4 * a.LDA, b: &a.B[n0*a.KC], c: &a.C[n0], ldc: 4 * a.LDC, depth: a.KC, panels: (n1 - n0) / g.NR, groups: groups,
		nearStep: 2 * 4 * h, aheadStep: (2*4*g.NR + groups - 1) / groups,
	}
	t.backA, t.backC = (groups*h-rows)*t.lda, (groups*h-rows)*t.ldc
	t.near = uintptr(unsafe.Pointer(t.a)) + uintptr(h*t.lda)
	if a.Bias != nil {
		t.bias = &a.Bias[n0]
	}
	winoRowsGroups(&t, h)
	return true
}
