package main

import (
	"math"
	"slices"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.vecArgs.
const (
	vecDst, vecX, vecY, vecN = 0, 8, 16, 24
	vecP0, vecP1, vecP2      = 32, 36, 40
	vecLo, vecHi, vecOut     = 48, 52, 56
)

// vecF32 writes the elementwise loops of an ISA: those of inference are one function, which a program holds once where
// one for each would cost it as much again in tables, and what only training asks for is a function each.
func vecF32(a *asm, v isa) {
	g := &vec{asm: a, isa: v}
	g.dispatch()
	g.binary()
	g.combined()
	g.activations()
	g.exponentials()
	g.rest()
	g.reductions()
	g.finish()
	g.training()
	g.constants()
}

// binary are the operations of two operands.
func (g *vec) binary() {
	a := g.asm
	type op = func(x, y, dst reg.VecPhysical)
	for _, b := range []struct {
		name string
		op   op
	}{
		{"Add", func(x, y, d reg.VecPhysical) { a.VADDPS(y, x, d) }},
		{"Sub", func(x, y, d reg.VecPhysical) { a.VSUBPS(y, x, d) }},
		{"RSub", func(x, y, d reg.VecPhysical) { a.VSUBPS(x, y, d) }},
		{"Mul", func(x, y, d reg.VecPhysical) { a.VMULPS(y, x, d) }},
		{"Div", func(x, y, d reg.VecPhysical) { a.VDIVPS(y, x, d) }},
		{"RDiv", func(x, y, d reg.VecPhysical) { a.VDIVPS(x, y, d) }},
		{"Max", func(x, y, d reg.VecPhysical) { a.VMAXPS(y, x, d) }},
		{"Min", func(x, y, d reg.VecPhysical) { a.VMINPS(y, x, d) }},
	} {
		g.entry()
		g.loop(2, 4, func(r []reg.VecPhysical) { b.op(r[0], r[1], r[0]); g.bound(r[0]) })
	}
}

// combined are clamping and the sums of products.
func (g *vec) combined() {
	a, v := g.asm, g.isa
	g.entry()
	g.loop(1, 4, func(r []reg.VecPhysical) { g.bound(r[0]) })
	g.entry()
	g.loop(3, 2, func(r []reg.VecPhysical) {
		a.VFMADD213PS(r[2], r[1], r[0]) // x = x·y + z
		g.bound(r[0])
	})
	g.entry()
	g.loop(2, 4, func(r []reg.VecPhysical) { // dst = p1·y + p0·x, y usually dst
		a.VMULPS(v.reg(9), r[1], r[1])
		a.VFMADD213PS(r[1], v.reg(8), r[0])
	})
}

// activations are those that need no exponential.
func (g *vec) activations() {
	a, v := g.asm, g.isa
	g.entry() // LeakyReluF32
	g.loop(1, 2, func(r []reg.VecPhysical) {
		z := v.reg(12)
		a.clear(v, z)
		a.VMINPS(r[0], z, v.reg(13)) // min(0, x), NaN stays
		a.VMAXPS(r[0], z, r[0])
		a.VMULPS(v.reg(8), v.reg(13), v.reg(13))
		a.VADDPS(v.reg(13), r[0], r[0])
	})
	hard := func(r []reg.VecPhysical, d reg.VecPhysical) {
		a.VMULPS(v.reg(8), r[0], d)
		a.VADDPS(v.reg(9), d, d)
		z := v.reg(12)
		a.clear(v, z)
		a.VMAXPS(d, z, d)
		a.VMOVUPS(g.c("one"), z)
		a.VMINPS(d, z, d)
	}
	g.entry() // HardSigmoid
	g.loop(1, 1, func(r []reg.VecPhysical) { hard(r, r[0]) })
	g.entry() // HardSwish
	g.loop(1, 1, func(r []reg.VecPhysical) {
		hard(r, v.reg(13))
		a.VMULPS(v.reg(13), r[0], r[0])
	})
}

// exponentials are Exp and what is made of it.
func (g *vec) exponentials() {
	a, v := g.asm, g.isa
	g.entry() // Exp
	g.loop(1, 1, func(r []reg.VecPhysical) { g.exp(r[0]) })
	g.entry() // Sigmoid
	g.loop(1, 1, func(r []reg.VecPhysical) {
		if g.wide() {
			g.floor(r[0])
		}
		g.logistic(r[0], nil, v.reg(7))
		a.VMOVAPS(v.reg(7), r[0])
	})
	g.entry() // Swish
	g.loop(1, 1, func(r []reg.VecPhysical) {
		x := v.reg(7)
		if g.wide() {
			g.floor(r[0])
		}
		a.VMOVAPS(r[0], x)
		g.logistic(r[0], x, v.reg(6))
		a.VMOVAPS(v.reg(6), r[0])
	})
	g.entry() // Tanh
	g.loop(1, 1, func(r []reg.VecPhysical) { g.tanh(r[0]) })
}

// rest are the functions and comparisons that were added one after the other: their order is that of vecOp.
func (g *vec) rest() {
	a := g.asm
	g.entry() // Sqrt
	g.loop(1, 1, func(r []reg.VecPhysical) { a.VSQRTPS(r[0], r[0]) })
	g.entry() // Gelu
	g.loop(1, 1, func(r []reg.VecPhysical) { g.gelu(r[0]) })
	g.entry() // GeluTanh
	g.loop(1, 1, func(r []reg.VecPhysical) { g.geluTanh(r[0]) })
	for mode := range uint8(3) { // RoundF32: to even, down, up
		g.entry()
		g.loop(1, 1, func(r []reg.VecPhysical) { g.round(mode, r[0]) })
	}
	g.entry() // AbsF32
	g.loop(1, 1, func(r []reg.VecPhysical) { a.VANDPS(g.c("abs"), r[0], r[0]) })
	g.entry() // ErfF32
	g.loop(1, 1, func(r []reg.VecPhysical) { g.erf(r[0]) })
	g.entry() // LargerF32
	g.larger()
	g.entry() // WhereF32
	g.where()
	for _, predicate := range []uint8{0x11, 0x12, 0x00, 0x04} { // CompareF32: less, at most, equal, different
		g.entry()
		g.compare(predicate)
	}
	g.entry() // SinF32
	g.loop(1, 1, func(r []reg.VecPhysical) { g.sine(r[0]) })
}

// training writes the loops of gradients and steps.
func (g *vec) training() {
	g.start("vecMask", "maskGeneric")
	g.loop(2, 2, func(r []reg.VecPhysical) { g.inside(r[1]); g.and(g.reg(11), r[0], r[0]) })
	g.finish()
	g.start("vecAddMasked", "addMaskedGeneric")
	g.loop(3, 2, func(r []reg.VecPhysical) {
		g.inside(r[2])
		g.and(g.reg(11), r[1], r[1])
		g.VADDPS(r[1], r[0], r[0])
	})
	g.finish()
	g.start("vecSGD", "SGDF32.Step")
	g.sgd()
	g.finish()
}

// inside sets register 11 to all ones where lo < v < hi, from the signs of lo - v and v - hi. Register 12 is used.
func (g *vec) inside(v reg.VecPhysical) {
	below, above := g.reg(12), g.reg(11)
	g.VSUBPS(v, g.lo(), below)
	g.VSUBPS(g.hi(), v, above)
	g.and(below, above, above)
	g.VPSRAD(operand.U8(31), above, above)
}

// and is d = x & y under the name each instruction set has for it.
func (g *vec) and(x, y, d reg.VecPhysical) {
	if g.wide() {
		g.VPANDD(x, y, d)
	} else {
		g.VPAND(x, y, d)
	}
}

// vec writes loops. Registers of vectors: 0..7 operands, 8.. parameters and scratch, 13 and 14 (AVX2) or 30 and 31 the
// clamp's bounds, 15 the AVX2 mask.
type vec struct {
	*asm
	isa
	used      []string // constants of the table
	entries   int      // loops of the first function
	functions int      // that are complete
}

// vecConstants are the bits of what loops may use.
var vecConstants = map[string]uint32{
	"one": math.Float32bits(1), "two": math.Float32bits(2), "sign": 1 << 31, "abs": 1<<31 - 1,
	"log2e": math.Float32bits(math.Log2E), "ln2hi": math.Float32bits(0.693359375), "ln2lo": math.Float32bits(-2.12194440e-4),
	"expMin": math.Float32bits(-104), "expMax": math.Float32bits(89), "logisticMin": math.Float32bits(-88), "logisticMax": math.Float32bits(88), "bias": 127,
	"e0": math.Float32bits(1.9875691500e-4), "e1": math.Float32bits(1.3981999507e-3), "e2": math.Float32bits(8.3334519073e-3),
	"e3": math.Float32bits(4.1665795894e-2), "e4": math.Float32bits(1.6666665459e-1), "e5": math.Float32bits(0.5),
	"t0": math.Float32bits(-5.70498872745e-3), "t1": math.Float32bits(2.06390887954e-2), "t2": math.Float32bits(-5.37397155531e-2),
	"t3": math.Float32bits(1.33314422036e-1), "t4": math.Float32bits(-3.33332819422e-1), "small": math.Float32bits(0.625),
	"half": math.Float32bits(-0.5), "far": math.Float32bits(15), "g": math.Float32bits(0.35),
	"g8": math.Float32bits(-0.0291638509), "g7": math.Float32bits(0.144060446), "g6": math.Float32bits(-0.255901147),
	"g5": math.Float32bits(0.159392119), "g4": math.Float32bits(-0.0232633103), "g3": math.Float32bits(0.10557459),
	"g2": math.Float32bits(0.119815549), "g1": math.Float32bits(0.139864329), "g0": math.Float32bits(0.139621259),
	"erfEnd": math.Float32bits(3.832506856900711), "-erfEnd": math.Float32bits(-3.832506856900711), "-one": math.Float32bits(-1), "bytes": 0x01010101,
	"n6": math.Float32bits(-2.72614225801306e-10), "n5": math.Float32bits(2.77068142495902e-08), "n4": math.Float32bits(-2.10102402082508e-06),
	"n3": math.Float32bits(-5.69250639462346e-05), "n2": math.Float32bits(-7.34990630326855e-04), "n1": math.Float32bits(-2.95459980854025e-03),
	"n0": math.Float32bits(-1.60960333262415e-02), "d4": math.Float32bits(-1.45660718464996e-05), "d3": math.Float32bits(-2.13374055278905e-04),
	"d2": math.Float32bits(-1.68282697438203e-03), "d1": math.Float32bits(-7.37332916720468e-03), "d0": math.Float32bits(-1.42647390514189e-02),
	"gt3": math.Float32bits(-0.0713548162726), "gt1": math.Float32bits(-1.59576912161),
	"phi": math.Float32bits(0.39894228), "-far": math.Float32bits(-15), "3gt3": math.Float32bits(3 * -0.0713548162726), // of slopes

	"2/pi": math.Float32bits(2 / math.Pi), "pi/2a": math.Float32bits(1.5707963705), "pi/2b": math.Float32bits(-4.3711388287e-8),
	"pi/2c": math.Float32bits(-1.71512451e-15), "s2": math.Float32bits(-1.9515295891e-4), "s1": math.Float32bits(8.3321608736e-3),
	"s0": math.Float32bits(-1.6666654611e-1), "c2": math.Float32bits(2.443315711809948e-5), "c1": math.Float32bits(-1.388731625493765e-3),
	"c0": math.Float32bits(4.166664568298827e-2),

	// With AVX-512; see power.
	"16ths": math.Float32bits(1.5 * (1 << 19)),
	"-hi":   math.Float32bits(-log2eHi), "-lo": math.Float32bits(-log2eLo),
	"-hi/2": math.Float32bits(-log2eHi / 2), "-lo/2": math.Float32bits(-log2eLo / 2),
	"p3": math.Float32bits(0.0555050852520568), "p2": math.Float32bits(0.24023355156988396), "p1": math.Float32bits(math.Ln2),
	"powers": 0, // 2^(i/16)
}

// log2 e in two parts.
const log2eHi, log2eLo = 1.4426950216293335, math.Log2E - log2eHi

// c is a constant, filling a register, so that it can be a memory operand with either ISA.
func (g *vec) c(name string) operand.Mem {
	i := slices.Index(g.used, name)
	if i < 0 {
		i, g.used = len(g.used), append(g.used, name)
	}
	return operand.NewDataAddr(operand.NewStaticSymbol("vecTable"), i*g.bytes())
}

// constants ends a file: it writes the table of those that were used.
func (g *vec) constants() {
	g.StaticGlobal("vecTable")
	g.DataAttributes(build.RODATA | build.NOPTR)
	for i, name := range g.used {
		bits, ok := vecConstants[name]
		if !ok {
			panic("no constant " + name)
		}
		for l := range g.lanes {
			if name == "powers" {
				bits = math.Float32bits(float32(math.Exp2(float64(l) / 16)))
			}
			g.AddDatum(i*g.bytes()+4*l, operand.U32(bits))
		}
	}
}

func (g *vec) lo() reg.VecPhysical {
	if g.wide() {
		return g.reg(30)
	}
	return g.reg(13)
}

func (g *vec) hi() reg.VecPhysical {
	if g.wide() {
		return g.reg(31)
	}
	return g.reg(14)
}

// bound clamps; the value is the second source, which VMAXPS and VMINPS return when one is NaN.
func (g *vec) bound(r reg.VecPhysical) {
	g.VMAXPS(r, g.lo(), r)
	g.VMINPS(r, g.hi(), r)
}

func (g *vec) param(off, r int) { g.VBROADCASTSS(mem(reg.RBX, off), g.reg(r)) }

// loop writes dst = f(x, y, z): ins of the three pointers are read, unroll vectors at a time.
func (g *vec) loop(ins, unroll int, f func(r []reg.VecPhysical)) {
	from := [3][2]reg.Register{{reg.RSI, reg.RAX}, {reg.RDI, reg.R10}, {reg.R8, reg.RAX}}
	body := func(n int, masked bool) {
		for u := range n {
			r := make([]reg.VecPhysical, ins)
			for i := range ins {
				r[i] = g.reg(u*ins + i)
				g.load(g.isa, memx(from[i][0], from[i][1], 1, u*g.bytes()), r[i], masked)
			}
			f(r)
			g.store(g.isa, r[0], memx(reg.R9, reg.RAX, 1, u*g.bytes()), masked)
		}
		if ins > 1 && !masked {
			g.LEAQ(memx(reg.R10, reg.R11, uint8(n), 0), reg.R10)
		}
	}
	if unroll > 1 {
		g.vectors(unroll, func() { body(unroll, false) })
	}
	g.vectors(1, func() { body(1, false) })
	g.tail(func() { body(1, true) })
}

// tail is the last, masked vector, and the way to the function's end.
func (g *vec) tail(body func()) {
	g.TESTQ(reg.RCX, reg.RCX)
	g.JZ(operand.LabelRef(g.done()))
	body()
	g.JMP(operand.LabelRef(g.done()))
}

// vectors loops over n vectors at a time while RCX has that many lanes left; RAX is the byte offset.
func (g *vec) vectors(n int, body func()) {
	loop, next := g.label("loop"), g.label("next")
	g.Label(loop)
	g.CMPQ(reg.RCX, imm(n*g.lanes))
	g.JLT(operand.LabelRef(next))
	body()
	g.ADDQ(imm(n*g.bytes()), reg.RAX)
	g.SUBQ(imm(n*g.lanes), reg.RCX)
	g.JMP(operand.LabelRef(loop))
	g.Label(next)
}
