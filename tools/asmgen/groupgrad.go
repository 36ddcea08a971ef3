package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.groupLines.
const (
	glA, glB, glDst, glOrder, glLines, glPitchA, glPitch = 0, 8, 16, 24, 32, 40, 48
)

// groupGrad writes the loops of convolutions in narrow groups going back: over lines of 16 channels, four of a group's
// inputs at a time, which a permutation hands to each lane. Vectors: 0..7 sums or, to 3, weights, 8..11 what is handed,
// 12 and 13 lines of A, 28..31 the permutations.
func groupGrad(a *asm) {
	g := &groupLoop{a}
	g.dot()
	g.axpy()
}

type groupLoop struct{ *asm }

func (g *groupLoop) start(name string) (a, b, dst, lines reg.GPPhysical) {
	g.fn(name+"AVX512", "GroupLines.runGeneric")
	t := g.arg(reg.RBX)
	a, b, dst, lines = reg.RSI, reg.RDI, reg.R9, reg.R10
	g.MOVQ(mem(t, glA), a)
	g.MOVQ(mem(t, glB), b)
	g.MOVQ(mem(t, glDst), dst)
	g.MOVQ(mem(t, glOrder), reg.R8)
	g.MOVQ(mem(t, glLines), lines)
	g.MOVQ(mem(t, glPitchA), reg.R11)
	g.MOVQ(mem(t, glPitch), reg.R12)
	for i := range 4 {
		g.VMOVDQU32(mem(reg.R8, 64*i), zs[28+i])
	}
	return a, b, dst, lines
}

// dot has sums of even lines and of odd ones, which would wait for each other.
func (g *groupLoop) dot() {
	a, b, dst, lines := g.start("groupDot")
	for i := range 8 {
		g.VPXORD(zs[i], zs[i], zs[i])
	}
	line := func(s int) {
		g.VMOVUPS(mem(a, 0), zs[12+s])
		for i := range 4 {
			g.VPERMPS(mem(b, 0), zs[28+i], zs[8+i])
			g.VFMADD231PS(zs[8+i], zs[12+s], zs[4*s+i])
		}
		g.ADDQ(reg.R11, a)
		g.ADDQ(reg.R12, b)
	}
	two, one, end := g.label("two"), g.label("one"), g.label("end")
	g.Label(two)
	g.SUBQ(imm(2), lines)
	g.JLT(operand.LabelRef(one))
	line(0)
	line(1)
	g.JMP(operand.LabelRef(two))
	g.Label(one)
	g.ADDQ(imm(2), lines)
	g.JZ(operand.LabelRef(end))
	line(0)
	g.Label(end)
	for i := range 4 {
		g.VADDPS(zs[4+i], zs[i], zs[i])
		g.VADDPS(mem(dst, 64*i), zs[i], zs[i])
		g.VMOVUPS(zs[i], mem(dst, 64*i))
	}
	g.VZEROUPPER()
	g.RET()
}

func (g *groupLoop) axpy() {
	a, b, dst, lines := g.start("groupAxpy")
	for i := range 4 {
		g.VMOVUPS(mem(b, 64*i), zs[i])
	}
	loop := g.label("line")
	g.Label(loop)
	g.VMOVUPS(mem(dst, 0), zs[12])
	for i := range 4 {
		g.VPERMPS(mem(a, 0), zs[28+i], zs[8+i])
		g.VFMADD231PS(zs[8+i], zs[i], zs[12])
	}
	g.VMOVUPS(zs[12], mem(dst, 0))
	g.ADDQ(reg.R11, a)
	g.ADDQ(reg.R12, dst)
	g.DECQ(lines)
	g.JNZ(operand.LabelRef(loop))
	g.VZEROUPPER()
	g.RET()
}
