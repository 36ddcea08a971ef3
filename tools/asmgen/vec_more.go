package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// round rounds x to a whole number: to nearest and even, down or up for mode 0, 1 and 2.
func (g *vec) round(mode uint8, x reg.VecPhysical) {
	const quietly = 8
	if g.wide() {
		g.VRNDSCALEPS(operand.U8(mode|quietly), x, x)
	} else {
		g.VROUNDPS(operand.U8(mode|quietly), x, x)
	}
}

// erf is x·P(x²)/Q(x²) for |x| up to 3.8, from where on it is 1: P and Q are of degree 6 and 4, a rational fit to 4e-8 that many
// libraries of vector functions use. Registers 4 to 7.
func (g *vec) erf(x reg.VecPhysical) {
	z, p, q, one := g.reg(4), g.reg(5), g.reg(6), g.reg(7)
	g.between(x, "-erfEnd", "erfEnd", one)
	g.VMULPS(x, x, z)
	for _, f := range []struct {
		d    reg.VecPhysical
		name []string
	}{{p, []string{"n6", "n5", "n4", "n3", "n2", "n1", "n0"}}, {q, []string{"d4", "d3", "d2", "d1", "d0"}}} {
		g.VMOVUPS(g.c(f.name[0]), f.d)
		for _, c := range f.name[1:] {
			g.VFMADD213PS(g.c(c), z, f.d)
		}
	}
	g.VMULPS(p, x, x)
	g.VDIVPS(q, x, x)
	g.between(x, "-one", "one", one)
}

// between clamps x by two constants, with t's help; NaN stays.
func (g *vec) between(x reg.VecPhysical, lo, hi string, t reg.VecPhysical) {
	g.VMOVUPS(g.c(lo), t)
	g.VMAXPS(x, t, x)
	g.VMOVUPS(g.c(hi), t)
	g.VMINPS(x, t, x)
}

// larger writes the loop of kern.LargerF32: y becomes x and dst p0 where x is larger than y, or x alone is no number.
func (g *vec) larger() {
	const greater, unordered, ordered = 0x1e, 0x03, 0x07
	body := func(masked bool) {
		x, y, d := g.reg(0), g.reg(1), g.reg(2)
		at, top := memx(reg.R9, reg.RAX, 1, 0), memx(reg.RDI, reg.RAX, 1, 0)
		g.load(g.isa, memx(reg.RSI, reg.RAX, 1, 0), x, masked)
		g.load(g.isa, top, y, masked)
		g.load(g.isa, at, d, masked)
		if g.wide() {
			g.VCMPPS(operand.U8(unordered), x, x, ks[0])
			g.VCMPPS(operand.U8(ordered), y, y, ks[0], ks[0])
			g.VCMPPS(operand.U8(greater), y, x, ks[1])
			g.KORW(ks[0], ks[1], ks[1])
			g.VBLENDMPS(x, y, ks[1], y)
			g.VBLENDMPS(g.reg(8), d, ks[1], d)
		} else {
			none, some, more := g.reg(3), g.reg(4), g.reg(5)
			g.VCMPPS(operand.U8(unordered), x, x, none)
			g.VCMPPS(operand.U8(ordered), y, y, some)
			g.VCMPPS(operand.U8(greater), y, x, more)
			g.VANDPS(none, some, some)
			g.VORPS(some, more, more)
			g.VBLENDVPS(more, x, y, y)
			g.VBLENDVPS(more, g.reg(8), d, d)
		}
		g.store(g.isa, y, top, masked)
		g.store(g.isa, d, at, masked)
	}
	g.vectors(1, func() { body(false) })
	g.tail(func() { body(true) })
}

// where writes the loop of kern.WhereF32, over whole vectors: dst is x where a byte of z is not 0, else y.
func (g *vec) where() {
	g.XORL(reg.R12L, reg.R12L)
	g.vectors(1, func() {
		x, y, c := g.reg(0), g.reg(1), g.reg(2)
		g.VMOVUPS(memx(reg.RSI, reg.RAX, 1, 0), x)
		g.VMOVUPS(memx(reg.RDI, reg.RAX, 1, 0), y)
		g.VPMOVZXBD(memx(reg.R8, reg.R12, 1, 0), c)
		if g.wide() {
			g.VPTESTMD(c, c, ks[0])
			g.VBLENDMPS(x, y, ks[0], x)
		} else {
			none := g.reg(3)
			g.clear(g.isa, none)
			g.VPCMPEQD(none, c, c)
			g.VBLENDVPS(c, y, x, x)
		}
		g.VMOVUPS(x, memx(reg.R9, reg.RAX, 1, 0))
		g.ADDQ(imm(g.lanes), reg.R12)
	})
	g.JMP(operand.LabelRef(g.done()))
}

// compare writes a loop of kern.CompareF32, over whole vectors: dst, of bytes, is 1 where the predicate holds for x and y.
func (g *vec) compare(predicate uint8) {
	g.XORL(reg.R12L, reg.R12L)
	g.VMOVUPS(g.c("bytes"), g.reg(4))
	g.vectors(1, func() {
		x := g.reg(0)
		out := memx(reg.R9, reg.R12, 1, 0)
		g.VMOVUPS(memx(reg.RSI, reg.RAX, 1, 0), x)
		if g.wide() {
			g.VCMPPS(operand.U8(predicate), memx(reg.RDI, reg.RAX, 1, 0), x, ks[0])
			g.VMOVDQU8_Z(reg.X4, ks[0], reg.X0)
			g.VMOVDQU(reg.X0, out)
		} else {
			g.VCMPPS(operand.U8(predicate), memx(reg.RDI, reg.RAX, 1, 0), x, x)
			g.VEXTRACTF128(operand.U8(1), reg.Y0, reg.X1)
			g.VPACKSSDW(reg.X1, reg.X0, reg.X0)
			g.VPACKSSWB(reg.X0, reg.X0, reg.X0)
			g.VPAND(reg.X4, reg.X0, reg.X0)
			g.VMOVQ(reg.X0, out)
		}
		g.ADDQ(imm(g.lanes), reg.R12)
	})
	g.JMP(operand.LabelRef(g.done()))
}
