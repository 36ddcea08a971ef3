package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.winoRows.
const (
	rowsA, rowsLDA, rowsB, rowsC, rowsLDC, rowsBias         = 0, 8, 16, 24, 32, 40
	rowsDepth, rowsPanels, rowsGroups, rowsBackA, rowsBackC = 48, 56, 64, 72, 80
	rowsNear, rowsNearStep, rowsAheadStep                   = 88, 96, 104
)

// winogradRows writes products of all groups of ten or of eight rows. The last four of depth are taken row by row: more
// than a few stores one after the other hold up the products.
func winogradRows(a *asm) {
	for _, rows := range []int{10, 8} {
		winoRows(a, rows)
	}
}

func winoRows(f *asm, rows int) {
	f.fn(fmt.Sprintf("winoRows%dAVX512", rows), "GemmF32Args.runGeneric")
	t := f.arg(reg.RBX)
	g := &many{f, t, reg.RAX, reg.R10, reg.RDX, reg.R12, reg.R8, reg.R9, reg.R15, nil}
	v, m, to, n, panels, groups := reg.RSI, reg.RDI, reg.R14, reg.RCX, reg.R13, reg.R11
	// Where sums go and start from moves on in memory of the function's own: a pointer that Go can see must not be behind
	// the last element, where it would keep what lies there alive.
	local := f.AllocLocal(16)
	to0, bias := local, local.Offset(8)
	for _, p := range []struct {
		from int
		to   operand.Mem
	}{{rowsC, to0}, {rowsBias, bias}} {
		f.MOVQ(mem(t, p.from), n)
		f.MOVQ(n, p.to)
	}
	f.MOVQ(mem(t, rowsB), g.u)
	f.MOVQ(mem(t, rowsLDA), g.tile)
	f.LEAQ(memx(g.tile, g.tile, 2, 0), g.tile3)
	f.MOVQ(mem(t, rowsPanels), panels)
	panel, group, start, zero, loop, whole, last := f.label("panel"), f.label("group"), f.label("start"), f.label("zero"), f.label("loop"), f.label("whole"), f.label("last")
	f.Label(panel)
	f.MOVQ(mem(t, rowsA), v)
	f.MOVQ(to0, m)
	f.MOVQ(mem(t, rowsGroups), groups)
	f.MOVQ(mem(t, rowsNear), g.near)
	f.MOVQ(mem(t, rowsDepth), n)
	f.SHLQ(imm(7), n)
	f.LEAQ(memx(g.u, n, 1, 0), g.ahead)
	f.Label(group)
	f.MOVQ(bias, n)
	f.TESTQ(n, n)
	f.JEQ(operand.LabelRef(zero))
	for i := range 2 * rows {
		if i < 2 {
			f.VMOVUPS(mem(n, 64*i), zs[i])
		} else {
			f.VMOVAPS(zs[i%2], zs[i])
		}
	}
	f.JMP(operand.LabelRef(start))
	f.Label(zero)
	for i := range 2 * rows {
		f.VPXORD(zs[i], zs[i], zs[i])
	}
	f.Label(start)
	f.MOVQ(v, g.a)
	f.LEAQ(memx(v, g.tile, 4, 0), g.a5)
	f.ADDQ(g.tile, g.a5)
	f.MOVQ(mem(t, rowsDepth), n)
	f.SUBQ(imm(4), n)
	ask := func() {
		f.PREFETCHT1(mem(g.ahead, 0))
		f.PREFETCHT1(mem(g.ahead, 64))
		f.ADDQ(mem(t, rowsAheadStep), g.ahead)
		f.PREFETCHT0(mem(g.near, 0))
		f.PREFETCHT0(mem(g.near, 64))
		f.ADDQ(mem(t, rowsNearStep), g.near)
	}
	weights := func(k int, w [2]reg.VecPhysical) {
		f.VMOVUPS(mem(g.u, 128*k), w[0])
		f.VMOVUPS(mem(g.u, 128*k+64), w[1])
	}
	f.Label(loop)
	ask()
	for k := range 2 {
		w := [2]reg.VecPhysical{zs[30], zs[31]}
		weights(k, w)
		for i := range rows {
			g.product(i, k, zs[2*rows+i%(30-2*rows)], w)
		}
	}
	f.ADDQ(imm(8), g.a)
	f.ADDQ(imm(8), g.a5)
	f.ADDQ(operand.I32(256), g.u)
	f.SUBQ(imm(2), n)
	f.JNZ(operand.LabelRef(loop))
	ask()
	ask()
	w := func(k int) [2]reg.VecPhysical { return [2]reg.VecPhysical{zs[24+2*k], zs[25+2*k]} }
	for k := range 4 {
		weights(k, w(k))
	}
	f.MOVQ(m, to)
	f.MOVQ(mem(t, rowsLDC), n)
	for i := range rows {
		for k := range 4 {
			g.product(i, k, zs[2*rows+(4*i+k)%(24-2*rows)], w(k))
		}
		for half := range 2 {
			f.VMOVUPS(g.acc(i, half), mem(to, 64*half))
		}
		f.ADDQ(n, to)
	}
	f.DECQ(groups)
	f.JZ(operand.LabelRef(last))
	f.LEAQ(memx(v, g.tile, 8, 0), v)
	if rows == 10 {
		f.LEAQ(memx(v, g.tile, 2, 0), v)
	}
	f.MOVQ(to, m)
	f.MOVQ(mem(t, rowsDepth), n)
	f.SHLQ(imm(7), n)
	f.NEGQ(n)
	f.LEAQ(memx(g.u, n, 1, 4*128), g.u)
	f.CMPQ(groups, imm(1))
	f.JNE(operand.LabelRef(group))
	f.SUBQ(mem(t, rowsBackA), v)
	f.SUBQ(mem(t, rowsBackC), m)
	f.JMP(operand.LabelRef(group))
	f.Label(last)
	f.ADDQ(operand.I32(4*128), g.u)
	f.ADDQ(operand.I32(128), to0)
	f.CMPQ(bias, imm(0))
	f.JEQ(operand.LabelRef(whole))
	f.ADDQ(operand.I32(128), bias)
	f.Label(whole)
	f.DECQ(panels)
	f.JNZ(operand.LabelRef(panel))
	f.VZEROUPPER()
	f.RET()
}
