package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.vecI8Args.
const (
	viDst, viX, viY, viN                    = 0, 8, 16, 24
	viMX, viMY, viBias, viShift             = 32, 36, 40, 44
	viZero, viLo, viHi                      = 48, 52, 56
	viFlipX, viFlipY, viScale, viFLo, viFHi = 60, 64, 68, 72, 76
	viWords                                 = 80
)

// vecI8 writes the loops over bytes, whole vectors only: what is left over is Go's. A byte becomes a 32-bit number by
// zero extension after its top bit is flipped when it is signed.
func vecI8(a *asm, v isa) {
	g := &vecInt{a, v}
	// dst = clamp((bias + x·mx + y·my) >> shift + zero)
	g.loop("vecAddI8", []operand.Mem{g.at(viX), g.at(viY)}, []int{viMX, viMY, viBias, viZero, viLo, viHi, viFlipX, viFlipY}, func(r, p []reg.VecPhysical) {
		g.VPXOR3(p[6], r[0])
		g.VPXOR3(p[7], r[1])
		g.VPMULLD(p[0], r[0], r[0])
		g.VPMULLD(p[1], r[1], r[1])
		g.VPADDD(p[2], r[0], r[0])
		g.VPADDD(r[1], r[0], r[0])
		g.VPSRAD(reg.X15, r[0], r[0])
		g.VPADDD(p[3], r[0], r[0])
		g.VPMAXSD(p[4], r[0], r[0])
		g.VPMINSD(p[5], r[0], r[0])
		g.narrow(r[0])
	})
	g.addI8Words()
	// dst = clamp(round(float(x·y)·scale) + zero), with mx and my the zero points of x and y after flipping
	g.loop("vecMulI8", []operand.Mem{g.at(viX), g.at(viY)}, []int{viMX, viMY, viScale, viZero, viFLo, viFHi, viFlipX, viFlipY}, func(r, p []reg.VecPhysical) {
		g.VPXOR3(p[6], r[0])
		g.VPXOR3(p[7], r[1])
		g.VPSUBD(p[0], r[0], r[0])
		g.VPSUBD(p[1], r[1], r[1])
		g.VPMULLD(r[1], r[0], r[0])
		g.VCVTDQ2PS(r[0], r[0])
		g.VMULPS(p[2], r[0], r[0])
		g.round(r[0], p[3], p[4], p[5])
		g.narrow(r[0])
	})
	// dst = clamp(round(x/scale) + zero), x float32
	if v.wide() {
		g.quantize()
	} else {
		g.floats("vecQuantize", []int{viScale, viZero, viFLo, viFHi}, func(r reg.VecPhysical, p []reg.VecPhysical) {
			g.VDIVPS(p[0], r, r)
			g.round(r, p[1], p[2], p[3])
			g.narrow(r)
		})
	}
	// dst = float(x - mx)·scale
	g.loop("vecDequantize", []operand.Mem{g.at(viX)}, []int{viMX, viScale, viFlipX}, func(r, p []reg.VecPhysical) {
		g.VPXOR3(p[2], r[0])
		g.VPSUBD(p[0], r[0], r[0])
		g.VCVTDQ2PS(r[0], r[0])
		g.VMULPS(p[1], r[0], r[0])
		g.VMOVUPS(r[0], memx(reg.R9, reg.RAX, 4, 0))
	})
	// dst += x, dst int32
	g.loop("vecAccI8", []operand.Mem{g.at(viX)}, []int{viFlipX, viMX}, func(r, p []reg.VecPhysical) {
		g.VPXOR3(p[0], r[0])
		g.VPSUBD(p[1], r[0], r[0])
		g.VPADDD(memx(reg.R9, reg.RAX, 4, 0), r[0], r[0])
		g.VMOVUPS(r[0], memx(reg.R9, reg.RAX, 4, 0))
	})
}

// quantize divides by multiplying with the scale's reciprocal, rounded, and correcting twice by what is left of x: the first
// time makes a neighbour of the quotient, the second the quotient as it is rounded, by Markstein's theorem (IBM Journal of
// Research and Development 34, 1990). Limits bound x, as nothing may overflow on the way.
func (g *vecInt) quantize() {
	q, left := g.reg(10), g.reg(11)
	g.floats("vecQuantizeTimes", []int{viScale, viZero, viFLo, viFHi, viMX}, func(r reg.VecPhysical, p []reg.VecPhysical) {
		scale, zero, lo, hi, reciprocal := p[0], p[1], p[2], p[3], p[4]
		g.VMAXPS(lo, r, r)
		g.VMINPS(hi, r, r)
		g.VMULPS(reciprocal, r, q)
		for range 2 {
			g.VMOVAPS(r, left)
			g.VFNMADD231PS(q, scale, left)
			g.VFMADD231PS(left, reciprocal, q)
		}
		g.VCVTPS2DQ(q, r)
		g.VPADDD(zero, r, r)
		g.narrow(r)
	})
}

