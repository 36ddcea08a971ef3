package main

import (
	"encoding/binary"
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gemmI8Narrow writes the integer tile kernels of AVX2: of rows of 16-bit numbers (see pairs) or, where the processor has
// AVX-VNNI, of bytes for VPDPBUSD. Both loops are in every kernel, which share all else.
func gemmI8Narrow(a *asm) {
	order := a.StaticGlobal("halfOrder") // doublewords of two halves in turns
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 8 {
		a.AddDatum(4*i, operand.U32(i%2*4+i/2))
	}
	for nv := 2; nv >= 1; nv-- {
		for _, mr := range []int{6, 4, 2, 1} {
			(&gemmInt{gemm: gemm{asm: a, isa: ymm, mr: mr, nv: nv}, order: order}).writeNarrow()
		}
	}
	widenRows(a)
}

// Registers of writeNarrow beside b, k and the rows' pointers.
var (
	narrowConsts = reg.RBX // the sign flip, in 32 bytes
	narrowLeft   = reg.R13 // bytes of the tap that are no whole group
	narrowMain   = reg.R14 // bytes of its whole groups
	narrowTaps   = reg.R15
)

// writeNarrow is write for AVX2. The last bytes of a tap that are no whole group are copied to the frame, where the rows
// then seem to lie: what follows them there meets weights that are zero.
func (g *gemmInt) writeNarrow() {
	g.fn(fmt.Sprintf("gemmI8x%dx%d%s", g.mr, g.nv*g.lanes, g.suffix), "GemmI8Args.runGeneric")
	local := g.AllocLocal(152)
	g.rows, g.zero, g.base, g.kc = local, local.Offset(8), local.Offset(16), local.Offset(24)
	ends, consts := local.Offset(40), local.Offset(88)
	g.bytes, g.panelB = local.Offset(64), local.Offset(80)

	t, s := g.arg(reg.RAX), reg.RCX
	for _, f := range []struct {
		from int
		to   operand.Mem
	}{{tileZero, g.zero}, {tileA, g.base}} {
		g.MOVQ(mem(t, f.from), s)
		g.MOVQ(s, f.to)
	}
	g.LEAQ(consts.Offset(31), narrowConsts)
	g.ANDQ(imm(-32), narrowConsts) // a load within one line of the cache
	g.VPBROADCASTD(mem(t, tileI8Xor), reg.Y14)
	g.VMOVDQU(reg.Y14, mem(narrowConsts, 0))
	g.MOVQ(mem(t, tileKC), narrowMain)
	g.MOVQ(narrowMain, s)
	g.ANDQ(imm(groupI8-1), s)
	g.MOVQ(s, g.kc)
	g.ANDQ(imm(-groupI8), narrowMain)
	panel := g.label("panel")
	if g.nv == 2 {
		g.Label(panel)
	}
	g.MOVQ(mem(t, tileRows), s)
	g.MOVQ(s, g.rows)
	g.MOVQ(mem(t, tileTaps), narrowTaps)
	g.MOVQ(mem(t, tileI8Bias), s)
	for j := range g.nv {
		g.VMOVUPS(mem(s, 32*j), g.acc(0, j))
	}
	for i := 1; i < g.mr; i++ {
		for j := range g.nv {
			g.VMOVAPS(g.acc(0, j), g.acc(i, j))
		}
	}
	b, k := reg.RCX, reg.RAX
	g.MOVQ(mem(t, tileB), b)

	tap, groups, end := g.label("tap"), g.label("groups"), g.label("end")
	rest, one, next := g.label("rest"), g.label("one"), g.label("next")
	g.CMPQ(mem(t, tileI8Wide), imm(0))
	g.JEQ(operand.LabelRef(tap))
	g.pairs(t, b)
	g.JMP(operand.LabelRef(end))
	g.Label(tap)
	g.pointers(k)
	g.XORQ(k, k)
	g.MOVQ(g.kc, narrowLeft)
	g.CMPQ(k, narrowMain)
	g.JGE(operand.LabelRef(rest))
	g.Label(groups)
	g.stepBytes(b, k)
	g.CMPQ(k, narrowMain)
	g.JLT(operand.LabelRef(groups))

	g.Label(rest)
	g.TESTQ(narrowLeft, narrowLeft)
	g.JZ(operand.LabelRef(next))
	to, last := reg.R12, reg.RDX
	g.LEAQ(ends, to)
	g.Label(one)
	for i := range g.mr {
		g.MOVBLZX(memx(gps[i], k, 1, 0), last.As32())
		g.MOVB(last.As8(), mem(to, 4*i))
	}
	g.INCQ(k)
	g.INCQ(to)
	g.DECQ(narrowLeft)
	g.JNZ(operand.LabelRef(one))
	g.MOVQ(narrowMain, k)
	g.LEAQ(ends, to)
	g.SUBQ(k, to)
	for i := range g.mr {
		g.LEAQ(mem(to, 4*i), gps[i])
	}
	g.JMP(operand.LabelRef(groups))
	g.Label(next)
	g.DECQ(narrowTaps)
	g.JNZ(operand.LabelRef(tap))
	g.Label(end)
	g.MOVQ(b, g.panelB)
	g.finish(g.order)
	g.nextPanel(panel)
	g.VZEROUPPER()
	g.RET()
}

// nextPanel goes back for the next whole panel of weights, if there is one.
func (g *gemmInt) nextPanel(panel string) {
	if g.nv < 2 {
		return
	}
	t, s, done := g.arg(reg.RAX), reg.RCX, g.label("done")
	g.DECQ(mem(t, tileI8Panels))
	g.JZ(operand.LabelRef(done))
	g.MOVQ(g.panelB, s)
	g.MOVQ(s, mem(t, tileB))
	for _, f := range []int{tileI8Bias, tileI8Scale} {
		g.ADDQ(imm(g.nv*g.isa.bytes()), mem(t, f))
	}
	g.ADDQ(imm(g.nv*g.lanes), mem(t, tileI8C))
	g.CMPQ(mem(t, tileI8WZero), imm(0))
	g.JEQ(operand.LabelRef(panel))
	g.ADDQ(imm(g.nv*g.isa.bytes()), mem(t, tileI8WZero))
	g.JMP(operand.LabelRef(panel))
	g.Label(done)
}

// stepBytes is a group against weights of 8 bits.
func (g *gemmInt) stepBytes(b, k reg.Register) {
	for j := range g.nv {
		g.VMOVUPS(mem(b, 32*j), g.b(j))
	}
	x := reg.Y14
	for i := range g.mr {
		g.VPBROADCASTD(memx(gps[i], k, 1, 0), x)
		g.VPXOR(mem(narrowConsts, 0), x, x)
		for j := range g.nv {
			g.dotBytes(g.b(j), x, g.acc(i, j))
		}
	}
	g.ADDQ(imm(32*g.nv), b)
	g.ADDQ(imm(groupI8), k)
}

// dotBytes is VPDPBUSD as AVX-VNNI encodes it; Go's assembler knows that of AVX-512 alone.
func (g *gemmInt) dotBytes(weights, bytes, sum reg.VecPhysical) {
	e := dotBytes(int(weights.ID().Index()), int(bytes.ID().Index()), int(sum.ID().Index()))
	g.Instruction(&ir.Instruction{Opcode: "LONG", Operands: []operand.Op{operand.U32(binary.LittleEndian.Uint32(e[:]))}})
	g.Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []operand.Op{operand.U8(e[4])}})
}

