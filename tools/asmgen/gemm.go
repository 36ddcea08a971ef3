package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.tileF32.
const (
	tileA, tileZero, tileRows, tileTaps, tileKC    = 0, 8, 16, 24, 32
	tileB, tileBias, tileRes, tileLDR, tileC       = 40, 48, 56, 64, 72
	tileLDC, tileN, tileMin, tileMax, tileMaskSize = 80, 88, 96, 100, 0
	tilePanels                                     = 104      // bytes from one panel to the next
	tileAhead, tileStep                            = 112, 120 // what to ask for, bytes of it a step of k
	tileLeft, tileKernel, tileBy                   = 128, 136, 144
)

// gemmF32 writes the tile kernels of an ISA: every height up to its largest, two vectors and one vector wide.
func gemmF32(a *asm, v isa) {
	for nv := 2; nv >= 1; nv-- {
		for mr := v.rows; mr >= 1; mr-- {
			(&gemm{asm: a, isa: v, mr: mr, nv: nv}).write()
		}
	}
	gemvF32(a, v)
	if !v.wide() {
		gemmTiles(a, v)
	}
}

// gemmTiles calls a tile kernel as often as it is told, and goes from what each is handed to the next one's in between:
// Go takes three times as long for that.
func gemmTiles(a *asm, v isa) {
	a.fn("tiles"+v.suffix, "GemmF32.each")
	local := a.AllocLocal(8) // the kernel's argument
	t, s := reg.RAX, reg.RCX
	again, next, done := a.label("again"), a.label("next"), a.label("done")
	a.Label(again)
	a.arg(t)
	a.MOVQ(t, local)
	a.MOVQ(mem(t, tileKernel), s)
	for nv := 2; nv >= 1; nv-- {
		for mr := v.rows; mr >= 1; mr-- {
			other := a.label("other")
			a.CMPQ(s, imm((2-nv)*v.rows+mr))
			a.JNE(operand.LabelRef(other))
			a.CALL(operand.LabelRef(fmt.Sprintf("·gemmF32x%dx%d%s(SB)", mr, nv*v.lanes, v.suffix)))
			a.JMP(operand.LabelRef(next))
			a.Label(other)
		}
	}
	a.Label(next)
	a.arg(t)
	a.DECQ(mem(t, tileLeft))
	a.JZ(operand.LabelRef(done))
	for i, at := range []int{tileA, tileRows, tileB, tileBias, tileRes, tileC, tileAhead} {
		a.MOVQ(mem(t, tileBy+8*i), s)
		a.ADDQ(s, mem(t, at))
	}
	a.JMP(operand.LabelRef(again))
	a.Label(done)
	a.RET()
}

// gemm is one tile kernel: mr rows of nv vectors. Accumulator of row i, vector j is register i*nv+j; the two registers
// after the accumulators' room hold B, the rest broadcasts of A.
type gemm struct {
	*asm
	isa
	mr, nv int
	rows   operand.Mem // the next tap's offsets
	taps   operand.Mem // taps left
	kc     operand.Mem // bytes of a tap
	main   operand.Mem // bytes of a tap that the unrolled loop takes
	zero   operand.Mem
	base   operand.Mem
	far    operand.Mem // bytes of what is asked for ahead, an unrolled loop's
}

func (g *gemm) acc(i, j int) reg.VecPhysical { return g.reg(i*g.nv + j) }
func (g *gemm) b(j int) reg.VecPhysical      { return g.reg(2*g.isa.rows + j) }
func (g *gemm) tmp(i int) reg.VecPhysical {
	free := 2*g.isa.rows + 2
	n := 2
	if g.wide() {
		n = 6
	}
	return g.reg(free + i%n)
}

