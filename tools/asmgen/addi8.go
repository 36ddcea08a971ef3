package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.addWords.
const (
	awDigits, awBias, awShift, awFlipX, awFlipY = 0, 192, 384, 448, 512
	awLo, awHi, awOut                           = 576, 640, 704
)

// adder adds a vector of bytes of each of two operands by kern.addWords: see there for the arithmetic.
type adder struct {
	*vecInt
	words  reg.GPPhysical
	digits [3]reg.VecPhysical
}

// load brings the digits into their registers: they are the unsigned operand, which cannot come from memory.
func (a *adder) load() {
	for i, d := range a.digits {
		a.move(mem(a.words, awDigits+64*i), d)
	}
}

// add turns signed x and y into the result, in x; high, s and t are overwritten, of which s may be y.
func (a *adder) add(x, y, high, s, t reg.VecPhysical) {
	a.VPUNPCKHBW(y, x, high) // within each 128 bits, as the packing at the end
	a.VPUNPCKLBW(y, x, x)
	for _, p := range []reg.VecPhysical{x, high} {
		a.VPMADDUBSW(p, a.digits[0], s)
		a.VPADDW(mem(a.words, awBias), s, s)
		a.VPSRAW(operand.U8(7), s, s)
		a.VPMADDUBSW(p, a.digits[1], t)
		a.VPADDW(mem(a.words, awBias+64), t, t)
		a.VPADDW(t, s, s)
		a.VPSRAW(operand.U8(7), s, s)
		a.VPADDSW(mem(a.words, awBias+128), s, s)
		a.VPMADDUBSW(p, a.digits[2], p)
		a.VPADDSW(s, p, p)
		if a.wide() {
			a.VPSRAVW(mem(a.words, awShift), p, p)
		} else {
			a.VPSRAW(reg.X15, p, p) // vecI8Args' shift
		}
	}
	a.VPACKSSWB(high, x, x)
	a.VPMAXSB(mem(a.words, awLo), x, x)
	a.VPMINSB(mem(a.words, awHi), x, x)
	a.VPXOR3(mem(a.words, awOut), x)
}

// addI8Words is AddI8 on a vector a step.
func (g *vecInt) addI8Words() {
	g.start("vecAddI8Words", nil)
	a := &adder{g, reg.RDX, [3]reg.VecPhysical{g.reg(2), g.reg(3), g.reg(4)}}
	g.MOVQ(g.at(viX), reg.RSI)
	g.MOVQ(g.at(viY), reg.RDI)
	g.MOVQ(g.at(viWords), a.words)
	a.load()
	x, y := g.reg(0), g.reg(1)
	g.steps(g.bytes(), func() {
		g.move(memx(reg.RSI, reg.RAX, 1, 0), x)
		g.VPXOR3(mem(a.words, awFlipX), x)
		g.move(memx(reg.RDI, reg.RAX, 1, 0), y)
		g.VPXOR3(mem(a.words, awFlipY), y)
		a.add(x, y, g.reg(5), y, g.reg(6))
		g.move(x, memx(reg.R9, reg.RAX, 1, 0))
	})
}

// move loads or stores a vector of bytes.
func (g *vecInt) move(from, to operand.Op) {
	if g.wide() {
		g.VMOVDQU64(from, to)
	} else {
		g.VMOVDQU(from, to)
	}
}
