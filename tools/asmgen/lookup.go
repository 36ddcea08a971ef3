package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// lookupBytes writes kern.Lookup's rows: of each byte the lower seven bits pick one of the first 128 entries and one of the
// last, of which its top bit takes one. The last vector of a row is masked.
func lookupBytes(a *asm) {
	const dst, src, table, rows, n, dstPitch, srcPitch = 0, 8, 16, 24, 32, 40, 48 // of kern.lookupArgs
	a.fn("lookupBytesAVX512", "Lookup")
	t := a.arg(reg.RBX)
	to, from, toPitch, fromPitch, left := reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10
	a.MOVQ(mem(t, table), reg.RAX)
	for i := range 4 {
		a.VMOVDQU64(mem(reg.RAX, 64*i), zs[i])
	}
	a.MOVQ(mem(t, dst), to)
	a.MOVQ(mem(t, src), from)
	a.MOVQ(mem(t, dstPitch), toPitch)
	a.MOVQ(mem(t, srcPitch), fromPitch)
	a.MOVQ(mem(t, rows), left)
	a.MOVQ(mem(t, n), reg.RCX) // of the last vector: shifts take it modulo 64
	a.MOVQ(operand.I32(-1), reg.RDX)
	a.SHLQ(reg.CL, reg.RDX)
	a.NOTQ(reg.RDX)
	a.KMOVQ(reg.RDX, ks[2])
	a.MOVQ(reg.RCX, reg.R11)
	a.ANDQ(operand.I8(-64), reg.R11) // bytes of whole vectors
	pick := func(x, y reg.VecPhysical) {
		a.VPMOVB2M(x, ks[0])
		a.VMOVDQA64(x, y)
		a.VPERMI2B(zs[1], zs[0], x)
		a.VPERMI2B(zs[3], zs[2], y)
		a.VMOVDQU8(y, ks[0], x)
	}
	row, vector, tail, next := a.label("row"), a.label("vector"), a.label("tail"), a.label("next")
	a.Label(row)
	a.XORQ(reg.RAX, reg.RAX)
	a.Label(vector)
	a.CMPQ(reg.RAX, reg.R11)
	a.JGE(operand.LabelRef(tail))
	a.VMOVDQU64(memx(from, reg.RAX, 1, 0), zs[4])
	pick(zs[4], zs[5])
	a.VMOVDQU64(zs[4], memx(to, reg.RAX, 1, 0))
	a.ADDQ(imm(64), reg.RAX)
	a.JMP(operand.LabelRef(vector))
	a.Label(tail)
	a.TESTQ(reg.RDX, reg.RDX)
	a.JZ(operand.LabelRef(next))
	a.VMOVDQU8_Z(memx(from, reg.RAX, 1, 0), ks[2], zs[4])
	pick(zs[4], zs[5])
	a.VMOVDQU8(zs[4], ks[2], memx(to, reg.RAX, 1, 0))
	a.Label(next)
	a.ADDQ(toPitch, to)
	a.ADDQ(fromPitch, from)
	a.DECQ(left)
	a.JNZ(operand.LabelRef(row))
	a.VZEROUPPER()
	a.RET()
}