func (g *gemm) write() {
	g.fn(fmt.Sprintf("gemmF32x%dx%d%s", g.mr, g.nv*g.lanes, g.suffix), "GemmF32Args.runGeneric")
	local := g.AllocLocal(56)
	g.rows, g.taps, g.kc = local, local.Offset(8), local.Offset(16)
	g.main, g.zero, g.base = local.Offset(24), local.Offset(32), local.Offset(40)
	g.far = local.Offset(48)

	unroll, shift := 2, 1
	if g.mr*g.nv <= 8 {
		unroll, shift = 4, 2
	}
	t, s := g.arg(reg.RAX), reg.RCX
	g.MOVQ(mem(t, tileStep), s)
	g.SHLQ(operand.U8(uint8(shift)), s)
	g.MOVQ(s, g.far)
	g.MOVQ(mem(t, tileAhead), ahead)
	for _, f := range []struct {
		from int
		to   operand.Mem
	}{{tileRows, g.rows}, {tileTaps, g.taps}, {tileZero, g.zero}, {tileA, g.base}} {
		g.MOVQ(mem(t, f.from), s)
		g.MOVQ(s, f.to)
	}
	g.MOVQ(mem(t, tileKC), s)
	g.SHLQ(operand.U8(2), s)
	g.MOVQ(s, g.kc)
	g.ANDQ(imm(-4*unroll), s)
	g.MOVQ(s, g.main)
	g.masks(t)
	g.start(t)
	b, k := reg.RCX, reg.RAX
	g.prefetchResidual(t)
	g.MOVQ(mem(t, tileB), b)

	tap := g.label("tap")
	g.Label(tap)
	g.pointers(k, 4)
	g.XORQ(k, k)
	mainLoop, rest, restLoop, next := g.label("main"), g.label("rest"), g.label("restloop"), g.label("next")
	g.CMPQ(k, g.main)
	g.JGE(operand.LabelRef(rest))
	g.Label(mainLoop)
	g.askAhead(unroll * g.nv * g.bytes() / 128)
	for u := range unroll {
		g.step(b, k, u)
	}
	g.ADDQ(imm(unroll*g.nv*g.bytes()), b)
	g.ADDQ(imm(4*unroll), k)
	g.CMPQ(k, g.main)
	g.JLT(operand.LabelRef(mainLoop))
	g.Label(rest)
	g.CMPQ(k, g.kc)
	g.JGE(operand.LabelRef(next))
	g.Label(restLoop)
	g.step(b, k, 0)
	g.ADDQ(imm(g.nv*g.bytes()), b)
	g.ADDQ(imm(4), k)
	g.CMPQ(k, g.kc)
	g.JLT(operand.LabelRef(restLoop))
	g.Label(next)
	g.DECQ(g.taps)
	g.JNZ(operand.LabelRef(tap))
	g.finish()
	g.VZEROUPPER()
	g.RET()
}

// ahead is the one register that the rows of the largest tile leave.
var ahead = reg.RBP

// askAhead brings lines into the second-level cache, if any are to be.
func (g *gemm) askAhead(lines int) {
	none := g.label("noahead")
	g.TESTQ(ahead, ahead)
	g.JZ(operand.LabelRef(none))
	for i := range lines {
		g.PREFETCHT1(mem(ahead, 64*i))
	}
	g.ADDQ(g.far, ahead)
	g.Label(none)
}

// prefetchResidual asks for what residual will read, a whole tile's products before.
func (g *gemm) prefetchResidual(t reg.Register) {
	none := g.label("noahead")
	res, ldr := reg.RCX, reg.RDX
	g.MOVQ(mem(t, tileRes), res)
	g.TESTQ(res, res)
	g.JZ(operand.LabelRef(none))
	g.MOVQ(mem(t, tileLDR), ldr)
	for range g.mr {
		for j := 0; j < g.nv*g.bytes(); j += 64 {
			g.PREFETCHT0(mem(res, j))
		}
		g.ADDQ(ldr, res)
	}
	g.Label(none)
}

// masks prepares the column masks: K1, K2 for AVX-512. AVX2 reads them where it needs them.
func (g *gemm) masks(t reg.Register) {
	if !g.wide() {
		return
	}
	n, m := reg.RCX, reg.RDX
	g.MOVQ(mem(t, tileN), n)
	g.MOVQ(operand.I32(-1), m)
	g.SHLQ(reg.CL, m)
	g.NOTQ(m)
	g.KMOVW(m.As32(), ks[0])
	g.SHRQ(operand.U8(16), m)
	g.KMOVW(m.As32(), ks[1])
}

// start sets the accumulators to the bias or to zero.
func (g *gemm) start(t reg.Register) {
	bias := reg.RCX
	none, done := g.label("nobias"), g.label("started")
	g.MOVQ(mem(t, tileBias), bias)
	g.TESTQ(bias, bias)
	g.JZ(operand.LabelRef(none))
	if !g.wide() {
		g.maskVectors(t)
	}
	for j := range g.nv {
		g.loadMasked(mem(bias, j*g.bytes()), g.acc(0, j), j)
	}
	for i := 1; i < g.mr; i++ {
		for j := range g.nv {
			g.VMOVAPS(g.acc(0, j), g.acc(i, j))
		}
	}
	g.JMP(operand.LabelRef(done))
	g.Label(none)
	for i := range g.mr {
		for j := range g.nv {
			g.zeroVec(g.acc(i, j))
		}
	}
	g.Label(done)
}

func (g *gemm) zeroVec(r reg.VecPhysical) {
	if g.wide() {
		g.VPXORD(r, r, r)
	} else {
		g.VXORPS(r, r, r)
	}
}

