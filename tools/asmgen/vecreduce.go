package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sgd writes the momentum step: g = scale·x + decay·w, v = momentum·v + g, w = shrink·w - rate·v, with dst = w, y = v and
// scale and shrink where a clamp has its bounds.
func (g *vec) sgd() {
	g.fn("vecSGDF32"+g.suffix, "SGDF32.Step")
	t := g.arg(reg.RBX)
	g.MOVQ(mem(t, vecX), reg.RSI)
	g.MOVQ(mem(t, vecY), reg.RDI)
	g.MOVQ(mem(t, vecDst), reg.R9)
	g.MOVQ(mem(t, vecN), reg.RCX)
	g.param(vecP0, 8)
	g.param(vecP1, 9)
	g.param(vecP2, 10)
	g.param(vecLo, 11)
	g.param(vecHi, 12)
	g.XORQ(reg.RAX, reg.RAX)
	body := func(masked bool) {
		w, v, x := g.reg(0), g.reg(1), g.reg(2)
		g.load(g.isa, memx(reg.R9, reg.RAX, 1, 0), w, masked)
		g.load(g.isa, memx(reg.RDI, reg.RAX, 1, 0), v, masked)
		g.load(g.isa, memx(reg.RSI, reg.RAX, 1, 0), x, masked)
		g.VMULPS(g.reg(11), x, x)
		g.VFMADD231PS(g.reg(10), w, x)
		g.VFMADD213PS(x, g.reg(9), v)
		g.VMULPS(g.reg(12), w, w)
		g.VFNMADD231PS(g.reg(8), v, w)
		g.store(g.isa, v, memx(reg.RDI, reg.RAX, 1, 0), masked)
		g.store(g.isa, w, memx(reg.R9, reg.RAX, 1, 0), masked)
	}
	done := g.label("done")
	g.vectors(1, func() { body(false) })
	g.TESTQ(reg.RCX, reg.RCX)
	g.JZ(operand.LabelRef(done))
	g.setMask(g.isa, reg.RCX)
	body(true)
	g.Label(done)
	g.VZEROUPPER()
	g.RET()
}

// reductions writes loops that end in one float at vecP2: four accumulators of a vector each, then a tree.
func (g *vec) reductions() {
	add := func(x, y reg.VecPhysical) { g.VADDPS(x, y, y) }
	zero := func(r reg.VecPhysical) { g.clear(g.isa, r) }
	g.reduce("vecSum", "SumF32", 1, zero, func(x, _, acc reg.VecPhysical, _ operand.Mem, _ bool) { g.VADDPS(x, acc, acc) }, add)
	g.reduce("vecSumSquares", "SumSquaresF32", 1, zero, func(x, _, acc reg.VecPhysical, _ operand.Mem, _ bool) { g.VFMADD231PS(x, x, acc) }, add)
	g.reduce("vecDot", "DotF32", 2, zero, func(x, y, acc reg.VecPhysical, _ operand.Mem, _ bool) { g.VFMADD231PS(x, y, acc) }, add)
	maximum := func(x, y reg.VecPhysical) { g.VMAXPS(x, y, y) }
	g.reduce("vecMaxOf", "MaxOfF32", 1, func(r reg.VecPhysical) { g.VBROADCASTSS(mem(reg.RBX, vecP0), r) },
		func(x, _, acc reg.VecPhysical, _ operand.Mem, masked bool) {
			if masked { // lanes that do not exist were loaded as zero
				g.onlyMasked(x, acc, func(d reg.VecPhysical) { g.VMAXPS(x, acc, d) })
				return
			}
			g.VMAXPS(x, acc, acc)
		}, maximum)
	g.pre = func() { g.param(vecP1, 12) }
	g.reduce("vecExpSum", "expSumGeneric", 1, zero, func(x, _, acc reg.VecPhysical, out operand.Mem, masked bool) {
		g.VSUBPS(g.reg(12), x, x)
		g.exp(x)
		g.store(g.isa, x, out, masked)
		if masked {
			g.onlyMasked(x, acc, func(d reg.VecPhysical) { g.VADDPS(x, acc, d) })
			return
		}
		g.VADDPS(x, acc, acc)
	}, add)
	g.pre = nil
}

// onlyMasked applies f to the masked lanes of acc.
func (g *vec) onlyMasked(x, acc reg.VecPhysical, f func(d reg.VecPhysical)) {
	d := g.reg(8)
	f(d)
	if g.wide() {
		g.VBLENDMPS(d, acc, ks[3], acc)
	} else {
		g.VBLENDVPS(g.reg(15), d, acc, acc)
	}
}

func (g *vec) reduce(name, twin string, ins int, start func(reg.VecPhysical),
	f func(x, y, acc reg.VecPhysical, out operand.Mem, masked bool), join func(x, y reg.VecPhysical)) {
	g.fn(name+"F32"+g.suffix, twin)
	t := g.arg(reg.RBX)
	g.MOVQ(mem(t, vecX), reg.RSI)
	g.MOVQ(mem(t, vecY), reg.RDI)
	g.MOVQ(mem(t, vecDst), reg.R9)
	g.MOVQ(mem(t, vecN), reg.RCX)
	if g.pre != nil {
		g.pre()
	}
	for i := range 4 {
		start(g.reg(i))
	}
	g.XORQ(reg.RAX, reg.RAX)
	body := func(n int, masked bool) {
		for u := range n {
			x, y := g.reg(4), g.reg(5)
			if u%2 == 1 {
				x, y = g.reg(6), g.reg(7)
			}
			g.load(g.isa, memx(reg.RSI, reg.RAX, 1, u*g.bytes()), x, masked)
			if ins == 2 {
				g.load(g.isa, memx(reg.RDI, reg.RAX, 1, u*g.bytes()), y, masked)
			}
			f(x, y, g.reg(u), memx(reg.R9, reg.RAX, 1, u*g.bytes()), masked)
		}
	}
	done := g.label("done")
	g.vectors(4, func() { body(4, false) })
	g.vectors(1, func() { body(1, false) })
	g.TESTQ(reg.RCX, reg.RCX)
	g.JZ(operand.LabelRef(done))
	g.setMask(g.isa, reg.RCX)
	body(1, true)
	g.Label(done)
	join(g.reg(1), g.reg(0))
	join(g.reg(3), g.reg(2))
	join(g.reg(2), g.reg(0))
	if g.wide() {
		g.VEXTRACTF64X4(operand.U8(1), reg.Z0, reg.Y1)
		join(reg.Y1, reg.Y0)
	}
	g.VEXTRACTF128(operand.U8(1), reg.Y0, reg.X1)
	join(reg.X1, reg.X0)
	g.VPSHUFD(operand.U8(0x0e), reg.X0, reg.X1)
	join(reg.X1, reg.X0)
	g.VPSHUFD(operand.U8(0x01), reg.X0, reg.X1)
	join(reg.X1, reg.X0)
	g.VMOVSS(reg.X0, mem(t, vecP2))
	g.VZEROUPPER()
	g.RET()
}
