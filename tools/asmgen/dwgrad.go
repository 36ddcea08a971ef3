package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.tapArgs.
const (
	lineA, lineB, lineDst, lineN, lineLines, linePitchA, linePitchB, linePitchDst = 0, 8, 16, 24, 32, 40, 48, 56
	lineTapB, lineTapDst                                                          = 64, 72
)

// dwGrad writes the loops of depthwise convolutions going back: over lines of some vectors, all lines of a few vectors at
// a time, whose sums or weights stay in registers meanwhile.
func dwGrad(a *asm, v isa) {
	g := &tapLoop{asm: a, isa: v}
	g.loop("tapDot", true)
	g.loop("tapAxpy", false)
	if !v.wide() {
		g.taps("tapDots")
	}
}

type tapLoop struct {
	*asm
	isa
}

func (g *tapLoop) loop(name string, dot bool) {
	g.fn(name+g.suffix, "TapLines.runGeneric")
	t := g.arg(reg.RBX)
	col, left := reg.RAX, reg.R8
	g.XORQ(col, col)
	g.MOVQ(mem(t, lineN), left)
	const group = 4
	g.columns(g.isa, group, func(n int, masked bool) { g.lines(t, n, dot, masked) })
}

// lines writes all lines of n vectors. A lone vector's sum is spread over four, line by line, which would otherwise
// wait for each other.
func (g *tapLoop) lines(t reg.Register, n int, dot, masked bool) {
	a, b, dst, lines := reg.RSI, reg.RDI, reg.R9, reg.R10
	acc := func(i int) reg.VecPhysical { return g.reg(i) }
	g.MOVQ(mem(t, lineA), a)
	g.ADDQ(reg.RAX, a)
	g.MOVQ(mem(t, lineB), b)
	g.ADDQ(reg.RAX, b)
	g.MOVQ(mem(t, lineDst), dst)
	g.ADDQ(reg.RAX, dst)
	g.MOVQ(mem(t, lineLines), lines)
	g.MOVQ(mem(t, linePitchA), reg.R11)
	g.MOVQ(mem(t, linePitchB), reg.R12)
	g.MOVQ(mem(t, linePitchDst), reg.R13)
	for i := range 4 {
		if dot {
			g.clear(g.isa, acc(i))
		} else if i < n {
			g.load(g.isa, mem(b, i*g.bytes()), acc(i), masked)
		}
	}
	line := func(s int) {
		for i := range n {
			x, y := g.reg(4+2*i), g.reg(5+2*i)
			if n == 1 {
				x, y = g.reg(4+2*s), g.reg(5+2*s)
			}
			g.load(g.isa, mem(a, i*g.bytes()), x, masked)
			if dot {
				to := acc(i)
				if n == 1 {
					to = acc(s)
				}
				if masked {
					g.load(g.isa, mem(b, i*g.bytes()), y, masked)
					g.VFMADD231PS(y, x, to)
				} else {
					g.VFMADD231PS(mem(b, i*g.bytes()), x, to)
				}
				continue
			}
			g.load(g.isa, mem(dst, i*g.bytes()), y, masked)
			g.VFMADD231PS(acc(i), x, y)
			g.store(g.isa, y, mem(dst, i*g.bytes()), masked)
		}
		g.ADDQ(reg.R11, a)
		if dot {
			g.ADDQ(reg.R12, b)
		} else {
			g.ADDQ(reg.R13, dst)
		}
	}
	loop, end := g.label("line"), g.label("end")
	if dot && n == 1 {
		four := g.label("four")
		g.Label(four)
		g.CMPQ(lines, imm(4))
		g.JLT(operand.LabelRef(loop))
		for s := range 4 {
			line(s)
		}
		g.SUBQ(imm(4), lines)
		g.JMP(operand.LabelRef(four))
	}
	g.Label(loop)
	g.TESTQ(lines, lines)
	g.JZ(operand.LabelRef(end))
	line(0)
	g.DECQ(lines)
	g.JMP(operand.LabelRef(loop))
	g.Label(end)
	if !dot {
		return
	}
	if n == 1 {
		g.VADDPS(acc(1), acc(0), acc(0))
		g.VADDPS(acc(3), acc(2), acc(2))
		g.VADDPS(acc(2), acc(0), acc(0))
	}
	for i := range n {
		y := g.reg(4 + i)
		g.load(g.isa, mem(dst, i*g.bytes()), y, masked)
		g.VADDPS(acc(i), y, y)
		g.store(g.isa, y, mem(dst, i*g.bytes()), masked)
	}
}

// taps writes the loop of dots of three taps: lines of the gradient are loaded once for them.
func (g *tapLoop) taps(name string) {
	g.fn(name+g.suffix, "TapLines.DotTaps")
	t := g.arg(reg.RBX)
	g.XORQ(reg.RAX, reg.RAX)
	g.MOVQ(mem(t, lineN), reg.R8)
	const group = 4
	g.columns(g.isa, group, func(n int, masked bool) { g.tapLines(t, n, masked) })
}

func (g *tapLoop) tapLines(t reg.Register, n int, masked bool) {
	const taps = 3
	a, b, dst, lines, tap := reg.RSI, reg.RDI, reg.R9, reg.R10, reg.R13
	acc := func(i, k int) reg.VecPhysical { return g.reg(taps*i + k) }
	g.MOVQ(mem(t, lineA), a)
	g.ADDQ(reg.RAX, a)
	g.MOVQ(mem(t, lineB), b)
	g.ADDQ(reg.RAX, b)
	g.MOVQ(mem(t, lineDst), dst)
	g.ADDQ(reg.RAX, dst)
	g.MOVQ(mem(t, lineLines), lines)
	g.MOVQ(mem(t, linePitchA), reg.R11)
	g.MOVQ(mem(t, linePitchB), reg.R12)
	g.MOVQ(mem(t, lineTapB), tap)
	for i := range taps * n {
		g.clear(g.isa, g.reg(i))
	}
	at := func(i, k int) operand.Mem {
		if k == 0 {
			return mem(b, i*g.bytes())
		}
		return memx(b, tap, uint8(k), i*g.bytes())
	}
	loop := g.label("line")
	g.Label(loop)
	for i := range n {
		x := g.reg(taps*n + i%2)
		g.load(g.isa, mem(a, i*g.bytes()), x, masked)
		for k := range taps {
			if !masked {
				g.VFMADD231PS(at(i, k), x, acc(i, k))
				continue
			}
			g.load(g.isa, at(i, k), g.reg(taps*n+2), masked)
			g.VFMADD231PS(g.reg(taps*n+2), x, acc(i, k))
		}
	}
	g.ADDQ(reg.R11, a)
	g.ADDQ(reg.R12, b)
	g.DECQ(lines)
	g.JNZ(operand.LabelRef(loop))
	g.MOVQ(mem(t, lineTapDst), tap)
	for k := range taps {
		for i := range n {
			y := g.reg(taps*n + i%2)
			g.load(g.isa, mem(dst, i*g.bytes()), y, masked)
			g.VADDPS(acc(i, k), y, y)
			g.store(g.isa, y, mem(dst, i*g.bytes()), masked)
		}
		if k < taps-1 {
			g.ADDQ(tap, dst)
		}
	}
}
