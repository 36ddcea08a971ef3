package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sine is the sine of x + p0·π/2, p0 being an integer: x = n·π/2 + r with π/2 in three parts (the first product is exact for
// |x| up to 2^17, and what is left out of π/2 is 1e-23·n), then Cephes' single precision polynomials of r, that of the cosine for
// odd n + p0, and the sign of the half turn. NaN stays. Registers 4 to 9, of which 8 has p0.
func (g *vec) sine(x reg.VecPhysical) {
	z, n, quarter, sin, cos := g.reg(4), g.reg(5), g.reg(6), g.reg(7), g.reg(9)
	g.VMULPS(g.c("2/pi"), x, n)
	g.VCVTPS2DQ(n, quarter) // rounds to nearest even
	g.VCVTDQ2PS(quarter, n)
	g.VPADDD(g.reg(8), quarter, quarter)
	for _, part := range []string{"pi/2a", "pi/2b", "pi/2c"} {
		g.VFNMADD231PS(g.c(part), n, x)
	}
	g.VMULPS(x, x, z)
	g.VMOVUPS(g.c("s2"), sin)
	g.VFMADD213PS(g.c("s1"), z, sin)
	g.VFMADD213PS(g.c("s0"), z, sin)
	g.VMULPS(z, sin, sin)
	g.VFMADD213PS(x, x, sin)
	g.VMOVUPS(g.c("c2"), cos)
	for _, c := range []string{"c1", "c0", "half", "one"} { // "half" is -0.5
		g.VFMADD213PS(g.c(c), z, cos)
	}
	g.VPSLLD(operand.U8(31), quarter, n)
	if g.wide() {
		g.VPTESTMD(n, n, ks[0])
		g.VBLENDMPS(cos, sin, ks[0], sin)
	} else {
		g.VBLENDVPS(n, cos, sin, sin)
	}
	g.VPSLLD(operand.U8(30), quarter, n)
	g.VANDPS(g.c("sign"), n, n)
	g.VXORPS(n, sin, x)
}
