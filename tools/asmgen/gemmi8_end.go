package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// finishWide requantises and stores. Numbers become 16 bits and, with the zero point, unsigned bytes, each step saturating;
// the bytes of signed results are 128 too large until the end. Converted sums must fit 32 bits, which the columns know,
// or they are bounded before.
func (g *gemmInt) finishWide() {
	t := g.arg(reg.RAX)
	zeros, sums := reg.RCX, reg.RDX
	symmetric := g.label("symmetric")
	g.MOVQ(mem(t, tileI8WZero), zeros)
	g.TESTQ(zeros, zeros)
	g.JZ(operand.LabelRef(symmetric))
	g.ADDQ(g.panelAt, zeros)
	g.MOVQ(mem(t, tileI8Sums), sums)
	for j := range g.nv {
		g.load(g.isa, mem(zeros, j*g.isa.bytes()), g.b(j), false)
	}
	for i := range g.mr {
		for j := range g.nv {
			g.VPMULLD_BCST(mem(sums, 4*i), g.b(j), g.tmp(j))
			g.VPSUBD(g.tmp(j), g.acc(i, j), g.acc(i, j))
		}
	}
	g.Label(symmetric)
	scale := reg.RCX
	g.MOVQ(mem(t, tileI8Scale), scale)
	g.ADDQ(g.panelAt, scale)
	for j := range g.nv {
		g.load(g.isa, mem(scale, j*g.isa.bytes()), g.b(j), false)
	}
	zero, lo, hi, flip, order := g.tmp(0), g.tmp(1), g.tmp(2), g.tmp(3), g.tmp(4)
	c, ldc := reg.RCX, reg.RDX
	each := func(f func(x reg.VecPhysical, j int)) {
		for i := range g.mr {
			for j := range g.nv {
				f(g.acc(i, j), j)
			}
		}
	}
	each(func(x reg.VecPhysical, j int) {
		g.VCVTDQ2PS(x, x)
		g.VMULPS(g.b(j), x, x)
	})
	tame := g.label("tame")
	g.MOVL(mem(t, tileI8Wild), reg.EDX)
	g.TESTL(reg.EDX, reg.EDX)
	g.JZ(operand.LabelRef(tame))
	g.VBROADCASTSS(mem(t, tileI8Max), zero)
	each(func(x reg.VecPhysical, _ int) { g.VMINPS(x, zero, x) }) // a NaN stays one, and becomes the least integer
	g.Label(tame)
	g.VMOVDQU64(g.order, order)
	g.MOVQ(g.panelAt, c)
	g.SHRQ(operand.U8(2), c)
	g.ADDQ(mem(t, tileI8C), c)
	g.MOVQ(mem(t, tileI8LDC), ldc)
	end := g.label("end")
	g.VPBROADCASTD(mem(t, tileI8Words), zero)
	g.VPBROADCASTD(mem(t, tileI8Lo), lo)
	g.VPBROADCASTD(mem(t, tileI8Hi), hi)
	g.VPBROADCASTD(mem(t, tileI8OutXor), flip)
	g.forms(end, mem(t, tileI8End), wholeEnd, freeEnd, bareEnd)
	g.Label(end)
}

// many says that the tile is one of those that most results come from: it has ends of its own for what is usual.
func (g *gemmInt) many() bool { return g.nv == 2 && (g.mr == 12 || g.mr == 8) }

// forms writes the first of some ends and, for products of many results, the others, of which the number at m chooses.
func (g *gemmInt) forms(end string, m operand.Mem, f ...endForm) {
	if g.many() {
		g.MOVL(m, reg.EAX)
	} else {
		f = f[:1]
	}
	for i, form := range f {
		next := g.label("form")
		if i < len(f)-1 {
			g.CMPL(reg.EAX, imm(i))
			g.JNE(operand.LabelRef(next))
		}
		g.packRows(form)
		g.JMP(operand.LabelRef(end))
		g.Label(next)
	}
}

// endForm is how much packRows does, in the order of kern.tileI8's end.
type endForm int

const (
	wholeEnd endForm = iota
	freeEnd          // unsigned results whose limits are a byte's
	bareEnd          // those, and their zero point is 0
)

// packRows rounds the scaled sums, packs and stores them, with what finishWide put into registers.
func (g *gemmInt) packRows(f endForm) {
	zero, lo, hi, flip, order := g.tmp(0), g.tmp(1), g.tmp(2), g.tmp(3), g.tmp(4)
	c, ldc := reg.RCX, reg.RDX
	vector := func(i int) reg.VecPhysical { return g.acc(i/g.nv, i%g.nv) }
	pack := func(i, j int) reg.VecPhysical {
		g.VPACKSSDW(vector(j), vector(i), vector(i))
		if f != bareEnd {
			g.VPADDSW(zero, vector(i), vector(i))
		}
		return vector(i)
	}
	for i := 0; i < g.mr*g.nv; i += 4 { // four vectors at once, of two rows or of four
		n := min(4, g.mr*g.nv-i)
		for k := range n {
			g.VCVTPS2DQ(vector(i+k), vector(i+k)) // half to even
		}
		x := pack(i, i+min(1, n-1))
		y := x
		if n == 4 {
			y = pack(i+2, i+3)
		}
		g.VPACKUSWB(y, x, x)
		if f == wholeEnd {
			g.VPMAXUB(lo, x, x)
			g.VPMINUB(hi, x, x)
			g.VPXORD(flip, x, x)
		}
		g.VPERMD(x, order, x)
		for k := range n / g.nv {
			low := int(x.ID().Index())
			if k > 0 {
				low = int(vector(i + k).ID().Index())
			}
			switch {
			case g.nv == 2 && k == 0:
				g.VMOVDQU8(ys[low], ks[0], mem(c, 0))
			case g.nv == 2:
				g.VEXTRACTI64X4(operand.U8(k), x, ys[low])
				g.VMOVDQU8(ys[low], ks[0], mem(c, 0))
			case k == 0:
				g.VMOVDQU8(xs[low], ks[0], mem(c, 0))
			default:
				g.VEXTRACTI32X4(operand.U8(k), x, xs[low])
				g.VMOVDQU8(xs[low], ks[0], mem(c, 0))
			}
			g.ADDQ(ldc, c)
		}
	}
}
