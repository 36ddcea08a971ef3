package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.tapDownArgs.
const (
	tapDownD, tapDownX, tapDownDst         = 0, 8, 32
	tapDownN, tapDownLines, tapDownRows    = 56, 64, 72
	tapDownPitch, tapDownRowD, tapDownRowX = 80, 88, 96
)

// dwGradDown writes the sums of all nine taps of a 3x3 depthwise kernel: of a vector of channels, over all rows, they stay in
// registers. Each input is loaded once for the taps of a row and each gradient once for all; beside the first column and the
// last, which see the padding, zero stands for the gradient that is not there.
//
// Registers: 0..8 sums, 9..11 the gradients before, at and behind a column, 12 an input, 15 the mask of the tail; RSI, RDI and
// R9 rows of inputs, R10 that of gradients, R14 on its way along it, R11 (and RDX) the column, R12 columns and R13 rows left.
func dwGradDown(a *asm, v isa) {
	for stride := range 2 {
		g := &tapDown{asm: a, isa: v, stride: stride + 1}
		g.fn(fmt.Sprintf("tapDown%d%s", g.stride, v.suffix), "TapRows.runGeneric")
		t := g.arg(reg.RBX)
		g.XORQ(reg.RAX, reg.RAX)
		g.MOVQ(mem(t, tapDownN), reg.R8)
		g.columns(v, 1, func(_ int, masked bool) { g.rows(t, masked) })
	}
}

type tapDown struct {
	*asm
	isa
	stride int
	masked bool
}

var tapDownX3 = [3]reg.GPPhysical{reg.RSI, reg.RDI, reg.R9}

// rows writes all rows of a vector of channels.
func (g *tapDown) rows(t reg.Register, masked bool) {
	g.masked = masked
	d, pitch := reg.R10, reg.RCX
	for i, x := range tapDownX3 {
		g.MOVQ(mem(t, tapDownX+8*i), x)
		g.ADDQ(reg.RAX, x)
	}
	g.MOVQ(mem(t, tapDownD), d)
	g.ADDQ(reg.RAX, d)
	g.MOVQ(mem(t, tapDownPitch), pitch)
	g.MOVQ(mem(t, tapDownRows), reg.R13)
	for i := range 9 {
		g.clear(g.isa, g.reg(i))
	}
	row, loop, last := g.label("row"), g.label("loop"), g.label("last")
	g.Label(row)
	g.XORQ(reg.R11, reg.R11)
	g.MOVQ(mem(t, tapDownLines), reg.R12)
	g.clear(g.isa, g.reg(9))
	g.load(g.isa, mem(d, 0), g.reg(10), masked)
	g.MOVQ(d, reg.R14)
	g.DECQ(reg.R12)
	g.JZ(operand.LabelRef(last))
	g.Label(loop)
	g.ADDQ(pitch, reg.R14)
	g.load(g.isa, mem(reg.R14, 0), g.reg(11), masked)
	g.column(true)
	if g.stride == 1 {
		g.VMOVAPS(g.reg(10), g.reg(9))
	}
	g.VMOVAPS(g.reg(11), g.reg(10))
	for range g.stride {
		g.ADDQ(pitch, reg.R11)
	}
	g.DECQ(reg.R12)
	g.JNZ(operand.LabelRef(loop))
	g.Label(last)
	g.column(false)
	for _, x := range tapDownX3 {
		g.ADDQ(mem(t, tapDownRowX), x)
	}
	g.ADDQ(mem(t, tapDownRowD), d)
	g.DECQ(reg.R13)
	g.JNZ(operand.LabelRef(row))
	for i := range 3 {
		g.MOVQ(mem(t, tapDownDst+8*i), reg.RSI)
		g.ADDQ(reg.RAX, reg.RSI)
		for tap := range 3 {
			g.load(g.isa, mem(reg.RSI, 0), g.reg(9), masked)
			g.VADDPS(g.reg(3*i+tap), g.reg(9), g.reg(9))
			g.store(g.isa, g.reg(9), mem(reg.RSI, 0), masked)
			if tap < 2 {
				g.ADDQ(pitch, reg.RSI)
			}
		}
	}
}

// column adds what the inputs of a column give, or of a pair of columns; behind it there may be a gradient.
func (g *tapDown) column(behind bool) {
	if g.stride == 2 {
		g.LEAQ(memx(reg.R11, reg.RCX, 1, 0), reg.RDX)
	}
	x := g.reg(12)
	for i, row := range tapDownX3 {
		before, at, after := g.reg(3*i+2), g.reg(3*i+1), g.reg(3*i)
		g.load(g.isa, memx(row, reg.R11, 1, 0), x, g.masked)
		g.VFMADD231PS(g.reg(10), x, at)
		if g.stride == 1 {
			g.VFMADD231PS(g.reg(9), x, before)
		} else {
			g.load(g.isa, memx(row, reg.RDX, 1, 0), x, g.masked)
			g.VFMADD231PS(g.reg(10), x, before)
		}
		if behind {
			g.VFMADD231PS(g.reg(11), x, after)
		}
	}
}
