package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// decodeWeights writes what package quant decodes by: with instructions that every amd64 processor has.
func decodeWeights(a *asm) {
	ransLoop(a)
	halvesLoop(a)
	scaleLoop(a)
}

// ransLoop writes the loop over four symbols, one of each state. Whether a state takes in a word cannot be guessed, so
// both outcomes are made and one is taken; the carry of the comparison moves the place in the words as well.
func ransLoop(a *asm) {
	const from, words, table, states, fours, count = 8, 16, 24, 32, 64, 72 // of quant.ransRun
	a.fn("ransFoursAMD64", "ransFoursGeneric")
	t := a.arg(reg.RBX)
	dst, src, tab, left, at, room := reg.RDI, reg.RSI, reg.RDX, reg.RCX, reg.R12, reg.R13
	x := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11}
	a.MOVQ(mem(t, 0), dst)
	a.MOVQ(mem(t, from), src)
	a.MOVQ(mem(t, words), room)
	a.MOVQ(mem(t, table), tab)
	a.MOVQ(mem(t, fours), left)
	for i, s := range x {
		a.MOVQ(mem(t, states+8*i), s)
	}
	a.XORL(at.As32(), at.As32())
	a.SUBQ(imm(4), room) // four symbols use at most four words
	loop, done := a.label("loop"), a.label("done")
	a.Label(loop)
	a.CMPQ(at, room)
	a.JGT(operand.LabelRef(done))
	a.DECQ(left)
	a.JLT(operand.LabelRef(done))
	e, f := reg.RAX, reg.R15
	for i, s := range x {
		a.MOVL(s.As32(), e.As32())
		a.ANDL(imm(4095), e.As32())
		a.MOVL(memx(tab, e, 4, 0), e.As32()) // frequency<<20 | (slot - first slot)<<8 | symbol
		a.SHRQ(imm(12), s)
		a.MOVB(e.As8(), mem(dst, i))
		a.MOVL(e.As32(), f.As32())
		a.SHRL(imm(20), f.As32())
		a.IMULQ(f, s)
		a.SHRL(imm(8), e.As32())
		a.ANDL(imm(4095), e.As32())
		a.ADDQ(e, s)
		a.MOVL(memx(src, at, 4, 0), f.As32())
		a.MOVQ(s, e)
		a.SHLQ(imm(32), e)
		a.ORQ(f, e)
		a.CMPQ(s, imm(1<<16))
		a.CMOVQCS(e, s)
		a.ADCQ(imm(0), at)
	}
	a.ADDQ(imm(4), dst)
	a.JMP(operand.LabelRef(loop))
	a.Label(done)
	for i, s := range x {
		a.MOVQ(s, mem(t, states+8*i))
	}
	a.SUBQ(mem(t, 0), dst)
	a.MOVQ(dst, mem(t, count))
	a.MOVQ(at, mem(t, words))
	a.RET()
}

// spread widens 16 bytes in two registers, those of the lower and of the upper eight, to four registers of words of 32
// bits, in the upper half of them or, with zeros first, in the lower.
func (a *asm) spread(lo, hi, zero reg.VecPhysical, upper bool, w [4]reg.VecPhysical) {
	for i, from := range []reg.VecPhysical{lo, hi} {
		p, q := w[2*i], w[2*i+1]
		if upper {
			a.PXOR(p, p)
			a.PXOR(q, q)
			a.PUNPCKLWL(from, p)
			a.PUNPCKHWL(from, q)
			continue
		}
		a.MOVO(from, p)
		a.MOVO(from, q)
		a.PUNPCKLWL(zero, p)
		a.PUNPCKHWL(zero, q)
	}
}

