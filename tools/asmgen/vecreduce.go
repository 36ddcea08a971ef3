package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sgd is the loop of a momentum step: g = scale·x + decay·w, v = momentum·v + g, w = shrink·w - rate·v, with dst = w, y = v and
// scale and shrink where a clamp has its bounds.
func (g *vec) sgd() {
	g.param(vecP2, 10)
	g.param(vecLo, 11)
	g.param(vecHi, 12)
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
	g.vectors(1, func() { body(false) })
	g.tail(func() { body(true) })
}

// reductions writes loops that end in one float at vecP2: four accumulators of a vector each, then a tree.
func (g *vec) reductions() {
	zero := func(r reg.VecPhysical) { g.clear(g.isa, r) }
	g.reduce(1, zero, func(x, _, acc reg.VecPhysical, _ operand.Mem, _ bool) { g.VADDPS(x, acc, acc) }, "sum")
	g.reduce(1, zero, func(x, _, acc reg.VecPhysical, _ operand.Mem, _ bool) { g.VFMADD231PS(x, x, acc) }, "sum")
	g.reduce(2, zero, func(x, y, acc reg.VecPhysical, _ operand.Mem, _ bool) { g.VFMADD231PS(x, y, acc) }, "sum")
	g.reduce(1, func(r reg.VecPhysical) { g.VBROADCASTSS(mem(reg.RBX, vecP0), r) },
		func(x, _, acc reg.VecPhysical, _ operand.Mem, masked bool) {
			if masked { // lanes that do not exist were loaded as zero
				g.onlyMasked(x, acc, func(d reg.VecPhysical) { g.VMAXPS(x, acc, d) })
				return
			}
			g.VMAXPS(x, acc, acc)
		}, "maximum")
	g.reduce(1, zero, func(x, _, acc reg.VecPhysical, out operand.Mem, masked bool) {
		g.VSUBPS(g.reg(12), x, x)
		g.exp(x)
		g.store(g.isa, x, out, masked)
		if masked {
			g.onlyMasked(x, acc, func(d reg.VecPhysical) { g.VADDPS(x, acc, d) })
			return
		}
		g.VADDPS(x, acc, acc)
	}, "sum")
	g.join("sum", func(x, y reg.VecPhysical) { g.VADDPS(x, y, y) })
	g.join("maximum", func(x, y reg.VecPhysical) { g.VMAXPS(x, y, y) })
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

func (g *vec) reduce(ins int, start func(reg.VecPhysical),
	f func(x, y, acc reg.VecPhysical, out operand.Mem, masked bool), end string) {
	g.entry()
	g.VMOVAPS(g.reg(9), g.reg(12)) // p1, where exp leaves it
	for i := range 4 {
		start(g.reg(i))
	}
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
	g.vectors(4, func() { body(4, false) })
	g.vectors(1, func() { body(1, false) })
	g.TESTQ(reg.RCX, reg.RCX)
	g.JZ(operand.LabelRef(end))
	body(1, true)
	g.JMP(operand.LabelRef(end))
}

// join makes one number of four accumulators, a tree, and ends the function.
func (g *vec) join(end string, join func(x, y reg.VecPhysical)) {
	g.Label(end)
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
	g.VMOVSS(reg.X0, mem(reg.RBX, vecP2))
	g.JMP(operand.LabelRef(g.done()))
}
