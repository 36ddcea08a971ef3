package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Helpers for loops over vectors with a masked tail. The tail's mask is K4 with AVX-512 and register 15 with AVX2.

// setMask prepares the mask of the first n lanes; n is a register below the number of lanes. RCX and RDX are used.
func (a *asm) setMask(v isa, n reg.GPPhysical) {
	if v.wide() {
		if n != reg.RCX {
			a.MOVQ(n, reg.RCX)
		}
		a.MOVQ(operand.I32(-1), reg.RDX)
		a.SHLQ(reg.CL, reg.RDX)
		a.NOTQ(reg.RDX)
		a.KMOVW(reg.EDX, ks[3])
		return
	}
	a.NEGQ(n)
	a.LEAQ(a.maskTable(), reg.RDX)
	a.VMOVUPS(memx(reg.RDX, n, 4, 64), v.reg(15))
}

// columns ends a function that goes over R8's columns, RAX bytes in: n vectors at a time, groups first, then one by one, the
// last masked.
func (a *asm) columns(v isa, group int, lines func(n int, masked bool)) {
	col, left := reg.RAX, reg.R8
	many, one, done := a.label("many"), a.label("one"), a.label("done")
	a.Label(many)
	a.CMPQ(left, imm(group*v.lanes))
	a.JLT(operand.LabelRef(one))
	lines(group, false)
	a.ADDQ(imm(group*v.bytes()), col)
	a.SUBQ(imm(group*v.lanes), left)
	a.JMP(operand.LabelRef(many))
	a.Label(one)
	a.TESTQ(left, left)
	a.JLE(operand.LabelRef(done))
	a.MOVQ(operand.I32(int32(v.lanes)), reg.RCX)
	a.CMPQ(left, reg.RCX)
	a.CMOVQLT(left, reg.RCX)
	a.setMask(v, reg.RCX)
	lines(1, true)
	a.ADDQ(imm(v.bytes()), col)
	a.SUBQ(imm(v.lanes), left)
	a.JMP(operand.LabelRef(one))
	a.Label(done)
	a.VZEROUPPER()
	a.RET()
}

func (a *asm) load(v isa, m operand.Mem, r reg.VecPhysical, masked bool) {
	switch {
	case !masked:
		a.VMOVUPS(m, r)
	case v.wide():
		a.VMOVUPS_Z(m, ks[3], r)
	default:
		a.VMASKMOVPS(m, v.reg(15), r)
	}
}

func (a *asm) store(v isa, r reg.VecPhysical, m operand.Mem, masked bool) {
	switch {
	case !masked:
		a.VMOVUPS(r, m)
	case v.wide():
		a.VMOVUPS(r, ks[3], m)
	default:
		a.VMASKMOVPS(r, v.reg(15), m)
	}
}

func (a *asm) clear(v isa, r reg.VecPhysical) {
	if v.wide() {
		a.VPXORD(r, r, r)
	} else {
		a.VXORPS(r, r, r)
	}
}

// clamp bounds registers 0..n-1 by the two floats at t. The value is the second source, which VMAXPS and VMINPS return
// when one is NaN.
func (a *asm) clamp(v isa, t reg.Register, lo, hi, n int, rlo, rhi reg.VecPhysical) {
	a.VBROADCASTSS(mem(t, lo), rlo)
	a.VBROADCASTSS(mem(t, hi), rhi)
	for j := range n {
		a.VMAXPS(v.reg(j), rlo, v.reg(j))
		a.VMINPS(v.reg(j), rhi, v.reg(j))
	}
}
