package main

import (
	"fmt"
	"slices"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.tileI8. Those up to the panel are kern.tileF32's.
const (
	tileI8Bias, tileI8WZero, tileI8Sums, tileI8C          = 48, 56, 64, 72
	tileI8LDC, tileI8N, tileI8Scale                       = 80, 88, 96
	tileI8Min, tileI8Max, tileI8Zero, tileI8Xor, tileI8MR = 104, 108, 112, 116, 120
	tileI8Panels, tileI8Words, tileI8Lo, tileI8Hi         = 128, 136, 140, 144
	tileI8OutXor, tileI8Wild, tileI8End, tileI8Ahead      = 148, 152, 156, 160
	tileI8Inside                                          = 168
)

// gemmI8 writes the integer tile kernels of AVX-512: VPDPBUSD over four bytes.
func gemmI8(a *asm) {
	order := a.StaticGlobal("rowOrder") // four doublewords of each 128 bits to the same place in the four
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 16 {
		a.AddDatum(4*i, operand.U32(i%4*4+i/4))
	}
	for nv := 2; nv >= 1; nv-- {
		for mr := zmm.rows; mr >= 1; mr-- {
			if nine := mr == 9 && nv == 2; nine || slices.Contains(fewRows, mr) {
				(&gemmInt{gemm: gemm{asm: a, isa: zmm, mr: mr, nv: nv}, order: order}).write()
			}
		}
	}
	rowSum(a)
}

// groupI8 is how many bytes of A meet as many weights at once.
const groupI8 = 4

// unrollI8 is how many groups a turn of the main loop takes.
const unrollI8 = 2

// gemmInt differs from gemm in its step (a group of bytes of A against as many weights), in the rest of a tap that is not
// a whole group, and in its end. Registers after the accumulators: B twice, the sign flip and five broadcasts. For AVX2 see
// writeNarrow.
type gemmInt struct {
	gemm
	bytes operand.Mem // AVX2: a row of results on its way to a partial panel
	order operand.Mem // AVX-512: see finishWide

	// Kernels go over some whole panels: where the weights of the next are and, for AVX-512, how far in bytes its bias and
	// scales are from the first's, and how many are left.
	panelB, panelAt, panels operand.Mem

	inside operand.Mem // AVX-512: 1: no offset stands for the zero row
}

func (g *gemmInt) write() {
	g.fn(fmt.Sprintf("gemmI8x%dx%d%s", g.mr, g.nv*g.lanes, g.suffix), "GemmI8Args.runGeneric")
	local := g.AllocLocal(80)
	g.panelB, g.panelAt, g.panels, g.inside = local.Offset(48), local.Offset(56), local.Offset(64), local.Offset(72)
	g.rows, g.taps, g.kc = local, local.Offset(8), local.Offset(16)
	g.main, g.zero, g.base = local.Offset(24), local.Offset(32), local.Offset(40)

	t := g.arg(reg.RAX)
	g.prologue(t)
	panel := g.label("panel")
	g.Label(panel)
	g.arg(t)
	g.startPanel(t)
	b, k := reg.RCX, reg.RAX
	g.MOVQ(g.panelB, b)

	tap := g.label("tap")
	g.Label(tap)
	g.tap(b, k)
	g.DECQ(g.taps)
	g.JNZ(operand.LabelRef(tap))
	g.MOVQ(b, g.panelB)
	g.finishWide()
	g.ADDQ(imm(g.nv*g.isa.bytes()), g.panelAt)
	g.DECQ(g.panels)
	g.JNZ(operand.LabelRef(panel))
	g.VZEROUPPER()
	g.RET()
}

// prologue puts the arguments t that hold for all panels into the frame and into masks.
func (g *gemmInt) prologue(t reg.Register) {
	s := reg.RCX
	for _, f := range []struct {
		from int
		to   operand.Mem
	}{{tileZero, g.zero}, {tileA, g.base}, {tileB, g.panelB}, {tileI8Panels, g.panels}, {tileI8Inside, g.inside}} {
		g.MOVQ(mem(t, f.from), s)
		g.MOVQ(s, f.to)
	}
	g.MOVQ(mem(t, tileI8N), s) // K1: the columns of a panel
	g.MOVQ(operand.I32(-1), reg.RDX)
	g.SHLQ(reg.CL, reg.RDX)
	g.NOTQ(reg.RDX)
	g.KMOVD(reg.EDX, ks[0])
	g.MOVQ(mem(t, tileKC), s) // K3: the bytes of the last, partial group
	g.ANDQ(imm(3), s)
	g.MOVQ(operand.I32(-1), reg.RDX)
	g.SHLQ(reg.CL, reg.RDX)
	g.NOTQ(reg.RDX)
	g.KMOVW(reg.EDX, ks[2])
	g.VPBROADCASTD(mem(t, tileI8Xor), g.flipReg())
	g.KMOVW(mem(t, tileI8Xor), ks[1]) // K2: none, when there is nothing to flip
	g.MOVQ(mem(t, tileI8Ahead), aheadReg)
	g.MOVQ(mem(t, tileKC), s)
	g.MOVQ(s, g.kc)
	g.ANDQ(imm(-groupI8*unrollI8), s)
	g.MOVQ(s, g.main)
	g.XORQ(s, s)
	g.MOVQ(s, g.panelAt)
}

// startPanel begins a panel: its rows and taps, and sums that start as the bias.
func (g *gemmInt) startPanel(t reg.Register) {
	s := reg.RCX
	for _, f := range []struct {
		from int
		to   operand.Mem
	}{{tileRows, g.rows}, {tileTaps, g.taps}} {
		g.MOVQ(mem(t, f.from), s)
		g.MOVQ(s, f.to)
	}
	g.MOVQ(mem(t, tileI8Bias), s)
	g.ADDQ(g.panelAt, s)
	for j := range g.nv {
		g.load(g.isa, mem(s, j*g.isa.bytes()), g.acc(0, j), false)
	}
	for i := 1; i < g.mr; i++ {
		for j := range g.nv {
			g.VMOVAPS(g.acc(0, j), g.acc(i, j))
		}
	}
}

// tap multiplies one tap's bytes by the weights from b on; k counts bytes.
func (g *gemmInt) tap(b, k reg.GPPhysical) {
	g.pointers(k)
	g.XORQ(k, k)
	rest, partial, next := g.label("rest"), g.label("partial"), g.label("next")
	g.CMPQ(k, g.main)
	g.JGE(operand.LabelRef(rest))
	// Flipping takes a port that multiplies on some processors: unsigned bytes do without.
	plain := g.label("plain")
	g.KTESTW(ks[1], ks[1])
	g.JZ(operand.LabelRef(plain))
	g.mainLoop(b, k, whole)
	g.JMP(operand.LabelRef(rest))
	g.Label(plain)
	g.mainLoop(b, k, unsigned)
	g.Label(rest) // at most one whole group, for the unrolling is two
	g.SUBQ(g.kc, k)
	g.NEGQ(k) // bytes left
	g.CMPQ(k, imm(groupI8))
	g.JLT(operand.LabelRef(partial))
	g.MOVQ(g.main, k)
	g.step(b, k, 0, whole)
	g.ADDQ(imm(g.nv*g.isa.bytes()), b)
	g.ADDQ(imm(groupI8), k)
	g.SUBQ(g.kc, k)
	g.NEGQ(k)
	g.Label(partial)
	g.TESTQ(k, k)
	g.JZ(operand.LabelRef(next))
	g.NEGQ(k)
	g.ADDQ(g.kc, k)
	g.step(b, k, 0, partialGroup)
	g.ADDQ(imm(g.nv*g.isa.bytes()), b)
	g.Label(next)
}

func (g *gemmInt) flipReg() reg.VecPhysical    { return g.reg(26) }
func (g *gemmInt) tmp(i int) reg.VecPhysical   { return g.reg(27 + i%5) }
func (g *gemmInt) lowOf(i int) reg.VecPhysical { return xs[27+i%5] }

// pointers is gemm's with offsets in bytes.
func (g *gemmInt) pointers(base reg.GPPhysical) {
	last := gps[g.mr-1]
	g.MOVQ(g.rows, last)
	g.MOVQ(g.base, base)
	done := g.label("pointers")
	if g.wide() { // where taps are short, this is a tenth of the time
		padded := g.label("padded")
		g.CMPQ(g.inside, imm(0))
		g.JE(operand.LabelRef(padded))
		for i := range g.mr {
			g.MOVLQSX(mem(last, 4*i), gps[i])
			g.ADDQ(base, gps[i])
		}
		g.JMP(operand.LabelRef(done))
		g.Label(padded)
	}
	for i := range g.mr {
		g.MOVLQSX(mem(last, 4*i), gps[i])
		g.TESTQ(gps[i], gps[i])
		g.LEAQ(memx(base, gps[i], 1, 0), gps[i])
		g.CMOVQLT(g.zero, gps[i])
	}
	g.Label(done)
	g.ADDQ(imm(4*g.isa.rows), g.rows)
}

// aheadReg is where what is asked for ahead lies.
var aheadReg = reg.RBP

// askAhead asks for as many bytes ahead as a few rows read in a turn of the main loop, or for a quarter: four tiles of more
// rows read the weights of a block while the next one's come.
func (g *gemmInt) askAhead(unroll int) {
	lines := unroll * g.nv
	if g.mr > 2 {
		lines = max(1, lines/4)
	}
	for i := range lines {
		g.PREFETCHT1(mem(aheadReg, 64*i))
	}
	g.ADDQ(imm(64*lines), aheadReg)
}

// mainLoop goes over a tap's whole groups, some at a time.
func (g *gemmInt) mainLoop(b, k reg.Register, f groupForm) {
	loop := g.label("main")
	g.Label(loop)
	g.askAhead(unrollI8)
	for u := range unrollI8 {
		g.step(b, k, u, f)
	}
	g.ADDQ(imm(unrollI8*g.nv*g.isa.bytes()), b)
	g.ADDQ(imm(groupI8*unrollI8), k)
	g.CMPQ(k, g.main)
	g.JLT(operand.LabelRef(loop))
}

// groupForm is how step reads a group of A.
type groupForm int

const (
	whole        groupForm = iota
	unsigned               // whole, and no sign to flip
	partialGroup           // only the bytes that exist: their weights alone are not zero
)

// step is one group of A against its weights.
func (g *gemmInt) step(b, k reg.Register, u int, f groupForm) {
	for j := range g.nv {
		g.load(g.isa, mem(b, (u*g.nv+j)*g.isa.bytes()), g.b(j), false)
	}
	for i := range g.mr {
		at := memx(gps[i], k, 1, groupI8*u)
		x := g.tmp(i)
		switch f {
		case partialGroup:
			g.VMOVDQU8_Z(at, ks[2], g.lowOf(i))
			g.VPBROADCASTD(g.lowOf(i), x)
			g.VPXORD(g.flipReg(), x, x)
		case unsigned:
			g.VPBROADCASTD(at, x)
		default:
			g.VPXORD_BCST(at, g.flipReg(), x)
		}
		for j := range g.nv {
			g.VPDPBUSD(g.b(j), x, g.acc(i, j))
		}
	}
}

// rowSum writes the sums over all taps of the bytes, flipped to unsigned, that each row of a tile reads.
func rowSum(a *asm) {
	a.fn("rowSumsAVX512", "GemmI8Args.runGeneric")
	t := a.arg(reg.RBX)
	base, zero, sums, left := reg.RSI, reg.RDI, reg.R8, reg.R9
	rows, tap, taps, p, n := reg.R10, reg.R11, reg.R12, reg.R13, reg.RCX
	a.MOVQ(mem(t, tileKC), n)
	a.ANDQ(imm(63), n)
	a.MOVQ(operand.I32(-1), reg.RDX)
	a.SHLQ(reg.CL, reg.RDX)
	a.NOTQ(reg.RDX)
	a.KMOVQ(reg.RDX, ks[3]) // the bytes after the last whole vector
	a.VPBROADCASTD(mem(t, tileI8Xor), reg.Z2)
	a.VPXORD(reg.Z1, reg.Z1, reg.Z1)
	a.MOVQ(mem(t, tileA), base)
	a.MOVQ(mem(t, tileZero), zero)
	a.MOVQ(mem(t, tileRows), rows)
	a.MOVQ(mem(t, tileI8Sums), sums)
	a.MOVQ(mem(t, tileI8MR), left)
	row, next, whole, tail, done := a.label("row"), a.label("tap"), a.label("whole"), a.label("tail"), a.label("done")
	a.Label(row)
	a.VPXORD(reg.Z0, reg.Z0, reg.Z0)
	a.MOVQ(rows, tap)
	a.MOVQ(mem(t, tileTaps), taps)
	a.Label(next)
	a.MOVLQSX(mem(tap, 0), p)
	a.TESTQ(p, p)
	a.LEAQ(memx(base, p, 1, 0), p)
	a.CMOVQLT(zero, p)
	a.MOVQ(mem(t, tileKC), n)
	a.Label(whole)
	a.SUBQ(imm(64), n)
	a.JLT(operand.LabelRef(tail))
	a.VPXORD(mem(p, 0), reg.Z2, reg.Z3)
	a.VPSADBW(reg.Z1, reg.Z3, reg.Z3)
	a.VPADDQ(reg.Z3, reg.Z0, reg.Z0)
	a.ADDQ(imm(64), p)
	a.JMP(operand.LabelRef(whole))
	a.Label(tail)
	a.CMPQ(n, imm(-64))
	a.JEQ(operand.LabelRef(done))
	a.VMOVDQU8_Z(mem(p, 0), ks[3], reg.Z3)
	a.VPXORD(reg.Z2, reg.Z3, reg.Z3)
	a.VMOVDQU8_Z(reg.Z3, ks[3], reg.Z3)
	a.VPSADBW(reg.Z1, reg.Z3, reg.Z3)
	a.VPADDQ(reg.Z3, reg.Z0, reg.Z0)
	a.Label(done)
	a.ADDQ(imm(4*zmm.rows), tap)
	a.DECQ(taps)
	a.JNZ(operand.LabelRef(next))
	a.VEXTRACTI64X4(operand.U8(1), reg.Z0, reg.Y4)
	a.VPADDQ(reg.Y4, reg.Y0, reg.Y0)
	a.VEXTRACTI128(operand.U8(1), reg.Y0, reg.X4)
	a.VPADDQ(reg.X4, reg.X0, reg.X0)
	a.VPSHUFD(operand.U8(0x0e), reg.X0, reg.X4)
	a.VPADDQ(reg.X4, reg.X0, reg.X0)
	a.VMOVD(reg.X0, mem(sums, 0))
	a.ADDQ(imm(4), sums)
	a.ADDQ(imm(4), rows)
	a.DECQ(left)
	a.JNZ(operand.LabelRef(row))
	a.VZEROUPPER()
	a.RET()
}