// pointers turns the tap's offsets, in elements of that many bytes, into row addresses. The last row's register carries the table until then.
func (g *gemm) pointers(base reg.GPPhysical, size uint8) {
	last := gps[g.mr-1]
	g.MOVQ(g.rows, last)
	g.MOVQ(g.base, base)
	for i := range g.mr {
		g.MOVLQSX(mem(last, 4*i), gps[i])
		g.TESTQ(gps[i], gps[i])
		g.LEAQ(memx(base, gps[i], size, 0), gps[i])
		g.CMOVQLT(g.zero, gps[i])
	}
	g.ADDQ(imm(4*g.isa.rows), g.rows)
}

// step is one k: u is its place in the unrolled loop.
func (g *gemm) step(b, k reg.Register, u int) {
	for j := range g.nv {
		g.VMOVUPS(mem(b, (u*g.nv+j)*g.bytes()), g.b(j))
	}
	for i := range g.mr {
		if g.wide() && g.nv == 1 { // used once: the product may broadcast it itself
			g.VFMADD231PS_BCST(memx(gps[i], k, 1, 4*u), g.b(0), g.acc(i, 0))
			continue
		}
		x := g.tmp(i)
		g.VBROADCASTSS(memx(gps[i], k, 1, 4*u), x)
		for j := range g.nv {
			g.VFMADD231PS(x, g.b(j), g.acc(i, j))
		}
	}
}

// finish adds the residual, clamps and stores. VMAXPS and VMINPS return their second source when one is NaN: the value.
func (g *gemm) finish() {
	t := g.arg(reg.RAX)
	g.residual(t)
	g.bound(t, tileMin, 0xff800000, g.VMAXPS)
	g.bound(t, tileMax, 0x7f800000, g.VMINPS)
	c, ldc := reg.RCX, reg.RDX
	g.MOVQ(mem(t, tileC), c)
	g.MOVQ(mem(t, tileLDC), ldc)
	if g.wide() {
		for i := range g.mr {
			for j := range g.nv {
				g.VMOVUPS(g.acc(i, j), ks[j], mem(c, j*g.bytes()))
			}
			g.ADDQ(ldc, c)
		}
		return
	}
	// Masked stores are slow on some AVX2 processors: whole panels avoid them.
	partial, done := g.label("partial"), g.label("stored")
	g.CMPQ(mem(t, tileN), imm(g.nv*g.lanes))
	g.JNE(operand.LabelRef(partial))
	for i := range g.mr {
		for j := range g.nv {
			g.VMOVUPS(g.acc(i, j), mem(c, j*g.bytes()))
		}
		g.ADDQ(ldc, c)
	}
	g.JMP(operand.LabelRef(done))
	g.Label(partial)
	g.maskVectors(t)
	for i := range g.mr {
		for j := range g.nv {
			g.VMASKMOVPS(g.acc(i, j), g.b(j), mem(c, j*g.bytes()))
		}
		g.ADDQ(ldc, c)
	}
	g.Label(done)
}

// bound applies one side of the clamp unless it is infinite.
func (g *gemm) bound(t reg.Register, at int, infinity uint32, op func(...operand.Op)) {
	none := g.label("nobound")
	x := g.tmp(0)
	g.CMPL(mem(t, at), operand.U32(infinity))
	g.JEQ(operand.LabelRef(none))
	g.VBROADCASTSS(mem(t, at), x)
	for i := range g.mr {
		for j := range g.nv {
			op(g.acc(i, j), x, g.acc(i, j))
		}
	}
	g.Label(none)
}

func (g *gemm) residual(t reg.Register) {
	none := g.label("nores")
	res, ldr := reg.RCX, reg.RDX
	g.MOVQ(mem(t, tileRes), res)
	g.TESTQ(res, res)
	g.JZ(operand.LabelRef(none))
	g.MOVQ(mem(t, tileLDR), ldr)
	if !g.wide() {
		g.maskVectors(t)
	}
	for i := range g.mr {
		for j := range g.nv {
			x := g.tmp(i*g.nv + j)
			g.loadMasked(mem(res, j*g.bytes()), x, j)
			g.VADDPS(x, g.acc(i, j), g.acc(i, j))
		}
		g.ADDQ(ldr, res)
	}
	g.Label(none)
}

func (g *gemm) loadMasked(m operand.Mem, r reg.VecPhysical, j int) {
	if g.wide() {
		g.VMOVUPS_Z(m, ks[j], r)
	} else {
		g.VMASKMOVPS(m, g.b(j), r)
	}
}

// maskVectors loads the AVX2 masks of the existing columns into the registers of B: a window on 16 ones and 16 zeros.
func (g *gemm) maskVectors(t reg.Register) {
	n, p := reg.R8, reg.R9
	g.MOVQ(mem(t, tileN), n)
	g.NEGQ(n)
	g.LEAQ(g.maskTable(), p)
	for j := range g.nv {
		g.VMOVUPS(memx(p, n, 4, 64+j*32), g.b(j))
	}
}
