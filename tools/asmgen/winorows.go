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

// groupsOfRows is the registers of products of groups of rows.
type groupsOfRows struct {
	*many
	rows     int            // of a group
	v, m, to reg.GPPhysical // a group's rows of A; where its sums go, and behind them
	n        reg.GPPhysical // what is left of the depth; for short use
	groups   reg.GPPhysical // left
}

func winoRows(f *asm, rows int) {
	f.fn(fmt.Sprintf("winoRows%dAVX512", rows), "GemmF32Args.runGeneric")
	t := f.arg(reg.RBX)
	g := &groupsOfRows{
		many: &many{f, t, reg.RAX, reg.R10, reg.RDX, reg.R12, reg.R8, reg.R9, reg.R15, nil},
		rows: rows, v: reg.RSI, m: reg.RDI, to: reg.R14, n: reg.RCX, groups: reg.R11,
	}
	panels := reg.R13
	// Where sums go and start from moves on in memory of the function's own: a pointer that Go can see must not be behind
	// the last element, where it would keep what lies there alive.
	local := f.AllocLocal(16)
	to0, bias := local, local.Offset(8)
	for _, p := range []struct {
		from int
		to   operand.Mem
	}{{rowsC, to0}, {rowsBias, bias}} {
		f.MOVQ(mem(t, p.from), g.n)
		f.MOVQ(g.n, p.to)
	}
	f.MOVQ(mem(t, rowsB), g.u)
	f.MOVQ(mem(t, rowsLDA), g.tile)
	f.LEAQ(memx(g.tile, g.tile, 2, 0), g.tile3)
	f.MOVQ(mem(t, rowsPanels), panels)
	panel, group, start, zero, loop, whole, last := f.label("panel"), f.label("group"), f.label("start"), f.label("zero"), f.label("loop"), f.label("whole"), f.label("last")
	f.Label(panel)
	f.MOVQ(mem(t, rowsA), g.v)
	f.MOVQ(to0, g.m)
	f.MOVQ(mem(t, rowsGroups), g.groups)
	f.MOVQ(mem(t, rowsNear), g.near)
	f.MOVQ(mem(t, rowsDepth), g.n)
	f.SHLQ(imm(7), g.n)
	f.LEAQ(memx(g.u, g.n, 1, 0), g.ahead)
	f.Label(group)
	g.startFrom(bias, zero, start)
	g.channels(loop)
	g.lastChannels()
	f.DECQ(g.groups)
	f.JZ(operand.LabelRef(last))
	g.nextGroup(group)
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

// startFrom sets the sums to the bias, or to zero where there is none.
func (g *groupsOfRows) startFrom(bias operand.Mem, zero, start string) {
	g.MOVQ(bias, g.n)
	g.TESTQ(g.n, g.n)
	g.JEQ(operand.LabelRef(zero))
	for i := range 2 * g.rows {
		if i < 2 {
			g.VMOVUPS(mem(g.n, 64*i), zs[i])
		} else {
			g.VMOVAPS(zs[i%2], zs[i])
		}
	}
	g.JMP(operand.LabelRef(start))
	g.Label(zero)
	for i := range 2 * g.rows {
		g.VPXORD(zs[i], zs[i], zs[i])
	}
	g.Label(start)
}

// ask asks for what two channels of a group have to, and weights loads those of channel k.
func (g *groupsOfRows) ask() {
	g.PREFETCHT1(mem(g.ahead, 0))
	g.PREFETCHT1(mem(g.ahead, 64))
	g.ADDQ(mem(g.t, rowsAheadStep), g.ahead)
	g.PREFETCHT0(mem(g.near, 0))
	g.PREFETCHT0(mem(g.near, 64))
	g.ADDQ(mem(g.t, rowsNearStep), g.near)
}

func (g *groupsOfRows) weights(k int, w [2]reg.VecPhysical) {
	g.VMOVUPS(mem(g.u, 128*k), w[0])
	g.VMOVUPS(mem(g.u, 128*k+64), w[1])
}

// channels takes all of the depth but four, two at a time, for all rows.
func (g *groupsOfRows) channels(loop string) {
	g.MOVQ(g.v, g.a)
	g.LEAQ(memx(g.v, g.tile, 4, 0), g.a5)
	g.ADDQ(g.tile, g.a5)
	g.MOVQ(mem(g.t, rowsDepth), g.n)
	g.SUBQ(imm(4), g.n)
	g.Label(loop)
	g.ask()
	for k := range 2 {
		w := [2]reg.VecPhysical{zs[30], zs[31]}
		g.weights(k, w)
		for i := range g.rows {
			g.product(i, k, zs[2*g.rows+i%(30-2*g.rows)], w)
		}
	}
	g.ADDQ(imm(8), g.a)
	g.ADDQ(imm(8), g.a5)
	g.ADDQ(operand.I32(256), g.u)
	g.SUBQ(imm(2), g.n)
	g.JNZ(operand.LabelRef(loop))
}

// lastChannels takes the last four of depth and stores, row by row.
func (g *groupsOfRows) lastChannels() {
	g.ask()
	g.ask()
	w := func(k int) [2]reg.VecPhysical { return [2]reg.VecPhysical{zs[24+2*k], zs[25+2*k]} }
	for k := range 4 {
		g.weights(k, w(k))
	}
	g.MOVQ(g.m, g.to)
	g.MOVQ(mem(g.t, rowsLDC), g.n)
	for i := range g.rows {
		for k := range 4 {
			g.product(i, k, zs[2*g.rows+(4*i+k)%(24-2*g.rows)], w(k))
		}
		for half := range 2 {
			g.VMOVUPS(g.acc(i, half), mem(g.to, 64*half))
		}
		g.ADDQ(g.n, g.to)
	}
}

// nextGroup goes to the next group of rows with the same weights. The last one may overlap the one before it.
func (g *groupsOfRows) nextGroup(group string) {
	g.LEAQ(memx(g.v, g.tile, 8, 0), g.v)
	if g.rows == 10 {
		g.LEAQ(memx(g.v, g.tile, 2, 0), g.v)
	}
	g.MOVQ(g.to, g.m)
	g.MOVQ(mem(g.t, rowsDepth), g.n)
	g.SHLQ(imm(7), g.n)
	g.NEGQ(g.n)
	g.LEAQ(memx(g.u, g.n, 1, 4*128), g.u)
	g.CMPQ(g.groups, imm(1))
	g.JNE(operand.LabelRef(group))
	g.SUBQ(mem(g.t, rowsBackA), g.v)
	g.SUBQ(mem(g.t, rowsBackC), g.m)
	g.JMP(operand.LabelRef(group))
}
