package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// interleave writes kern.interleave's loop: 16 bytes of each of four rows, of which the last may be the first again, put in
// turn by one permutation. The last block of a matrix ends with its last column.
func interleave(a *asm) {
	const dst, src, order, mats, cols, dstStep, srcStep, stride, row1, row2, row3, mask = 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88 // of kern.interleaveArgs
	a.fn("interleaveAVX512", "Interleave")
	t := a.arg(reg.RBX)
	to, from, left := reg.RSI, reg.RDI, reg.R8
	a.MOVQ(mem(t, order), reg.RAX)
	a.VMOVDQU64(mem(reg.RAX, 0), zs[1])
	a.MOVQ(mem(t, mask), reg.RAX)
	a.KMOVQ(reg.RAX, ks[0])
	a.MOVQ(mem(t, dst), to)
	a.MOVQ(mem(t, src), from)
	a.MOVQ(mem(t, mats), left)
	a.MOVQ(mem(t, row1), reg.R9)
	a.MOVQ(mem(t, row2), reg.R10)
	a.MOVQ(mem(t, row3), reg.R11)
	a.MOVQ(mem(t, cols), reg.R12)
	a.SUBQ(imm(16), reg.R12) // the last block's first column
	a.MOVQ(mem(t, stride), reg.R13)
	matrix, block, next := a.label("matrix"), a.label("block"), a.label("next")
	a.Label(matrix)
	a.XORQ(reg.RAX, reg.RAX)
	a.Label(block)
	a.LEAQ(memx(from, reg.RAX, 1, 0), reg.RCX)
	a.VMOVDQU(mem(reg.RCX, 0), xs[0])
	a.VINSERTI32X4(imm(1), memx(reg.RCX, reg.R9, 1, 0), zs[0], zs[0])
	a.VINSERTI32X4(imm(2), memx(reg.RCX, reg.R10, 1, 0), zs[0], zs[0])
	a.VINSERTI32X4(imm(3), memx(reg.RCX, reg.R11, 1, 0), zs[0], zs[0])
	a.VPERMB(zs[0], zs[1], zs[0])
	a.MOVQ(reg.RAX, reg.RDX)
	a.IMULQ(reg.R13, reg.RDX)
	a.VMOVDQU8(zs[0], ks[0], memx(to, reg.RDX, 1, 0))
	a.CMPQ(reg.RAX, reg.R12)
	a.JEQ(operand.LabelRef(next))
	a.ADDQ(imm(16), reg.RAX)
	a.CMPQ(reg.RAX, reg.R12)
	a.CMOVQGT(reg.R12, reg.RAX)
	a.JMP(operand.LabelRef(block))
	a.Label(next)
	a.ADDQ(mem(t, dstStep), to)
	a.ADDQ(mem(t, srcStep), from)
	a.DECQ(left)
	a.JNZ(operand.LabelRef(matrix))
	a.VZEROUPPER()
	a.RET()
}
