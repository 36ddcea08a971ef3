package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// narrowForm is a way of keeping float32 numbers in 16 bits.
type narrowForm struct {
	name string
	bf16 bool
}

var narrowForms = []narrowForm{{"F16", false}, {"BF16", true}}

// widen makes a vector of float32 of half a vector in memory.
func (a *asm) widen(f narrowForm, m operand.Mem, to reg.VecPhysical) {
	if f.bf16 {
		a.VPMOVZXWD(m, to)
		a.VPSLLD(imm(16), to, to)
		return
	}
	a.VCVTPH2PS(m, to)
}

// narrowF32 writes the loops that narrow.
func narrowF32(a *asm, v isa) {
	for _, f := range narrowForms {
		narrowPut(a, v, f)
	}
}

const narrowTo, narrowFrom, narrowN, narrowLost = 0, 8, 16, 24 // of kern.narrowArgs

// narrowPut writes the loop that narrows whole vectors and says whether anything was lost.
func narrowPut(a *asm, v isa, f narrowForm) {
	a.fn("narrowPut"+f.name+v.suffix, "Narrow.put")
	t := a.arg(reg.RAX)
	to, from, n := reg.RDI, reg.RSI, reg.RCX
	a.MOVQ(mem(t, narrowTo), to)
	a.MOVQ(mem(t, narrowFrom), from)
	a.MOVQ(mem(t, narrowN), n)
	x, y, lost, half := v.reg(0), v.reg(1), v.reg(2), ys[3]
	if !v.wide() {
		half = xs[3]
	}
	a.clear(v, lost)
	loop := a.label("loop")
	a.Label(loop)
	a.VMOVUPS(mem(from, 0), x)
	switch {
	case !f.bf16:
		a.VCVTPS2PH(imm(0), x, half)
		a.VCVTPH2PS(half, y)
		a.VMOVUPS(half, mem(to, 0))
	case v.wide():
		a.VPSRLD(imm(16), x, y)
		a.VPMOVDW(y, half)
		a.VMOVUPS(half, mem(to, 0))
		a.VPSLLD(imm(16), y, y)
	default:
		a.VPSRLD(imm(16), x, y)
		a.VEXTRACTI128(imm(1), y, half)
		a.VPACKUSDW(half, xs[1], half)
		a.VMOVUPS(half, mem(to, 0))
		a.VPSLLD(imm(16), y, y)
	}
	a.VXORPS(x, y, y)
	a.VORPS(y, lost, lost)
	a.ADDQ(imm(v.bytes()), from)
	a.ADDQ(imm(v.bytes()/2), to)
	a.SUBQ(imm(v.lanes), n)
	a.JG(operand.LabelRef(loop))
	if v.wide() {
		a.VPTESTMD(lost, lost, ks[0])
		a.KMOVW(ks[0], n.As32())
	} else {
		a.XORL(n.As32(), n.As32())
		a.VPTEST(lost, lost)
		a.SETNE(n.As8())
	}
	a.MOVQ(n, mem(t, narrowLost))
	a.VZEROUPPER()
	a.RET()
}
