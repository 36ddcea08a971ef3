package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dwRoll is the kernel of stride 1 for several rows: each row of input is read once, for the third row of the kernel of one
// row of outputs, the second of the next and the first of the one after it. Vectors: 0 and 1, 2 and 3, 4 and 5 those
// outputs, 6..14 weights, 15 input, then a bound.
type dwRoll struct{ dwDown }

func dwRollF32(a *asm, v isa) {
	d := &dwRoll{dwDown{dw: dw{asm: a, isa: v, kw: 3, stride: 1, outs: 2}, rolls: true}}
	d.body, d.setup, d.size = d.rows, d.setupF32, 4
	d.fn("dwF32roll1x2"+d.suffix, "DWF32Args.runGeneric")
	d.write()
}

func (d *dwRoll) rows() {
	t := reg.RBX
	first, loop, last, end := d.label("first"), d.label("loop"), d.label("last"), d.label("end")
	d.next(2)
	d.CMPQ(mem(t, dwTop), imm(0))
	d.JNE(operand.LabelRef(first))
	d.row(2, 2)
	d.Label(first)
	d.ADDQ(reg.R10, reg.RSI)
	d.next(1)
	d.row(1, 2)
	d.ADDQ(reg.R10, reg.RSI)
	d.SUBQ(imm(2), reg.R14)
	d.JLE(operand.LabelRef(last))
	d.Label(loop)
	d.next(0)
	d.row(0, 2)
	d.ADDQ(reg.R10, reg.RSI)
	d.finish()
	d.DECQ(reg.R14)
	d.JNZ(operand.LabelRef(loop))
	d.Label(last)
	d.shift(0)
	d.row(0, 1)
	d.ADDQ(reg.R10, reg.RSI)
	d.finish()
	d.shift(0)
	d.CMPQ(mem(t, dwBottom), imm(0))
	d.JNE(operand.LabelRef(end))
	d.row(0, 0)
	d.Label(end)
	d.finish()
}

// shift goes to the next row of outputs, for those from the given third of the vectors on.
func (d *dwRoll) shift(from int) {
	for i := 2 * from; i < 4; i++ {
		d.VMOVAPS(d.reg(i+2), d.reg(i))
	}
}

// next starts another one.
func (d *dwRoll) next(from int) {
	d.shift(from)
	d.VMOVUPS(d.slot, d.reg(4))
	d.VMOVAPS(d.reg(4), d.reg(5))
}

// row adds a row of input to the given thirds of the outputs.
func (d *dwRoll) row(from, to int) {
	d.columns(func(c int) {
		d.VMOVUPS(d.at(reg.RSI, c), d.reg(15))
		for third := from; third <= to; third++ {
			for j := range 2 {
				if k := c - j; k >= 0 && k < 3 {
					d.VFMADD231PS(d.reg(15), d.reg(6+3*(2-third)+k), d.reg(2*third+j))
				}
			}
		}
	})
}

// finish stores a row of outputs.
func (d *dwRoll) finish() {
	t, x := reg.RBX, d.reg(15)
	d.VBROADCASTSS(mem(t, dwMin), x)
	for j := range 2 {
		d.VMAXPS(d.reg(j), x, d.reg(j))
	}
	d.VBROADCASTSS(mem(t, dwMax), x)
	for j := range 2 {
		d.VMINPS(d.reg(j), x, d.reg(j))
	}
	d.VMOVUPS(d.reg(0), mem(reg.R11, 0))
	d.VMOVUPS(d.reg(1), memx(reg.R11, reg.R12, 1, 0))
	d.ADDQ(reg.R13, reg.R11)
}