type vecInt struct {
	*asm
	isa
}

func (g *vecInt) at(disp int) operand.Mem { return mem(reg.RBX, disp) }

// VPXOR3 is d ^= x under the name each instruction set has for it.
func (g *vecInt) VPXOR3(x operand.Op, d reg.VecPhysical) {
	if g.wide() {
		g.VPXORD(x, d, d)
	} else {
		g.VPXOR(x, d, d)
	}
}

// round turns floats into clamped integers; the bound is the second source, which VMAXPS returns for a NaN.
func (g *vecInt) round(r, zero, lo, hi reg.VecPhysical) {
	g.VMAXPS(lo, r, r)
	g.VMINPS(hi, r, r)
	g.VCVTPS2DQ(r, r)
	g.VPADDD(zero, r, r)
}

// narrow stores the low bytes of r.
func (g *vecInt) narrow(r reg.VecPhysical) {
	to := memx(reg.R9, reg.RAX, 1, 0)
	if g.wide() {
		g.VPMOVDB(r, to)
		return
	}
	// Signed results are masked to a byte, so that unsigned packing serves both signs. r is register 0.
	g.VPSLLD(operand.U8(24), reg.Y0, reg.Y0)
	g.VPSRLD(operand.U8(24), reg.Y0, reg.Y0)
	g.VEXTRACTI128(operand.U8(1), reg.Y0, reg.X1)
	g.VPACKUSDW(reg.X1, reg.X0, reg.X0)
	g.VPACKUSWB(reg.X0, reg.X0, reg.X0)
	g.VMOVQ(reg.X0, to)
}

// start loads pointers and parameters; p[i] is register 2+i.
func (g *vecInt) start(name string, params []int) []reg.VecPhysical {
	g.fn(name+g.suffix, "the loop of the same name in veci8.go")
	t := g.arg(reg.RBX)
	g.MOVQ(mem(t, viDst), reg.R9)
	g.MOVQ(mem(t, viN), reg.RCX)
	var p []reg.VecPhysical
	for i, off := range params {
		p = append(p, g.reg(2+i))
		g.VPBROADCASTD(mem(t, off), p[i])
	}
	g.VMOVD(mem(t, viShift), reg.X15)
	g.XORQ(reg.RAX, reg.RAX)
	return p
}

func (g *vecInt) vectors(body func()) { g.steps(g.lanes, body) }

func (g *vecInt) steps(n int, body func()) {
	loop, done := g.label("loop"), g.label("done")
	g.Label(loop)
	g.CMPQ(reg.RCX, imm(n))
	g.JLT(operand.LabelRef(done))
	body()
	g.ADDQ(imm(n), reg.RAX)
	g.SUBQ(imm(n), reg.RCX)
	g.JMP(operand.LabelRef(loop))
	g.Label(done)
	g.VZEROUPPER()
	g.RET()
}

// loop reads bytes.
func (g *vecInt) loop(name string, ins []operand.Mem, params []int, f func(r, p []reg.VecPhysical)) {
	p := g.start(name, params)
	ptr := []reg.GPPhysical{reg.RSI, reg.RDI}
	r := []reg.VecPhysical{g.reg(0), g.reg(1)}[:len(ins)]
	for i, m := range ins {
		g.MOVQ(m, ptr[i])
	}
	g.vectors(func() {
		for i := range ins {
			g.VPMOVZXBD(memx(ptr[i], reg.RAX, 1, 0), r[i])
		}
		f(r, p)
	})
}

// floats reads float32.
func (g *vecInt) floats(name string, params []int, f func(r reg.VecPhysical, p []reg.VecPhysical)) {
	p := g.start(name, params)
	g.MOVQ(g.at(viX), reg.RSI)
	g.vectors(func() {
		g.VMOVUPS(memx(reg.RSI, reg.RAX, 4, 0), g.reg(0))
		f(g.reg(0), p)
	})
}