// dotBytes encodes {vex} VPDPBUSD sum, bytes, weights on registers of 256 bits: VEX.256.66.0F38.W0 50 /r (Intel's manual).
func dotBytes(weights, bytes, sum int) [5]byte {
	extend := func(r int) byte { return byte(^r >> 3 & 1) }
	return [5]byte{0xc4, extend(sum)<<7 | 1<<6 | extend(weights)<<5 | 2, byte(^bytes&15)<<3 | 1<<2 | 1, 0x50,
		3<<6 | byte(sum&7)<<3 | byte(weights&7)}
}

// takeZeros takes off what zero points of weights add, which byte weights alone leave.
func (g *gemmInt) takeZeros(t reg.Register) {
	zeros, sums, sum, x := reg.RCX, reg.RDX, reg.Y14, reg.Y15
	symmetric := g.label("symmetric")
	g.MOVQ(mem(t, tileI8WZero), zeros)
	g.TESTQ(zeros, zeros)
	g.JZ(operand.LabelRef(symmetric))
	g.MOVQ(mem(t, tileI8Sums), sums)
	for j := range g.nv {
		g.VMOVUPS(mem(zeros, 32*j), g.b(j))
	}
	for i := range g.mr {
		g.VPBROADCASTD(mem(sums, 4*i), sum)
		for j := range g.nv {
			g.VPMULLD(g.b(j), sum, x)
			g.VPSUBD(x, g.acc(i, j), g.acc(i, j))
		}
	}
	g.Label(symmetric)
}

