package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.packTile and kern.winoPack.
const (
	packDst, packSrc, packLD, packWidth, packGroups = 0, 8, 16, 24, 32
	wpDst, wpSrc, wpPlane, wpTap, wpN               = 0, 8, 16, 24, 32
)

// packF32 writes what lays weights out for products: transposed columns, and Winograd's transform of them.
func packF32(a *asm, v isa) {
	packColumns(a, v)
	table := a.StaticGlobal("winoPackTable")
	a.DataAttributes(build.RODATA | build.NOPTR)
	consts := []float32{.5, .25, -(float32(1) / 6), float32(1) / 6, float32(1) / 12, float32(1) / 24}
	for i, c := range consts {
		for l := range v.lanes {
			a.AddDatum(i*v.bytes()+4*l, operand.U32(math.Float32bits(c)))
		}
	}
	c := func(i int) operand.Mem { return table.Offset(i * v.bytes()) }
	winoWeights(a, v, 2, c)
	winoWeights(a, v, 4, c)
}

// packColumns transposes as many columns as a vector has lanes, four of their elements at a time: a vector holds those four
// of columns r, r+4, r+8 ..., and two rounds of unpacking turn four such vectors into four rows.
func packColumns(a *asm, v isa) {
	a.fn("packColumns"+v.suffix, "packColumnsGeneric")
	t := a.arg(reg.RAX)
	src, dst, ld, width, n := reg.RSI, reg.RDI, reg.R8, reg.R9, reg.RCX
	a.MOVQ(mem(t, packSrc), src)
	a.MOVQ(mem(t, packDst), dst)
	a.MOVQ(mem(t, packLD), ld)
	a.MOVQ(mem(t, packWidth), width)
	a.MOVQ(mem(t, packGroups), n)
	ld3, width3 := reg.R10, reg.R11
	a.LEAQ(memx(ld, ld, 2, 0), ld3)
	a.LEAQ(memx(width, width, 2, 0), width3)
	// Columns 4i to 4i+3 start at base i.
	bases := []reg.GPPhysical{src, reg.R12, reg.R13, reg.RBX}[:v.lanes/4]
	for i, b := range bases[1:] {
		a.LEAQ(memx(bases[i], ld, 4, 0), b)
	}
	loop := a.label("loop")
	a.Label(loop)
	for r := range 4 {
		at := func(b reg.Register) operand.Mem {
			if r == 3 {
				return memx(b, ld3, 1, 0)
			}
			m := mem(b, 0)
			if r > 0 {
				m.Index, m.Scale = ld, uint8(r)
			}
			return m
		}
		x := []reg.VecPhysical{reg.X0, reg.X1, reg.X2, reg.X3}[r]
		a.VMOVUPS(at(bases[0]), x)
		for i, b := range bases[1:] {
			if v.wide() {
				a.VINSERTF32X4(imm(i+1), at(b), v.reg(r), v.reg(r))
			} else {
				a.VINSERTF128(imm(i+1), at(b), v.reg(r), v.reg(r))
			}
		}
	}
	a.VUNPCKLPS(v.reg(1), v.reg(0), v.reg(4))
	a.VUNPCKHPS(v.reg(1), v.reg(0), v.reg(5))
	a.VUNPCKLPS(v.reg(3), v.reg(2), v.reg(6))
	a.VUNPCKHPS(v.reg(3), v.reg(2), v.reg(7))
	a.VUNPCKLPD(v.reg(6), v.reg(4), v.reg(0))
	a.VUNPCKHPD(v.reg(6), v.reg(4), v.reg(1))
	a.VUNPCKLPD(v.reg(7), v.reg(5), v.reg(2))
	a.VUNPCKHPD(v.reg(7), v.reg(5), v.reg(3))
	a.VMOVUPS(v.reg(0), mem(dst, 0))
	a.VMOVUPS(v.reg(1), memx(dst, width, 1, 0))
	a.VMOVUPS(v.reg(2), memx(dst, width, 2, 0))
	a.VMOVUPS(v.reg(3), memx(dst, width3, 1, 0))
	a.LEAQ(memx(dst, width, 4, 0), dst)
	for _, b := range bases {
		a.ADDQ(imm(16), b)
	}
	a.DECQ(n)
	a.JNZ(operand.LabelRef(loop))
	a.VZEROUPPER()
	a.RET()
}

