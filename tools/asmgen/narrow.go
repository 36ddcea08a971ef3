package main

import (
	"github.com/mmcloughlin/avo/build"
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
	narrowSteps(a, v)
}

const narrowTo, narrowFrom, narrowN, narrowLost, narrowStep = 0, 8, 16, 24, 32 // of kern.narrowArgs

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
	a.narrowEnd(v, t, lost, n)
}

// narrowEnd notes whether any bit of lost is set, and returns.
func (a *asm) narrowEnd(v isa, t reg.GPPhysical, lost reg.VecPhysical, n reg.GPPhysical) {
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

// narrowSteps writes the loop that makes integers of 32 floats at a time, each a multiple of its own step, and says whether any
// was something else. The inverse steps follow the steps.
func narrowSteps(a *asm, v isa) {
	const lanes = 32
	a.fn("narrowPutI8"+v.suffix, "putSteps")
	t := a.arg(reg.RAX)
	to, from, n, step := reg.RDI, reg.RSI, reg.RCX, reg.RDX
	a.MOVQ(mem(t, narrowTo), to)
	a.MOVQ(mem(t, narrowFrom), from)
	a.MOVQ(mem(t, narrowN), n)
	a.MOVQ(mem(t, narrowStep), step)
	vectors := lanes / v.lanes
	x, q, lost := func(j int) reg.VecPhysical { return v.reg(j) }, func(j int) reg.VecPhysical { return v.reg(vectors + j) }, v.reg(2*vectors)
	a.clear(v, lost)
	order := v.reg(2*vectors + 1)
	if !v.wide() {
		table := a.StaticGlobal("narrowOrder")
		a.DataAttributes(build.RODATA | build.NOPTR)
		for i := range 8 { // packing goes by halves of a vector
			a.AddDatum(4*i, operand.U32(i/2+i%2*4))
		}
		a.VMOVDQU(table, order)
	}
	loop := a.label("loop")
	a.Label(loop)
	for j := range vectors {
		a.VMOVUPS(mem(from, j*v.bytes()), x(j))
		a.VMULPS(mem(step, 4*lanes+j*v.bytes()), x(j), q(j))
		a.VCVTPS2DQ(q(j), q(j))
		if v.wide() {
			a.VPMOVSDB(q(j), mem(to, j*v.lanes))
		}
	}
	if !v.wide() {
		a.VPACKSSDW(q(1), q(0), q(0))
		a.VPACKSSDW(q(3), q(2), q(2))
		a.VPACKSSWB(q(2), q(0), q(0))
		a.VPERMD(q(0), order, q(0))
		a.VMOVDQU(q(0), mem(to, 0))
	}
	for j := range vectors {
		a.VPMOVSXBD(mem(to, j*v.lanes), q(j))
		a.VCVTDQ2PS(q(j), q(j))
		a.VMULPS(mem(step, j*v.bytes()), q(j), q(j))
		a.VXORPS(x(j), q(j), q(j))
		a.VORPS(q(j), lost, lost)
	}
	a.ADDQ(imm(4*lanes), from)
	a.ADDQ(imm(lanes), to)
	a.SUBQ(imm(lanes), n)
	a.JG(operand.LabelRef(loop))
	a.narrowEnd(v, t, lost, n)
}
