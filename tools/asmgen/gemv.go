package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gemvF32 writes the kernel of a single row: four whole panels at once, because two accumulators alone would wait for
// each other. The order of each sum is the tile kernels'.
func gemvF32(a *asm, v isa) {
	const panels = 4
	width := 2 * v.lanes
	g := &gemm{asm: a, isa: v, mr: 1, nv: 2 * panels}
	a.fn(fmt.Sprintf("gemmF32x1x%d%s", panels*width, v.suffix), "GemmF32Args.runGeneric")
	local := a.AllocLocal(48)
	g.rows, g.taps, g.kc = local, local.Offset(8), local.Offset(16)
	g.zero, g.base = local.Offset(32), local.Offset(40)
	t, s := a.arg(reg.RAX), reg.RCX
	for _, f := range []struct {
		from int
		to   operand.Mem
	}{{tileRows, g.rows}, {tileTaps, g.taps}, {tileZero, g.zero}, {tileA, g.base}} {
		a.MOVQ(mem(t, f.from), s)
		a.MOVQ(s, f.to)
	}
	a.MOVQ(mem(t, tileKC), s)
	a.SHLQ(operand.U8(2), s)
	a.MOVQ(s, g.kc)
	none, started := a.label("nobias"), a.label("started")
	a.MOVQ(mem(t, tileBias), s)
	a.TESTQ(s, s)
	a.JZ(operand.LabelRef(none))
	for j := range g.nv {
		a.VMOVUPS(mem(s, j*g.bytes()), v.reg(j))
	}
	a.JMP(operand.LabelRef(started))
	a.Label(none)
	for j := range g.nv {
		a.clear(v, v.reg(j))
	}
	a.Label(started)
	panel := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11}
	a.MOVQ(mem(t, tileB), panel[0])
	a.MOVQ(mem(t, tilePanels), s)
	for p := 1; p < panels; p++ {
		a.LEAQ(memx(panel[p-1], s, 1, 0), panel[p])
	}
	row, k, x := reg.RSI, reg.RAX, v.reg(8)
	tap := a.label("tap")
	a.Label(tap)
	a.MOVQ(g.rows, row)
	a.MOVQ(g.base, k)
	a.MOVLQSX(mem(row, 0), row)
	a.TESTQ(row, row)
	a.LEAQ(memx(k, row, 4, 0), row)
	a.CMOVQLT(g.zero, row)
	a.ADDQ(imm(4*v.rows), g.rows)
	a.XORQ(k, k)
	loop := a.label("loop")
	a.Label(loop)
	a.VBROADCASTSS(memx(row, k, 1, 0), x)
	for p := range panels {
		for j := range 2 {
			a.VFMADD231PS(mem(panel[p], j*g.bytes()), x, v.reg(2*p+j))
		}
		a.ADDQ(imm(2*g.bytes()), panel[p])
	}
	a.ADDQ(imm(4), k)
	a.CMPQ(k, g.kc)
	a.JLT(operand.LabelRef(loop))
	a.DECQ(g.taps)
	a.JNZ(operand.LabelRef(tap))

	a.arg(reg.RAX)
	nores := a.label("nores")
	a.MOVQ(mem(t, tileRes), s)
	a.TESTQ(s, s)
	a.JZ(operand.LabelRef(nores))
	for j := range g.nv {
		a.VADDPS(mem(s, j*g.bytes()), v.reg(j), v.reg(j))
	}
	a.Label(nores)
	a.clamp(v, t, tileMin, tileMax, g.nv, v.reg(8), v.reg(9))
	a.MOVQ(mem(t, tileC), s)
	for j := range g.nv {
		a.VMOVUPS(v.reg(j), mem(s, j*g.bytes()))
	}
	a.VZEROUPPER()
	a.RET()
}