// halvesLoop writes the joining and widening of 16 numbers at a time, up to one that has not a normal number's exponent:
// zeros, smaller numbers, infinities and no numbers are the caller's.
func halvesLoop(a *asm) {
	const low, high, n = 8, 16, 24 // of quant.halvesRun
	a.fn("halvesAMD64", "halvesGeneric")
	t := a.arg(reg.RBX)
	dst, lo, hi, left := reg.RDI, reg.RSI, reg.RDX, reg.RCX
	a.MOVQ(mem(t, 0), dst)
	a.MOVQ(mem(t, low), lo)
	a.MOVQ(mem(t, high), hi)
	a.MOVQ(mem(t, n), left)
	exponent, bits, bias, zero := reg.X12, reg.X13, reg.X14, reg.X15
	for _, c := range []struct {
		v  uint32
		to reg.VecPhysical
	}{{0x7c7c7c7c, exponent}, {0x8fffffff, bits}, {(127 - 15) << 23, bias}} {
		a.MOVL(operand.U32(c.v), reg.EAX)
		a.MOVD(reg.EAX, c.to)
		a.PSHUFD(operand.U8(0), c.to, c.to)
	}
	a.PXOR(zero, zero)
	loop, done := a.label("loop"), a.label("done")
	a.Label(loop)
	a.DECQ(left)
	a.JLT(operand.LabelRef(done))
	x, y, e, s := reg.X0, reg.X1, reg.X2, reg.X3
	a.MOVOU(mem(lo, 0), x)
	a.MOVOU(mem(hi, 0), y)
	a.MOVO(y, e)
	a.PAND(exponent, e)
	a.MOVO(e, s)
	a.PCMPEQB(zero, e)
	a.PCMPEQB(exponent, s)
	a.POR(s, e)
	a.PMOVMSKB(e, reg.EAX)
	a.TESTL(reg.EAX, reg.EAX)
	a.JNZ(operand.LabelRef(done))
	a.MOVO(x, e)
	a.PUNPCKLBW(y, x)
	a.PUNPCKHBW(y, e)
	w := [4]reg.VecPhysical{reg.X4, reg.X5, reg.X6, reg.X7}
	a.spread(x, e, zero, true, w)
	for i, r := range w {
		a.PSRAL(operand.U8(3), r) // sign, three copies of it, exponent and mantissa in their places
		a.PAND(bits, r)
		a.PADDL(bias, r)
		a.MOVOU(r, mem(dst, 16*i))
	}
	a.ADDQ(imm(16), lo)
	a.ADDQ(imm(16), hi)
	a.ADDQ(imm(64), dst)
	a.JMP(operand.LabelRef(loop))
	a.Label(done)
	a.SUBQ(mem(t, 0), dst)
	a.SHRQ(imm(2), dst)
	a.MOVQ(dst, mem(t, n))
	a.RET()
}

// scaleLoop writes the loop that makes numbers of 16 symbols at a time.
func scaleLoop(a *asm) {
	const sym, n, zeroAt, scaleAt = 8, 16, 24, 28 // of quant.scaleRun
	a.fn("scaleAMD64", "scaleGeneric")
	t := a.arg(reg.RBX)
	dst, src, left := reg.RDI, reg.RSI, reg.RCX
	a.MOVQ(mem(t, 0), dst)
	a.MOVQ(mem(t, sym), src)
	a.MOVQ(mem(t, n), left)
	zero, off, scale := reg.X15, reg.X14, reg.X13
	a.MOVL(mem(t, zeroAt), reg.EAX)
	a.MOVD(reg.EAX, off)
	a.PSHUFD(operand.U8(0), off, off)
	a.MOVL(mem(t, scaleAt), reg.EAX)
	a.MOVD(reg.EAX, scale)
	a.PSHUFD(operand.U8(0), scale, scale)
	a.PXOR(zero, zero)
	loop, done := a.label("loop"), a.label("done")
	a.Label(loop)
	a.DECQ(left)
	a.JLT(operand.LabelRef(done))
	x, y := reg.X0, reg.X1
	a.MOVOU(mem(src, 0), x)
	a.MOVO(x, y)
	a.PUNPCKLBW(zero, x)
	a.PUNPCKHBW(zero, y)
	w := [4]reg.VecPhysical{reg.X4, reg.X5, reg.X6, reg.X7}
	a.spread(x, y, zero, false, w)
	for i, r := range w {
		a.PSUBL(off, r)
		a.CVTPL2PS(r, r)
		a.MULPS(scale, r)
		a.MOVUPS(r, mem(dst, 16*i))
	}
	a.ADDQ(imm(16), src)
	a.ADDQ(imm(64), dst)
	a.JMP(operand.LabelRef(loop))
	a.Label(done)
	a.RET()
}
