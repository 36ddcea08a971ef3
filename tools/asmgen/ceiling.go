package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// ceiling writes a loop of independent fused multiply-adds, twelve chains, run as often as the integer at t says.
func ceiling(a *asm, v isa) {
	a.fn("fmaLoop"+v.suffix, "FMACeiling")
	t := a.arg(reg.RAX)
	n := reg.RCX
	a.MOVQ(mem(t, 0), n)
	for i := range 14 {
		a.clear(v, v.reg(i))
	}
	loop := a.label("loop")
	a.Label(loop)
	for range 2 {
		for i := range 12 {
			a.VFMADD231PS(v.reg(12), v.reg(13), v.reg(i))
		}
	}
	a.DECQ(n)
	a.JNZ(operand.LabelRef(loop))
	a.VZEROUPPER()
	a.RET()
}
