package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.stripI8Args.
const (
	stripsI8C, stripsI8W, stripsI8At, stripsI8Size, stripsI8Count, stripsI8Pitch, stripsI8Width = 0, 8, 16, 24, 32, 40, 48

	stripI8Ahead = 8 // kern.stripI8Ahead
)

// stripI8 multiplies one row by bytes in strips, four inputs at a time: 64 columns of each are interleaved, so that a
// doubleword has a column's four weights. The groups that come a while later are asked for at the same places, as strip does.
func stripI8(a *asm, v isa) {
	const many = 4
	name := "stripI8VNNI"
	if !v.wide() {
		name = "stripPairsAVX2"
	}
	a.fn(name, "stripI8Args.run")
	t, c, w, list, at := a.arg(reg.RAX), reg.RDI, reg.RSI, reg.RDX, reg.RCX
	size := reg.RBX
	rows := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11}
	next := []reg.GPPhysical{reg.R12, reg.R13, reg.R14, reg.R15}
	a.MOVQ(mem(t, stripsI8C), c)
	a.MOVQ(mem(t, stripsI8W), w)
	a.MOVQ(mem(t, stripsI8At), list)
	a.MOVQ(mem(t, stripsI8Size), size)
	group, columns := a.label("group"), a.label("columns")
	a.Label(group)
	step := reg.RSI // AVX2: from one half of a line's sums to the other, 32 bytes, then to the next line's, 224
	if !v.wide() {
		a.MOVQ(mem(t, stripsI8C), c)
	}
	for i := range many {
		for _, r := range []struct {
			at int
			to reg.GPPhysical
		}{{4 * i, rows[i]}, {4 * (stripI8Ahead*many + i), next[i]}} {
			a.MOVLQSX(mem(list, r.at), r.to)
			a.IMULQ(mem(t, stripsI8Pitch), r.to)
			if v.wide() {
				a.ADDQ(w, r.to)
			} else {
				a.ADDQ(mem(t, stripsI8W), r.to)
			}
		}
	}
	a.VPBROADCASTD(mem(size, 0), v.reg(0))
	if !v.wide() { // the first and third input, the second and fourth
		a.VPSRLW(operand.U8(8), reg.Y0, reg.Y15)
		a.VPSLLW(operand.U8(8), reg.Y0, reg.Y0)
		a.VPSRLW(operand.U8(8), reg.Y0, reg.Y0)
	}
	a.XORQ(at, at)
	if !v.wide() {
		a.MOVQ(operand.I32(32), step)
	}
	a.Label(columns)
	for i := range 2 {
		to, other := v.reg(1+i), memx(rows[2*i+1], at, 1, 0)
		if v.wide() {
			a.VMOVDQU8(memx(rows[2*i], at, 1, 0), to)
		} else {
			a.VMOVDQU(memx(rows[2*i], at, 1, 0), to)
		}
		a.VPUNPCKHBW(other, to, v.reg(3+i))
		a.VPUNPCKLBW(other, to, to)
		a.PREFETCHT1(memx(next[2*i], at, 1, 0))
		a.PREFETCHT1(memx(next[2*i+1], at, 1, 0))
	}
	for i := range 2 {
		low, high := v.reg(1+2*i), v.reg(2+2*i)
		a.VPUNPCKLWD(high, low, v.reg(5+2*i))
		a.VPUNPCKHWD(high, low, v.reg(6+2*i))
	}
	for j := range 4 {
		sum := v.reg(9 + j)
		if v.wide() {
			a.VMOVDQU32(memx(c, at, 4, 64*j), sum)
			a.VPDPBUSD(v.reg(5+j), reg.Z0, sum)
			a.VMOVDQU32(sum, memx(c, at, 4, 64*j))
		} else {
			a.fourPairs(v.reg(5+j), sum)
			a.VPADDD(mem(c, 64*j), sum, sum)
			a.VMOVDQU(sum, mem(c, 64*j))
		}
	}
	if !v.wide() {
		a.ADDQ(step, c)
		a.XORQ(operand.I32(32^224), step)
	}
	a.ADDQ(imm(v.bytes()), at)
	a.CMPQ(at, mem(t, stripsI8Width))
	a.JLT(operand.LabelRef(columns))
	a.ADDQ(imm(4*many), list)
	a.ADDQ(imm(many), size)
	a.DECQ(mem(t, stripsI8Count))
	a.JNZ(operand.LabelRef(group))
	a.VZEROUPPER()
	a.RET()
}

// fourPairs is VPDPBUSD without a sum before it: weights, bytes which are overwritten, become 16-bit numbers, the first and third of
// each four, then the others, as their inputs are.
func (a *asm) fourPairs(weights, sum reg.VecPhysical) {
	a.VPSLLW(operand.U8(8), weights, sum)
	a.VPSRAW(operand.U8(8), sum, sum)
	a.VPMADDWD(reg.Y0, sum, sum)
	a.VPSRAW(operand.U8(8), weights, weights)
	a.VPMADDWD(reg.Y15, weights, weights)
	a.VPADDD(weights, sum, sum)
}
