package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.planes16.
const (
	p16A, p16B, p16C, p16Bias          = 0, 8, 16, 24
	p16Planes, p16Biased, p16Rows      = 32, 40, 48
	p16StrideA, p16StrideB, p16StrideC = 56, 64, 72
)

// gemm16 writes products of 16 by 16 for many planes in one call: the weights of a plane lie in half of the registers, and
// rows pass by, four at a time. An element takes its products in the order of gemmF32's.
func gemm16(a *asm) {
	a.fn("gemmPlanes16AVX512", "planes16.generic")
	t := a.arg(reg.RBX)
	x, b, c, planes, biased := reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10
	row, to, rows := reg.RAX, reg.RDX, reg.RCX
	a.MOVQ(mem(t, p16A), x)
	a.MOVQ(mem(t, p16B), b)
	a.MOVQ(mem(t, p16C), c)
	a.MOVQ(mem(t, p16Planes), planes)
	a.MOVQ(mem(t, p16Biased), biased)
	start := zs[8]
	plane, plain, four, rest, one, done := a.label("plane"), a.label("plain"), a.label("four"), a.label("rest"), a.label("one"), a.label("done")
	a.Label(plane)
	for k := range 16 {
		a.VMOVUPS(mem(b, 64*k), zs[16+k])
	}
	a.VPXORD(start, start, start)
	a.TESTQ(biased, biased)
	a.JNE(operand.LabelRef(plain))
	a.MOVQ(mem(t, p16Bias), row)
	a.TESTQ(row, row)
	a.JEQ(operand.LabelRef(plain))
	a.VMOVUPS(mem(row, 0), start)
	a.Label(plain)
	a.DECQ(biased)
	a.MOVQ(x, row)
	a.MOVQ(c, to)
	a.MOVQ(mem(t, p16Rows), rows)
	a.Label(four)
	a.SUBQ(imm(4), rows)
	a.JLT(operand.LabelRef(rest))
	product := func(n int) {
		for i := range n {
			a.VMOVAPS(start, zs[i])
		}
		for k := range 16 {
			for i := range n {
				a.VFMADD231PS_BCST(mem(row, 64*i+4*k), zs[16+k], zs[i])
			}
		}
		for i := range n {
			a.VMOVUPS(zs[i], mem(to, 64*i))
		}
		a.ADDQ(imm(64*n), row)
		a.ADDQ(imm(64*n), to)
	}
	product(4)
	a.JMP(operand.LabelRef(four))
	a.Label(rest)
	a.ADDQ(imm(4), rows)
	a.Label(one)
	a.DECQ(rows)
	a.JLT(operand.LabelRef(done))
	product(1)
	a.JMP(operand.LabelRef(one))
	a.Label(done)
	a.ADDQ(mem(t, p16StrideA), x)
	a.ADDQ(mem(t, p16StrideB), b)
	a.ADDQ(mem(t, p16StrideC), c)
	a.DECQ(planes)
	a.JNZ(operand.LabelRef(plane))
	a.VZEROUPPER()
	a.RET()
}
