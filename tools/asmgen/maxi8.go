package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.maxI8Tile.
const (
	miDst, miX, miChannels, miRows, miCols            = 0, 8, 16, 24, 32
	miRowStride, miColStride, miPixels, miIn, miOutTo = 40, 48, 56, 64, 72
)

// maxI8 writes the maxima of windows over bytes: for each pixel, and each block of channels as wide as a register, the taps in
// turn. The last block ends with the last channel and may overlap the one before it, so there are at least as many
// channels as a block has.
func maxI8(a *asm) {
	for _, v := range []struct {
		suffix string
		width  int
		r      reg.VecPhysical
	}{{"x32", 32, reg.Y0}, {"x16", 16, reg.X0}} {
		for _, signed := range []bool{false, true} {
			name, larger := "maxU8", func(m operand.Mem) { a.VPMAXUB(m, v.r, v.r) }
			if signed {
				name, larger = "maxS8", func(m operand.Mem) { a.VPMAXSB(m, v.r, v.r) }
			}
			maxI8Loop(a, name+v.suffix, v.width, v.r, larger)
		}
	}
}

func maxI8Loop(a *asm, name string, width int, r reg.VecPhysical, larger func(operand.Mem)) {
	a.fn(name+"AVX2", "MaxPoolI8's plain loop in maxi8.go")
	t := a.arg(reg.RBX)
	a.MOVQ(mem(t, miX), reg.R8)
	a.MOVQ(mem(t, miDst), reg.R9)
	a.MOVQ(mem(t, miRowStride), reg.R10)
	a.MOVQ(mem(t, miColStride), reg.R11)
	a.MOVQ(mem(t, miPixels), reg.R12)
	a.MOVQ(mem(t, miChannels), reg.RAX)
	a.SUBQ(imm(width), reg.RAX) // where the last block starts
	a.XORQ(reg.R15, reg.R15)    // 1: windows of 3 x 3, the usual ones, whose taps follow each other without loops
	a.CMPQ(mem(t, miRows), imm(3))
	pixel, block, row, col, next := a.label("pixel"), a.label("block"), a.label("row"), a.label("col"), a.label("next")
	store := a.label("store")
	a.JNE(operand.LabelRef(pixel))
	a.CMPQ(mem(t, miCols), imm(3))
	a.JNE(operand.LabelRef(pixel))
	a.INCQ(reg.R15)
	a.Label(pixel)
	a.XORQ(reg.RSI, reg.RSI) // channel
	a.Label(block)
	a.LEAQ(memx(reg.R8, reg.RSI, 1, 0), reg.R13)
	a.VMOVDQU(mem(reg.R13, 0), r)
	loops := a.label("loops")
	a.TESTQ(reg.R15, reg.R15)
	a.JZ(operand.LabelRef(loops))
	for i := range 3 {
		if i > 0 {
			larger(mem(reg.R13, 0))
		}
		larger(memx(reg.R13, reg.R11, 1, 0))
		larger(memx(reg.R13, reg.R11, 2, 0))
		a.ADDQ(reg.R10, reg.R13)
	}
	a.JMP(operand.LabelRef(store))
	a.Label(loops)
	a.MOVQ(mem(t, miRows), reg.RDX)
	a.Label(row)
	a.MOVQ(reg.R13, reg.RDI)
	a.MOVQ(mem(t, miCols), reg.RCX)
	a.Label(col)
	larger(mem(reg.RDI, 0))
	a.ADDQ(reg.R11, reg.RDI)
	a.DECQ(reg.RCX)
	a.JNE(operand.LabelRef(col))
	a.ADDQ(reg.R10, reg.R13)
	a.DECQ(reg.RDX)
	a.JNE(operand.LabelRef(row))
	a.Label(store)
	a.VMOVDQU(r, memx(reg.R9, reg.RSI, 1, 0))
	a.CMPQ(reg.RSI, reg.RAX)
	a.JEQ(operand.LabelRef(next))
	a.ADDQ(imm(width), reg.RSI)
	a.CMPQ(reg.RSI, reg.RAX)
	a.CMOVQGT(reg.RAX, reg.RSI)
	a.JMP(operand.LabelRef(block))
	a.Label(next)
	a.ADDQ(mem(t, miIn), reg.R8)
	a.ADDQ(mem(t, miOutTo), reg.R9)
	a.DECQ(reg.R12)
	a.JNE(operand.LabelRef(pixel))
	a.VZEROUPPER()
	a.RET()
}
