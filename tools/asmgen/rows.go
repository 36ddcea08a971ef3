package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rowsMove writes kern.Rows.Add and Copy: all rows of a vector of columns, then the next, so that no sum waits for the one
// before it where rows overlap by some vectors.
func rowsMove(a *asm, v isa, name string, add bool) {
	const dst, src, dstPitch, srcPitch, rows, n = 0, 8, 16, 24, 32, 40 // of kern.rowsArgs
	a.fn(name+v.suffix, "Rows.runGeneric")
	t := a.arg(reg.RBX)
	to, from, toPitch, fromPitch, left := reg.RSI, reg.RDI, reg.R8, reg.R9, reg.RCX
	a.MOVQ(mem(t, dst), to)
	a.MOVQ(mem(t, src), from)
	a.MOVQ(mem(t, dstPitch), toPitch)
	a.MOVQ(mem(t, srcPitch), fromPitch)
	a.MOVQ(mem(t, n), left)
	column := func(masked bool) {
		p, q, count, x, y := reg.R10, reg.R11, reg.R12, v.reg(0), v.reg(1)
		a.MOVQ(to, p)
		a.MOVQ(from, q)
		a.MOVQ(mem(t, rows), count)
		loop := a.label("row")
		a.Label(loop)
		a.load(v, mem(q, 0), x, masked)
		if add {
			a.load(v, mem(p, 0), y, masked)
			a.VADDPS(y, x, x)
		}
		a.store(v, x, mem(p, 0), masked)
		a.ADDQ(toPitch, p)
		a.ADDQ(fromPitch, q)
		a.DECQ(count)
		a.JNZ(operand.LabelRef(loop))
	}
	many, tail, done := a.label("many"), a.label("tail"), a.label("done")
	a.Label(many)
	a.CMPQ(left, imm(v.lanes))
	a.JLT(operand.LabelRef(tail))
	column(false)
	a.ADDQ(imm(v.bytes()), to)
	a.ADDQ(imm(v.bytes()), from)
	a.SUBQ(imm(v.lanes), left)
	a.JMP(operand.LabelRef(many))
	a.Label(tail)
	a.TESTQ(left, left)
	a.JZ(operand.LabelRef(done))
	a.setMask(v, left)
	column(true)
	a.Label(done)
	a.VZEROUPPER()
	a.RET()
}
