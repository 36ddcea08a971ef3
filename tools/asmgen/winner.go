package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// winner writes the loops of maximum pools in training; see kern.Winners. Registers: RSI the rows' floats, RDI the
// maxima or their gradient, R9 the winners' bytes, R10 and R11 the taps.
type winner struct {
	*asm
	isa
}

// Offsets of kern.winnerArgs and of kern.Tap.
const (
	winX, winY, winWon, winTaps, winCount, winN = 0, 8, 16, 24, 32, 40
	tapAt, tapNo, tapSize                       = 0, 8, 16
)

func winners(a *asm, v isa) {
	g := &winner{a, v}
	g.loop("winnerPick", "Winners.pickGeneric", func(n int, masked bool) {
		g.taps(n, masked, func() {
			for i := range n {
				g.load(v, g.seen(i), g.reg(i), masked)
				g.VPBROADCASTD(mem(reg.R10, tapNo), g.reg(4+i))
			}
		}, func() {
			for i := range n {
				x := g.reg(8 + i)
				g.load(v, g.seen(i), x, masked)
				if v.wide() {
					g.VCMPPS(operand.U8(0x1e), g.reg(i), x, ks[0]) // x > y
					g.VMOVAPS(x, ks[0], g.reg(i))
					g.VPBROADCASTD(mem(reg.R10, tapNo), ks[0], g.reg(4+i))
					continue
				}
				more, no := g.reg(12), g.reg(13)
				g.VCMPPS(operand.U8(0x1e), g.reg(i), x, more)
				g.VBLENDVPS(more, x, g.reg(i), g.reg(i))
				g.VPBROADCASTD(mem(reg.R10, tapNo), no)
				g.VBLENDVPS(more, no, g.reg(4+i), g.reg(4+i))
			}
		})
		g.MOVQ(reg.RAX, reg.RDX)
		g.SHRQ(operand.U8(2), reg.RDX)
		for i := range n {
			g.store(v, g.reg(i), memx(reg.RDI, reg.RAX, 1, i*g.bytes()), masked)
			won := memx(reg.R9, reg.RDX, 1, i*g.lanes)
			switch {
			case v.wide() && masked:
				g.VPMOVDB(g.reg(4+i), ks[3], won)
			case v.wide():
				g.VPMOVDB(g.reg(4+i), won)
			default:
				w, high := xs[4+i], xs[12]
				g.VEXTRACTI128(operand.U8(1), g.reg(4+i), high)
				g.VPACKUSDW(high, w, w)
				g.VPACKUSWB(w, w, w)
				g.VMOVQ(w, won)
			}
		}
	})
	g.loop("winnerAdd", "Winners.addGeneric", func(n int, masked bool) {
		g.MOVQ(reg.RAX, reg.RDX)
		g.SHRQ(operand.U8(2), reg.RDX)
		for i := range n {
			g.load(v, memx(reg.RDI, reg.RAX, 1, i*g.bytes()), g.reg(i), masked)
			won := memx(reg.R9, reg.RDX, 1, i*g.lanes)
			if v.wide() && masked {
				g.VPMOVZXBD_Z(won, ks[3], g.reg(4+i))
			} else {
				g.VPMOVZXBD(won, g.reg(4+i))
			}
		}
		add := func() {
			for i := range n {
				x, m := g.reg(8+i), g.reg(12)
				g.load(v, g.seen(i), x, masked)
				if v.wide() {
					g.VPCMPEQD_BCST(mem(reg.R10, tapNo), g.reg(4+i), ks[0])
					g.VADDPS(g.reg(i), x, ks[0], x)
				} else {
					g.VPBROADCASTD(mem(reg.R10, tapNo), m)
					g.VPCMPEQD(g.reg(4+i), m, m)
					g.VPAND(g.reg(i), m, m)
					g.VADDPS(m, x, x)
				}
				g.store(v, x, g.seen(i), masked)
			}
		}
		g.taps(n, masked, nil, add)
	})
}

// seen is what a tap sees of vector i, RBX being what it sees of vector 0.
func (g *winner) seen(i int) operand.Mem { return mem(reg.RBX, i*g.bytes()) }

// taps goes through the taps, the first one's turn being another where it is given.
func (g *winner) taps(n int, masked bool, first, rest func()) {
	loop, done := g.label("tap"), g.label("end")
	at := func() {
		g.MOVQ(mem(reg.R10, tapAt), reg.RBX)
		g.LEAQ(memx(reg.RSI, reg.RBX, 4, 0), reg.RBX)
		g.ADDQ(reg.RAX, reg.RBX)
	}
	g.MOVQ(reg.R11, reg.R10)
	g.MOVQ(reg.R12, reg.R13)
	if first != nil {
		at()
		first()
		g.ADDQ(imm(tapSize), reg.R10)
		g.DECQ(reg.R13)
	}
	g.Label(loop)
	g.TESTQ(reg.R13, reg.R13)
	g.JZ(operand.LabelRef(done))
	at()
	rest()
	g.ADDQ(imm(tapSize), reg.R10)
	g.DECQ(reg.R13)
	g.JMP(operand.LabelRef(loop))
	g.Label(done)
}

// loop writes a function over N channels; AVX2's takes whole vectors of them only.
func (g *winner) loop(name, twin string, body func(n int, masked bool)) {
	g.fn(name+g.suffix, twin)
	t := g.arg(reg.RBX)
	g.MOVQ(mem(t, winX), reg.RSI)
	g.MOVQ(mem(t, winY), reg.RDI)
	g.MOVQ(mem(t, winWon), reg.R9)
	g.MOVQ(mem(t, winTaps), reg.R11)
	g.MOVQ(mem(t, winCount), reg.R12)
	g.MOVQ(mem(t, winN), reg.R8)
	g.XORQ(reg.RAX, reg.RAX)
	if g.wide() {
		g.columns(g.isa, 4, body)
		return
	}
	for _, n := range []int{4, 1} {
		loop, next := g.label("many"), g.label("next")
		g.Label(loop)
		g.CMPQ(reg.R8, imm(n*g.lanes))
		g.JLT(operand.LabelRef(next))
		body(n, false)
		g.ADDQ(imm(n*g.bytes()), reg.RAX)
		g.SUBQ(imm(n*g.lanes), reg.R8)
		g.JMP(operand.LabelRef(loop))
		g.Label(next)
	}
	g.VZEROUPPER()
	g.RET()
}