// winoWeights writes U = G g Gᵀ for vectors of channel pairs: for each row of G, the three columns, then that row of planes.
func winoWeights(a *asm, v isa, m int, c func(int) operand.Mem) {
	n := m + 2
	a.fn(fmt.Sprintf("winoWeights%d%s", m, v.suffix), "winoWeightsGeneric")
	t := a.arg(reg.RAX)
	src, dst, plane, tap, count := reg.RSI, reg.RDI, reg.R8, reg.R9, reg.RCX
	a.MOVQ(mem(t, wpSrc), src)
	a.MOVQ(mem(t, wpDst), dst)
	a.MOVQ(mem(t, wpPlane), plane)
	a.MOVQ(mem(t, wpTap), tap)
	a.MOVQ(mem(t, wpN), count)
	rows := []reg.GPPhysical{src, reg.R10, reg.R11} // taps 0, 3 and 6
	step := reg.R12                                 // from one plane of a row to the next
	a.LEAQ(memx(tap, tap, 2, 0), reg.RDX)
	a.LEAQ(memx(src, reg.RDX, 1, 0), reg.R10)
	a.LEAQ(memx(src, reg.RDX, 2, 0), reg.R11)
	a.IMUL3Q(imm(n), plane, step)
	loop := a.label("loop")
	a.Label(loop)
	to, row := reg.R13, reg.RBX
	a.MOVQ(dst, row)
	for i := range n {
		var h [3]reg.VecPhysical
		for x := range 3 {
			h[x] = v.reg(x)
			var g [3]operand.Mem
			for y := range 3 {
				g[y] = mem(rows[y], 0)
				if x > 0 {
					g[y].Index, g[y].Scale = tap, uint8(x)
				}
			}
			winoGRow(a, v, m, i, g, h[x], c)
		}
		a.MOVQ(row, to)
		for _, r := range winoGAll(a, v, m, h, c) {
			a.VMOVUPS(r, mem(to, 0))
			a.ADDQ(step, to)
		}
		a.ADDQ(plane, row)
	}
	for _, r := range append(rows, dst) {
		a.ADDQ(imm(v.bytes()), r)
	}
	a.DECQ(count)
	a.JNZ(operand.LabelRef(loop))
	a.VZEROUPPER()
	a.RET()
}

// winoGRow is row i of G times three vectors in memory, into h; registers 3 and 4 are free.
func winoGRow(a *asm, v isa, m, i int, g [3]operand.Mem, h reg.VecPhysical, c func(int) operand.Mem) {
	x := v.reg(3)
	switch {
	case i == 0:
		a.VMOVUPS(g[0], h)
		if m == 4 {
			a.VMULPS(c(1), h, h)
		}
	case i == m+1:
		a.VMOVUPS(g[2], h)
	case i <= 2: // (a + c ± b) times a constant; halves are exact, so for m = 2 the order does not matter
		a.VMOVUPS(g[0], h)
		a.VADDPS(g[2], h, h)
		if m == 2 {
			a.VMULPS(c(0), h, h)
			a.VMOVUPS(g[1], x)
			a.VMULPS(c(0), x, x)
			plusMinus(a, i == 1, x, h)
			return
		}
		a.VMOVUPS(g[1], x)
		plusMinus(a, i == 1, x, h)
		a.VMULPS(c(2), h, h)
	default: // (a/24 + c/6) ± b/12
		a.VMOVUPS(g[0], h)
		a.VMULPS(c(5), h, h)
		a.VMOVUPS(g[2], x)
		a.VMULPS(c(3), x, x)
		a.VADDPS(x, h, h)
		a.VMOVUPS(g[1], x)
		a.VMULPS(c(4), x, x)
		plusMinus(a, i == 3, x, h)
	}
}

// plusMinus is h + x or h - x.
func plusMinus(a *asm, plus bool, x, h reg.VecPhysical) {
	if plus {
		a.VADDPS(x, h, h)
	} else {
		a.VSUBPS(x, h, h)
	}
}

// winoGAll is G times three registers.
func winoGAll(a *asm, v isa, m int, h [3]reg.VecPhysical, c func(int) operand.Mem) []reg.VecPhysical {
	r := v.reg
	if m == 2 {
		a.VADDPS(h[2], h[0], r(3))
		a.VMULPS(c(0), r(3), r(3))
		a.VMULPS(c(0), h[1], r(4))
		a.VADDPS(r(4), r(3), r(5))
		a.VSUBPS(r(4), r(3), r(6))
		return []reg.VecPhysical{h[0], r(5), r(6), h[2]}
	}
	a.VMULPS(c(1), h[0], r(3))
	a.VADDPS(h[2], h[0], r(4))
	a.VADDPS(h[1], r(4), r(5))
	a.VMULPS(c(2), r(5), r(5))
	a.VSUBPS(h[1], r(4), r(6))
	a.VMULPS(c(2), r(6), r(6))
	a.VMULPS(c(5), h[0], r(7))
	a.VMULPS(c(3), h[2], r(8))
	a.VADDPS(r(8), r(7), r(7)) // a/24 + c/6
	a.VMULPS(c(4), h[1], r(8))
	a.VADDPS(r(8), r(7), r(9))
	a.VSUBPS(r(8), r(7), r(10))
	return []reg.VecPhysical{r(3), r(5), r(6), r(9), r(10), h[2]}
}
