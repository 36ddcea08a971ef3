package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gemmBF16 writes the tile kernels over bfloat16 pairs (VDPBF16PS), with gemm's arguments, start and end.
func gemmBF16(a *asm) {
	for nv := 2; nv >= 1; nv-- {
		for _, mr := range fewRows {
			(&gemmBF{gemm{asm: a, isa: zmm, mr: mr, nv: nv}}).write()
		}
	}
	toBF16(a)
}

// fewRows are the tile heights of families whose code would otherwise be large:
// any other number of rows is two or three of these after each other.
var fewRows = []int{12, 8, 4, 2, 1}

type gemmBF struct{ gemm }

func (g *gemmBF) write() {
	g.fn(fmt.Sprintf("gemmBF16x%dx%d", g.mr, g.nv*g.lanes), "GemmF32Args.runGeneric")
	local := g.AllocLocal(48)
	g.rows, g.taps, g.kc = local, local.Offset(8), local.Offset(16)
	g.main, g.zero, g.base = local.Offset(24), local.Offset(32), local.Offset(40)
	t, s := g.arg(reg.RAX), reg.RCX
	for _, f := range []struct {
		from int
		to   operand.Mem
	}{{tileRows, g.rows}, {tileTaps, g.taps}, {tileZero, g.zero}, {tileA, g.base}} {
		g.MOVQ(mem(t, f.from), s)
		g.MOVQ(s, f.to)
	}
	g.MOVQ(mem(t, tileKC), s)
	g.SHLQ(operand.U8(1), s)
	g.MOVQ(s, g.kc)
	g.ANDQ(imm(-4), s)
	g.MOVQ(s, g.main)
	g.masks(t)
	g.MOVL(operand.U32(1), reg.EDX)
	g.KMOVW(reg.EDX, ks[2]) // the single element after the last pair
	g.start(t)
	b, k := reg.RCX, reg.RAX
	g.MOVQ(mem(t, tileB), b)

	tap := g.label("tap")
	g.Label(tap)
	g.pointers(k, 2)
	g.XORQ(k, k)
	mainLoop, rest, next := g.label("main"), g.label("rest"), g.label("next")
	g.CMPQ(k, g.main)
	g.JGE(operand.LabelRef(rest))
	g.Label(mainLoop)
	g.step(b, k, false)
	g.CMPQ(k, g.main)
	g.JLT(operand.LabelRef(mainLoop))
	g.Label(rest)
	g.CMPQ(k, g.kc)
	g.JGE(operand.LabelRef(next))
	g.step(b, k, true)
	g.Label(next)
	g.DECQ(g.taps)
	g.JNZ(operand.LabelRef(tap))
	g.finish()
	g.VZEROUPPER()
	g.RET()
}

func (g *gemmBF) step(b, k reg.Register, single bool) {
	for j := range g.nv {
		g.VMOVUPS(mem(b, j*g.bytes()), g.b(j))
	}
	for i := range g.mr {
		x := g.tmp(i)
		if single {
			low := xs[26+i%6]
			g.VMOVDQU16_Z(memx(gps[i], k, 1, 0), ks[2], low)
			g.VPBROADCASTD(low, x)
		} else {
			g.VBROADCASTSS(memx(gps[i], k, 1, 0), x)
		}
		for j := range g.nv {
			g.dpbf16(g.acc(i, j), x, g.b(j))
		}
	}
	g.ADDQ(imm(g.nv*g.bytes()), b)
	g.ADDQ(imm(4), k)
}

// dpbf16 is VDPBF16PS y, x, d (d += x·y pair by pair), which avo does not know: EVEX.512.F3.0F38.W0 52 /r.
func (a *asm) dpbf16(d, x, y reg.VecPhysical) {
	r, v, m := uint32(d.ID().Index()), uint32(x.ID().Index()), uint32(y.ID().Index())
	inv := func(n uint32, bit uint) uint32 { return ^n >> bit & 1 }
	p0 := inv(r, 3)<<7 | inv(m, 4)<<6 | inv(m, 3)<<5 | inv(r, 4)<<4 | 2
	p1 := (^v&15)<<3 | 1<<2 | 2
	p2 := uint32(2)<<5 | inv(v, 4)<<3
	a.Comment(fmt.Sprintf("VDPBF16PS Z%d, Z%d, Z%d", m, v, r))
	a.Instruction(&ir.Instruction{Opcode: "LONG", Operands: []operand.Op{operand.U32(0x62 | p0<<8 | p1<<16 | p2<<24)}})
	a.Instruction(&ir.Instruction{Opcode: "WORD", Operands: []operand.Op{operand.U16(0x52 | (0xc0|r&7<<3|m&7)<<8)}})
}

// toBF16 rounds float32 to bfloat16, to nearest even, NaNs made quiet: kern.bf16Args is source, destination, length.
func toBF16(a *asm) {
	a.fn("toBF16AVX512", "bf16Bits")
	t := a.arg(reg.RBX)
	src, dst := reg.RSI, reg.RDI
	a.MOVQ(mem(t, 0), src)
	a.MOVQ(mem(t, 8), dst)
	a.MOVQ(mem(t, 16), reg.RCX)
	one, half, quiet := reg.Z4, reg.Z5, reg.Z6
	for _, c := range []struct {
		v uint32
		z reg.VecPhysical
	}{{1, one}, {0x7fff, half}, {0x40, quiet}} {
		a.MOVL(operand.U32(c.v), reg.EDX)
		a.VPBROADCASTD(reg.EDX, c.z)
	}
	body := func(masked bool) {
		x, up, odd := reg.Z0, reg.Z1, reg.Z2
		a.load(zmm, mem(src, 0), x, masked)
		a.VPSRLD(operand.U8(16), x, up)
		a.VPANDD(one, up, odd)
		a.VPADDD(half, odd, odd)
		a.VCMPPS(operand.U8(3), x, x, reg.K1)
		a.VPADDD(odd, x, odd)
		a.VPSRLD(operand.U8(16), odd, odd)
		a.VPORD(quiet, up, reg.K1, odd)
		if masked {
			a.VPMOVDW(odd, ks[3], mem(dst, 0))
		} else {
			a.VPMOVDW(odd, mem(dst, 0))
		}
	}
	loop, tail, done := a.label("loop"), a.label("tail"), a.label("done")
	a.Label(loop)
	a.CMPQ(reg.RCX, imm(16))
	a.JLT(operand.LabelRef(tail))
	body(false)
	a.ADDQ(imm(64), src)
	a.ADDQ(imm(32), dst)
	a.SUBQ(imm(16), reg.RCX)
	a.JMP(operand.LabelRef(loop))
	a.Label(tail)
	a.TESTQ(reg.RCX, reg.RCX)
	a.JZ(operand.LabelRef(done))
	a.setMask(zmm, reg.RCX)
	body(true)
	a.Label(done)
	a.VZEROUPPER()
	a.RET()
}
