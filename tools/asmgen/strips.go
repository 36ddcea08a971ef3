package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// stripsF32 writes the products of one row with weights in strips: float32 and both narrow forms.
func stripsF32(a *asm, v isa) {
	strip(a, v, nil)
	for i := range narrowForms {
		strip(a, v, &narrowForms[i])
	}
}

const (
	stripsC, stripsW, stripsList, stripsCount, stripsPitch, stripsWidth = 0, 8, 16, 24, 32, 40 // of kern.stripArgs
	lineBytes                                                           = 64
)

// strip writes one form. Four inputs at a time are multiplied, so that sums are loaded and stored once for four vectors of
// weights, and the weights of the next four are asked for at the same places: memory is what the loop waits for, and no
// processor guesses which rows are left out.
func strip(a *asm, v isa, form *narrowForm) {
	name, columns := "F32", lineBytes/4
	if form != nil {
		name, columns = form.name, lineBytes/2
	}
	a.fn("strip"+name+v.suffix, "stripArgs.run")
	t, c, w, list, at := a.arg(reg.RAX), reg.RDI, reg.RSI, reg.RDX, reg.RCX
	rows := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11}
	next := []reg.GPPhysical{reg.R12, reg.R13, reg.R15, reg.RBX}
	a.MOVQ(mem(t, stripsC), c)
	a.MOVQ(mem(t, stripsW), w)
	a.MOVQ(mem(t, stripsList), list)

	row := func(i int, to reg.GPPhysical) {
		a.MOVLQSX(mem(list, 8*i), to)
		a.IMULQ(mem(t, stripsPitch), to)
		a.ADDQ(w, to)
	}
	// products adds those of n rows to all columns, a line of each at a time.
	products := func(n int, ahead bool) {
		for i := range n {
			a.VBROADCASTSS(mem(list, 8*i+4), v.reg(i))
		}
		a.XORQ(at, at)
		loop := a.label("columns")
		a.Label(loop)
		vectors := columns / v.lanes
		sum, wide := func(j int) reg.VecPhysical { return v.reg(4 + j) }, func(j int) reg.VecPhysical { return v.reg(8 + j) }
		scale := uint8(columns / (lineBytes / 4))
		for j := range vectors {
			a.VMOVUPS(memx(c, at, scale, j*v.bytes()), sum(j))
		}
		for i := range n {
			if ahead {
				a.PREFETCHT0(memx(next[i], at, 1, 0))
			}
			for j := range vectors {
				from := memx(rows[i], at, 1, j*lineBytes/vectors)
				if form == nil {
					a.VFMADD231PS(from, v.reg(i), sum(j))
					continue
				}
				a.widen(*form, from, wide(j))
				a.VFMADD231PS(wide(j), v.reg(i), sum(j))
			}
		}
		for j := range vectors {
			a.VMOVUPS(sum(j), memx(c, at, scale, j*v.bytes()))
		}
		a.ADDQ(imm(lineBytes), at)
		a.CMPQ(at, mem(t, stripsWidth))
		a.JLT(operand.LabelRef(loop))
	}

	four, rest, done := a.label("four"), a.label("rest"), a.label("done")
	a.Label(four)
	a.CMPQ(mem(t, stripsCount), imm(len(rows)))
	a.JLT(operand.LabelRef(rest))
	for i := range rows {
		row(i, rows[i])
		row(len(rows)+i, next[i])
	}
	products(len(rows), true)
	a.ADDQ(imm(8*len(rows)), list)
	a.SUBQ(imm(len(rows)), mem(t, stripsCount))
	a.JMP(operand.LabelRef(four))
	a.Label(rest)
	a.CMPQ(mem(t, stripsCount), imm(0))
	a.JEQ(operand.LabelRef(done))
	row(0, rows[0])
	products(1, false)
	a.ADDQ(imm(8), list)
	a.DECQ(mem(t, stripsCount))
	a.JMP(operand.LabelRef(rest))
	a.Label(done)
	a.VZEROUPPER()
	a.RET()
}
