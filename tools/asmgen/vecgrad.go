package main

import "github.com/mmcloughlin/avo/reg"

// vecGrad writes the loops dst = d·slope(x) of activations, of which kern.vecArgs names x as x and d as y.
func vecGrad(a *asm, v isa) {
	g := &vec{asm: a, isa: v}
	g.start("vecHardSwishGrad", "slopeGeneric")
	g.loop(2, 1, func(r []reg.VecPhysical) {
		g.inside(r[0])
		hard, rest, z := v.reg(7), v.reg(6), v.reg(12)
		a.VMULPS(v.reg(8), r[0], rest) // x/6
		a.VADDPS(v.reg(9), rest, hard)
		a.clear(v, z)
		a.VMAXPS(hard, z, hard)
		a.VMOVUPS(g.c("one"), z)
		a.VMINPS(hard, z, hard)
		g.and(v.reg(11), rest, rest)
		a.VADDPS(rest, hard, hard)
		a.VMULPS(hard, r[1], r[0])
	})
	g.finish()
	g.start("vecSwishGrad", "slopeGeneric")
	g.loop(2, 1, func(r []reg.VecPhysical) {
		x, s, left := v.reg(7), v.reg(6), v.reg(5)
		if g.wide() {
			g.floor(r[0])
		}
		a.VMOVAPS(r[0], x)
		g.logistic(r[0], nil, s)
		a.VMOVUPS(g.c("one"), left)
		a.VSUBPS(s, left, left)
		a.VMULPS(s, x, x)
		a.VFMADD213PS(s, left, x) // s + x·s·(1-s)
		a.VMULPS(x, r[1], r[0])
	})
	g.finish()
	g.start("vecGeluGrad", "slopeGeneric")
	g.loop(2, 1, func(r []reg.VecPhysical) {
		m, e, p := g.geluTail(r[0], false)
		sign := v.reg(7)
		a.VANDPS(g.c("sign"), r[0], sign)
		a.VFNMADD213PS(g.c("e5"), e, p) // 0.5 - tail
		a.VMULPS(e, m, m)
		a.VFMADD231PS(g.c("phi"), m, p) // and |x|·e^(-x²/2)/√2π
		a.VXORPS(sign, p, p)
		a.VADDPS(g.c("e5"), p, p)
		a.VMULPS(p, r[1], r[0])
	})
	g.finish()
	g.start("vecGeluTanhGrad", "slopeGeneric")
	g.loop(2, 1, func(r []reg.VecPhysical) {
		in, du, s, left := v.reg(5), v.reg(6), v.reg(7), v.reg(12)
		x := r[0]
		a.VMOVUPS(g.c("far"), in)
		a.VMINPS(x, in, x) // beyond which the slope is 0 or 1
		a.VMOVUPS(g.c("-far"), in)
		a.VMAXPS(x, in, x)
		a.VMOVAPS(x, in)
		a.VMULPS(x, x, x)
		a.VMOVUPS(g.c("3gt3"), du)
		a.VFMADD213PS(g.c("gt1"), x, du) // -(2u)'
		a.VMOVUPS(g.c("gt3"), s)
		a.VFMADD213PS(g.c("gt1"), s, x)
		a.VMULPS(in, x, x) // -2u
		g.exp(x)
		one := v.reg(8)
		a.VMOVUPS(g.c("one"), one)
		a.VADDPS(one, x, x)
		a.VDIVPS(x, one, s)
		a.VSUBPS(s, one, left)
		a.VMULPS(left, in, in)
		a.VMULPS(du, in, in)
		a.VFNMADD213PS(s, s, in) // s - x·s·(1-s)·-(2u)'
		a.VMULPS(in, r[1], r[0])
	})
	g.finish()
	g.constants()
}
