package main

import "github.com/mmcloughlin/avo/reg"

// gelu is max(x, 0) - |x|·tail(|x|), the tail of the normal distribution being e^(-x²/2)·t·P(t), t = 1/(1 + 0.35·|x|), with a
// P of degree 8 fitted to 3e-8 of the tail. What rounding takes from x² is kept and put back, or the tail's error would grow
// with x². Registers 4 to 12; the bounds' registers are not needed.
func (g *vec) gelu(x reg.VecPhysical) {
	_, e, p := g.geluTail(x, true)
	t := g.reg(7)
	g.clear(g.isa, t)
	g.VMAXPS(x, t, x) // a NaN stays
	g.VFNMADD231PS(e, p, x)
}

// geluTail sets a to |x|, at most 15, e to e^(-x²/2) and p to t·P(t), or byA to |x|·t·P(t), when a is spent. x stays.
func (g *vec) geluTail(x reg.VecPhysical, byA bool) (a, e, p reg.VecPhysical) {
	a, sq, low, t, p := g.reg(4), g.reg(5), g.reg(6), g.reg(7), g.reg(12)
	g.VANDPS(g.c("abs"), x, a)
	g.VMOVUPS(g.c("far"), t)
	g.VMINPS(a, t, a) // beyond which the tail is 0: keeps infinity from a product with 0
	g.VMULPS(a, a, sq)
	g.VMOVAPS(a, low)
	g.VFMSUB213PS(sq, a, low) // a² - sq
	g.VMOVUPS(g.c("g"), t)
	g.VFMADD213PS(g.c("one"), a, t)
	if g.wide() { // as in logistic
		g.VRCP14PS(t, p)
		g.VFNMADD213PS(g.c("one"), p, t)
		g.VFMADD213PS(p, p, t)
	} else {
		g.VMOVUPS(g.c("one"), p)
		g.VDIVPS(t, p, t)
	}
	if byA {
		g.VMULPS(t, a, a)
	}
	g.VMOVUPS(g.c("g8"), p)
	for _, c := range []string{"g7", "g6", "g5", "g4", "g3", "g2", "g1", "g0"} {
		g.VFMADD213PS(g.c(c), t, p)
	}
	if byA {
		g.VMULPS(a, p, p)
	} else {
		g.VMULPS(t, p, p)
	}
	if g.wide() {
		g.power(sq, "-hi/2", "-lo/2", low)
		return a, sq, p
	}
	g.VMULPS(g.c("half"), low, low)
	g.VMULPS(g.c("half"), sq, sq)
	g.exp(sq)
	g.VFMADD213PS(sq, sq, low) // e^-sq/2 times 1 - low/2
	return a, low, p
}

// geluTanh is x / (1 + e^-2u) with u = √(2/π)·(x + 0.044715·x³): x·(1 + tanh u)/2.
func (g *vec) geluTanh(x reg.VecPhysical) {
	in, p := g.reg(5), g.reg(6)
	g.VMOVAPS(x, in)
	g.VMULPS(x, x, x)
	g.VMOVUPS(g.c("gt3"), p)
	g.VFMADD213PS(g.c("gt1"), p, x)
	g.VMULPS(in, x, x)
	g.exp(x)
	g.VADDPS(g.c("one"), x, x)
	g.VDIVPS(x, in, x)
}
