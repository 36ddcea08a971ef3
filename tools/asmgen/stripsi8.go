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
func stripI8(a *asm) {
	const many, line = 4, 64
	a.fn("stripI8VNNI", "stripI8Args.run")
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
	for i := range many {
		for _, r := range []struct {
			at int
			to reg.GPPhysical
		}{{4 * i, rows[i]}, {4 * (stripI8Ahead*many + i), next[i]}} {
			a.MOVLQSX(mem(list, r.at), r.to)
			a.IMULQ(mem(t, stripsI8Pitch), r.to)
			a.ADDQ(w, r.to)
		}
	}
	a.VPBROADCASTD(mem(size, 0), reg.Z0)
	a.XORQ(at, at)
	a.Label(columns)
	for i, to := range []reg.VecPhysical{reg.Z1, reg.Z2} {
		a.VMOVDQU8(memx(rows[2*i], at, 1, 0), to)
		a.VPUNPCKHBW(memx(rows[2*i+1], at, 1, 0), to, zs[3+i])
		a.VPUNPCKLBW(memx(rows[2*i+1], at, 1, 0), to, to)
		a.PREFETCHT1(memx(next[2*i], at, 1, 0))
		a.PREFETCHT1(memx(next[2*i+1], at, 1, 0))
	}
	for i := range 2 {
		low, high := zs[1+2*i], zs[2+2*i]
		a.VPUNPCKLWD(high, low, zs[5+2*i])
		a.VPUNPCKHWD(high, low, zs[6+2*i])
	}
	for j := range 4 {
		sum := zs[9+j]
		a.VMOVDQU32(memx(c, at, 4, 64*j), sum)
		a.VPDPBUSD(zs[5+j], reg.Z0, sum)
		a.VMOVDQU32(sum, memx(c, at, 4, 64*j))
	}
	a.ADDQ(imm(line), at)
	a.CMPQ(at, mem(t, stripsI8Width))
	a.JLT(operand.LabelRef(columns))
	a.ADDQ(imm(4*many), list)
	a.ADDQ(imm(many), size)
	a.DECQ(mem(t, stripsI8Count))
	a.JNZ(operand.LabelRef(group))
	a.VZEROUPPER()
	a.RET()
}