// scaleAndRound turns sums into integers. Scaled sums must fit 32 bits, which the columns know, or they are bounded before.
func (g *gemmInt) scaleAndRound(t reg.Register, x reg.VecPhysical) {
	g.MOVQ(mem(t, tileI8Scale), reg.RCX)
	for j := range g.nv {
		g.load(g.isa, mem(reg.RCX, j*g.isa.bytes()), x, false)
		for i := range g.mr {
			g.VCVTDQ2PS(g.acc(i, j), g.acc(i, j))
			g.VMULPS(x, g.acc(i, j), g.acc(i, j))
		}
	}
	tame := g.label("tame")
	g.CMPL(mem(t, tileI8Wild), imm(0))
	g.JEQ(operand.LabelRef(tame))
	g.VBROADCASTSS(mem(t, tileI8Max), x)
	for i := range g.mr * g.nv {
		g.VMINPS(g.acc(i/g.nv, i%g.nv), x, g.acc(i/g.nv, i%g.nv)) // a NaN stays one, and becomes the least integer
	}
	g.Label(tame)
	for i := range g.mr * g.nv {
		g.VCVTPS2DQ(g.acc(i/g.nv, i%g.nv), g.acc(i/g.nv, i%g.nv)) // half to even
	}
}

// finish is the end for AVX2: see finishWide, of which it is the form for registers of half the width.
func (g *gemmInt) finish(order operand.Mem) {
	t := g.arg(reg.RAX)
	g.takeZeros(t)
	g.scaleAndRound(t, reg.Y12)
	// Four vectors at once become one of bytes: of two rows, or of four that are half as wide.
	vector := func(i int) reg.VecPhysical { return g.acc(i/g.nv, i%g.nv) }
	all := g.mr * g.nv
	words := reg.Y12
	g.VPBROADCASTD(mem(t, tileI8Words), words)
	for i := 0; i < all; i += 2 {
		g.VPACKSSDW(vector(min(i+1, all-1)), vector(i), vector(i))
		g.VPADDSW(words, vector(i), vector(i))
	}
	lo, hi, flip, places := reg.Y12, reg.Y13, reg.Y14, reg.Y15
	g.VPBROADCASTD(mem(t, tileI8Lo), lo)
	g.VPBROADCASTD(mem(t, tileI8Hi), hi)
	g.VPBROADCASTD(mem(t, tileI8OutXor), flip)
	g.VMOVDQU(order, places)
	c, ldc, n := reg.RCX, reg.RDX, reg.R8
	g.MOVQ(mem(t, tileI8C), c)
	g.MOVQ(mem(t, tileI8LDC), ldc)
	g.MOVQ(mem(t, tileI8N), n)
	for i := 0; i < all; i += 4 {
		x, y := vector(i), vector(i)
		if i+2 < all {
			y = vector(i + 2)
		}
		g.VPACKUSWB(y, x, x)
		g.VPMAXUB(lo, x, x)
		g.VPMINUB(hi, x, x)
		g.VPXOR(flip, x, x)
		g.VPERMD(x, places, x)
	}
	partial, done := g.label("partial"), g.label("done")
	g.CMPQ(n, imm(g.nv*g.lanes))
	g.JNE(operand.LabelRef(partial))
	g.eachRow(c, ldc, func(_ int, store func(operand.Mem)) { store(mem(c, 0)) })
	g.JMP(operand.LabelRef(done))
	g.Label(partial)
	g.eachRow(c, ldc, func(_ int, store func(operand.Mem)) {
		store(g.bytes)
		g.XORQ(reg.R9, reg.R9)
		one := g.label("byte")
		g.Label(one)
		at := g.bytes
		at.Index, at.Scale = reg.R9, 1
		g.MOVB(at, reg.R10B)
		g.MOVB(reg.R10B, memx(c, reg.R9, 1, 0))
		g.INCQ(reg.R9)
		g.CMPQ(reg.R9, n)
		g.JLT(operand.LabelRef(one))
	})
	g.Label(done)
}

// eachRow hands f each row with what stores its bytes, while c goes from row to row of results.
func (g *gemmInt) eachRow(c, ldc reg.Register, f func(row int, store func(operand.Mem))) {
	each := 4 / g.nv // rows of a vector
	for row := range g.mr {
		x := int(g.acc(row/each*each, 0).ID().Index())
		part := row % each
		f(row, func(m operand.Mem) {
			switch {
			case g.nv == 2 && part == 0:
				g.VMOVDQU(xs[x], m)
			case g.nv == 2:
				g.VEXTRACTI128(operand.U8(1), ys[x], m)
			default:
				if part == 2 {
					g.VEXTRACTI128(operand.U8(1), ys[x], xs[x])
				}
				if part%2 == 0 {
					g.VMOVQ(xs[x], m)
				} else {
					g.VMOVHPS(xs[x], m)
				}
			}
		})
		if row < g.mr-1 {
			g.ADDQ(ldc, c)
		}
	}
}
