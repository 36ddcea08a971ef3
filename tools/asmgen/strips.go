package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// stripForm is what weights in strips are kept as: bytes each, and what makes vectors of float32 of those in memory, which at
// scales where that is not nil.
type stripForm struct {
	name   string
	size   int
	widen  func(a *asm, m operand.Mem, to reg.VecPhysical)
	scaled bool
}

// stripsF32 writes the products of one row with weights in strips.
func stripsF32(a *asm, v isa) {
	strip(a, v, stripForm{name: "F32", size: 4})
	for _, f := range narrowForms {
		strip(a, v, stripForm{name: f.name, size: 2, widen: func(a *asm, m operand.Mem, to reg.VecPhysical) { a.widen(f, m, to) }})
	}
	strip(a, v, stripForm{name: "I8", size: 1, scaled: true, widen: func(a *asm, m operand.Mem, to reg.VecPhysical) {
		a.VPMOVSXBD(m, to)
		a.VCVTDQ2PS(to, to)
	}})
}

const stripsC, stripsW, stripsList, stripsCount, stripsPitch, stripsWidth, stripsStep = 0, 8, 16, 24, 32, 40, 48 // of kern.stripArgs

// strip writes one form. Four inputs at a time are multiplied, so that sums are loaded and stored once for four vectors of
// weights, and the weights of the next four are asked for at the same places: memory is what the loop waits for, and no
// processor guesses which rows are left out.
func strip(a *asm, v isa, form stripForm) {
	const lineBytes, registers = 64, 16
	const many = 4 // inputs
	vectors := lineBytes / form.size / v.lanes
	if form.scaled {
		vectors = min(vectors, (registers-many)/3) // sums, weights and steps
	}
	line := vectors * v.lanes * form.size
	a.fn("strip"+form.name+v.suffix, "stripArgs.run")
	t, c, w, list, at, step := a.arg(reg.RAX), reg.RDI, reg.RSI, reg.RDX, reg.RCX, reg.R14
	rows := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11}
	next := []reg.GPPhysical{reg.R12, reg.R13, reg.R15, reg.RBX}
	a.MOVQ(mem(t, stripsC), c)
	a.MOVQ(mem(t, stripsW), w)
	a.MOVQ(mem(t, stripsList), list)
	if form.scaled {
		a.MOVQ(mem(t, stripsStep), step)
	}

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
		floats := uint8(4 / form.size) // bytes of a sum or step for each of a weight
		for j := range vectors {
			a.VMOVUPS(memx(c, at, floats, j*v.bytes()), v.reg(many+j))
			if form.scaled {
				a.VMOVUPS(memx(step, at, floats, j*v.bytes()), v.reg(many+2*vectors+j))
			}
		}
		for i := range n {
			if ahead {
				a.PREFETCHT0(memx(next[i], at, 1, 0))
			}
			for j := range vectors {
				from, x, sum, wide := memx(rows[i], at, 1, j*v.lanes*form.size), v.reg(i), v.reg(many+j), v.reg(many+vectors+j)
				if form.widen == nil {
					a.VFMADD231PS(from, x, sum)
					continue
				}
				form.widen(a, from, wide)
				if form.scaled {
					a.VMULPS(v.reg(many+2*vectors+j), wide, wide)
				}
				a.VFMADD231PS(wide, x, sum)
			}
		}
		for j := range vectors {
			a.VMOVUPS(v.reg(many+j), memx(c, at, floats, j*v.bytes()))
		}
		a.ADDQ(imm(line), at)
		a.CMPQ(at, mem(t, stripsWidth))
		a.JLT(operand.LabelRef(loop))
	}

	four, rest, done := a.label("four"), a.label("rest"), a.label("done")
	a.Label(four)
	a.CMPQ(mem(t, stripsCount), imm(many))
	a.JLT(operand.LabelRef(rest))
	for i := range many {
		row(i, rows[i])
		row(many+i, next[i])
	}
	products(many, true)
	a.ADDQ(imm(8*many), list)
	a.SUBQ(imm(many), mem(t, stripsCount))
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
