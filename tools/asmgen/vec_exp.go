package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exp replaces x by e^x: x = n·ln2 + r, a polynomial of r (Cephes expf), times 2^n, with AVX2 in two halves so that results may
// overflow to infinity and underflow through the subnormals. Registers 8 to 11. The bits are the same with either, which the
// softmax of integer networks goes by.
func (g *vec) exp(x reg.VecPhysical) {
	n, p, h, s := g.reg(8), g.reg(9), g.reg(10), g.reg(11)
	g.VMOVUPS(g.c("expMin"), n)
	g.VMAXPS(x, n, x)
	g.VMOVUPS(g.c("expMax"), n)
	g.VMINPS(x, n, x)
	g.VMULPS(g.c("log2e"), x, n)
	g.VCVTPS2DQ(n, s) // rounds to nearest even
	g.VCVTDQ2PS(s, n)
	g.VFNMADD231PS(g.c("ln2hi"), n, x)
	g.VFNMADD231PS(g.c("ln2lo"), n, x)
	g.VMOVUPS(g.c("e0"), p)
	for _, e := range []string{"e1", "e2", "e3", "e4", "e5"} {
		g.VFMADD213PS(g.c(e), x, p)
	}
	g.VMULPS(x, x, h)
	g.VFMADD213PS(x, h, p) // p·x² + x
	g.VADDPS(g.c("one"), p, x)
	if g.wide() {
		g.VSCALEFPS(n, x, x)
		return
	}
	g.VPSRAD(operand.U8(1), s, h)
	g.VPSUBD(h, s, s)
	for _, half := range []reg.VecPhysical{h, s} {
		g.VPADDD(g.c("bias"), half, half)
		g.VPSLLD(operand.U8(23), half, half)
		g.VMULPS(half, x, x)
	}
}

// power replaces x, at most 2^17 in size, by 2^(x·(hi+lo) + rest·hi), rest being small or nil: the exponent is k + f, k whole
// sixteenths. What k has beyond whole numbers is looked up in a register, which leaves f, within 1/32, a polynomial of degree
// 3: fewer instructions than exp's, and less to wait for. Adding 16ths rounds to sixteenths and leaves them in the low bits,
// whose last four are the place. NaN stays. Registers 8 to 11.
func (g *vec) power(x reg.VecPhysical, hi, lo string, rest reg.VecPhysical) {
	k, f, p, t := g.reg(8), g.reg(9), g.reg(10), g.reg(11)
	g.VMOVUPS(g.c("16ths"), k)
	g.VFMADD231PS(g.c(hi), x, k)
	g.VPERMPS(g.c("powers"), k, t)
	g.VSUBPS(g.c("16ths"), k, k)
	g.VMOVAPS(x, f)
	g.VFMSUB132PS(g.c(hi), k, f) // x·hi - k
	g.VFMADD231PS(g.c(lo), x, f)
	if rest != nil {
		g.VFMADD231PS(g.c(hi), rest, f)
	}
	g.VMOVUPS(g.c("p3"), p)
	g.VFMADD213PS(g.c("p2"), f, p)
	g.VFMADD213PS(g.c("p1"), f, p)
	g.VMULPS(f, t, f)
	g.VFMADD213PS(t, p, f)
	g.VSCALEFPS(k, f, x) // takes the floor of k
}

// logistic sets d to by / (1 + e^-x), or 1 / (1 + e^-x) where by is nil; x is spent. Registers 8 to 11. With AVX-512 the
// quotient is an estimate and a step of Newton's, a quarter of a division's time; x must be at least -88 there, so that the
// estimate's product with e^-x is a number.
func (g *vec) logistic(x, by, d reg.VecPhysical) {
	if !g.wide() {
		g.VXORPS(g.c("sign"), x, x)
		g.exp(x)
		if by == nil {
			by = d
			g.VMOVUPS(g.c("one"), d)
		}
		g.VADDPS(g.c("one"), x, x)
		g.VDIVPS(x, by, d)
		return
	}
	g.VMOVUPS(g.c("logisticMax"), d)
	g.VMINPS(x, d, x)
	g.power(x, "-hi", "-lo", nil)
	g.VADDPS(g.c("one"), x, x)
	g.VRCP14PS(x, d)
	g.VFNMADD213PS(g.c("one"), d, x) // 1 - x·d
	g.VFMADD213PS(d, x, d)           // d + (1 - x·d)·d
	if by != nil {
		g.VMULPS(by, d, d)
	}
}

// floor brings x to at least -88, where the logistic function is 6e-39. NaN stays. Register 8.
func (g *vec) floor(x reg.VecPhysical) {
	g.VMOVUPS(g.c("logisticMin"), g.reg(8))
	g.VMAXPS(x, g.reg(8), x)
}

// tanh is Cephes tanhf: a polynomial below 0.625, 1 - 2/(e^2|x| + 1) or the same by e^-2|x| with x's sign above. Registers 5 to 12.
func (g *vec) tanh(x reg.VecPhysical) {
	in, sq, p, sign := g.reg(5), g.reg(6), g.reg(7), g.reg(12)
	g.VMOVAPS(x, in)
	g.VANDPS(g.c("sign"), x, sign)
	g.VANDPS(g.c("abs"), x, x)
	g.VMULPS(x, x, sq)
	g.VMOVUPS(g.c("t0"), p)
	for _, c := range []string{"t1", "t2", "t3", "t4"} {
		g.VFMADD213PS(g.c(c), sq, p)
	}
	g.VMULPS(in, sq, sq)
	g.VFMADD213PS(in, sq, p) // p·x³ + x
	big := g.reg(4)
	g.VMOVUPS(g.c("small"), big)
	if g.wide() {
		g.VCMPPS(operand.U8(0x1e), big, x, ks[2]) // |x| > 0.625, quietly false for NaN
	} else {
		g.VCMPPS(operand.U8(0x1e), big, x, big)
	}
	g.VADDPS(x, x, x)
	if g.wide() { // 1 - 2t/(1 + t) with t = e^-2|x|; the quotient as in logistic
		g.VMOVUPS(g.c("logisticMax"), big)
		g.VMINPS(x, big, x)
		g.power(x, "-hi", "-lo", nil)
		one, r := g.reg(8), g.reg(9)
		g.VMOVUPS(g.c("one"), one)
		g.VADDPS(one, x, big)
		g.VRCP14PS(big, r)
		g.VFNMADD213PS(one, r, big)
		g.VFMADD213PS(r, r, big)
		g.VADDPS(x, x, x)
		g.VFNMADD213PS(one, big, x)
	} else {
		g.exp(x)
		one := g.reg(8)
		g.VMOVUPS(g.c("one"), one)
		g.VADDPS(one, x, x)
		g.VMOVUPS(g.c("two"), g.reg(9))
		g.VDIVPS(x, g.reg(9), x)
		g.VSUBPS(x, one, x)
	}
	g.VORPS(sign, x, x)
	if g.wide() {
		g.VBLENDMPS(x, p, ks[2], x)
	} else {
		g.VBLENDVPS(big, x, p, x)
	}
}
