package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pairsInt writes the product of mr rows of 16-bit pairs by two vectors of columns, count times below each other: VPDPWSSD,
// or VPMADDWD and an addition. Broadcasts come from memory, beside the ports that multiply.
type pairsInt struct {
	*asm
	isa
	mr int
}

func (g *pairsInt) acc(i, j int) reg.VecPhysical { return g.reg(2*i + j) }

func (g *pairsInt) b(j int) reg.VecPhysical {
	if g.wide() {
		return g.reg(26 + j)
	}
	return g.reg(12 + j)
}

// step is one pair of depths of a row.
func (g *pairsInt) step(i int, row operand.Mem) {
	if g.wide() {
		x := g.reg(28 + i%4)
		g.VPBROADCASTD(row, x)
		for j := range 2 {
			g.VPDPWSSD(g.b(j), x, g.acc(i, j))
		}
		return
	}
	x, product := g.reg(14), g.reg(15)
	g.VPBROADCASTD(row, x)
	g.VPMADDWD(g.b(0), x, product)
	g.VPADDD(product, g.acc(i, 0), g.acc(i, 0))
	g.VPMADDWD(g.b(1), x, x)
	g.VPADDD(x, g.acc(i, 1), g.acc(i, 1))
}

func (g *pairsInt) move(from, to operand.Op) {
	if g.wide() {
		g.VMOVDQU64(from, to)
	} else {
		g.VMOVDQU(from, to)
	}
}

// rows are the addresses of each third row. The others are one or two pitches on.
func (g *pairsInt) rows() []reg.GPPhysical {
	return []reg.GPPhysical{reg.R10, reg.R11, reg.R12, reg.R13, reg.R14}[:(g.mr+2)/3]
}

// Registers of all heights: bytes of a row, weights, sums, pairs that are left, and of asking ahead.
var (
	pairsLDA, pairsB, pairsC = reg.RBX, reg.RCX, reg.RDI
	pairsLeft, pairsArg      = reg.RSI, reg.RAX
	pairsStep, pairsAhead    = reg.R8, reg.R9
)

func (g *pairsInt) write() {
	g.fn(fmt.Sprintf("gemmI16x%dx%d%s", g.mr, 2*g.lanes, g.suffix), "gemmI16Generic")
	count := g.AllocLocal(16)
	lines := count.Offset(8)
	t, k := g.arg(pairsArg), pairsLeft
	g.MOVQ(mem(t, tileI16LDA), pairsLDA)
	g.MOVQ(mem(t, tileI16C), pairsC)
	g.MOVQ(mem(t, tileI16Ahead), pairsAhead)
	g.MOVQ(mem(t, tileI16A), g.rows()[0])
	g.MOVQ(mem(t, tileI16Count), k)
	g.MOVQ(k, count)
	g.MOVQ(mem(t, tileI16Lines), k)
	g.MOVQ(k, lines)
	tile, main, store := g.label("tile"), g.label("main"), g.label("lines")
	g.Label(tile)
	g.begin()
	g.XORQ(pairsStep, pairsStep) // 64 as long as lines are to be asked for
	g.CMPQ(lines, imm(0))
	g.JLE(operand.LabelRef(store))
	g.SUBQ(k, lines)
	g.MOVQ(operand.I32(64), pairsStep)
	g.Label(store)
	g.products(main, 2)
	g.DECQ(count)
	g.JNZ(operand.LabelRef(tile))
	g.VZEROUPPER()
	g.RET()
}

// writeAll is write for AVX2: count is of rows, and the function has a tile of each height.
func (g *pairsInt) writeAll(heights ...int) {
	g.fn(fmt.Sprintf("gemmI16x%d%s", 2*g.lanes, g.suffix), "gemmI16Generic")
	t, count := g.arg(pairsArg), reg.R14
	g.MOVQ(mem(t, tileI16LDA), pairsLDA)
	g.MOVQ(mem(t, tileI16C), pairsC)
	g.MOVQ(mem(t, tileI16A), reg.R10)
	g.MOVQ(mem(t, tileI16Count), count)
	g.MOVQ(mem(t, tileI16Ahead), pairsAhead)
	g.SUBQ(mem(t, tileI16B), pairsAhead)
	for _, g.mr = range heights {
		tile, main, lower := g.label("tile"), g.label("main"), g.label("lower")
		g.Label(tile)
		g.CMPQ(count, imm(g.mr))
		g.JLT(operand.LabelRef(lower))
		g.begin()
		g.products(main, 1)
		g.SUBQ(imm(g.mr), count)
		g.JMP(operand.LabelRef(tile))
		g.Label(lower)
	}
	g.VZEROUPPER()
	g.RET()
}

// begin is what comes before a tile's products.
func (g *pairsInt) begin() {
	rows := g.rows()
	for i := 1; i < len(rows); i++ {
		g.LEAQ(memx(rows[i-1], pairsLDA, 2, 0), rows[i])
		g.ADDQ(pairsLDA, rows[i])
	}
	for i := range g.mr {
		for j := range 2 {
			g.clear(g.isa, g.acc(i, j))
		}
	}
	g.MOVQ(mem(pairsArg, tileI16B), pairsB)
	g.MOVQ(mem(pairsArg, tileI16Pairs), pairsLeft)
}

// products makes a tile's sums, some pairs at a time, stores them, and goes to the next tile.
func (g *pairsInt) products(main string, unroll int) {
	bytes, rows, b, k := g.isa.bytes(), g.rows(), pairsB, pairsLeft
	g.Label(main)
	for u := range unroll {
		for j := range 2 {
			g.move(mem(b, bytes*(2*u+j)), g.b(j))
		}
		if g.wide() {
			g.PREFETCHT0(mem(pairsAhead, 0))
			g.ADDQ(pairsStep, pairsAhead)
		} else {
			g.PREFETCHT0(memx(b, pairsAhead, 1, 0))
		}
		for i := range g.mr {
			m := mem(rows[i/3], 0)
			if i%3 > 0 {
				m = memx(rows[i/3], pairsLDA, uint8(i%3), 0)
			}
			m.Disp = 4 * u
			g.step(i, m)
		}
	}
	g.ADDQ(imm(2*bytes*unroll), b)
	for _, r := range rows {
		g.ADDQ(imm(4*unroll), r)
	}
	g.SUBQ(imm(unroll), k)
	g.JNZ(operand.LabelRef(main))
	for i := range g.mr {
		for j := range 2 {
			g.move(g.acc(i, j), mem(pairsC, bytes*(2*i+j)))
		}
	}
	g.ADDQ(imm(2*bytes*g.mr), pairsC)
	// The last third row stands pairs further than it began: the next tile's first row is its own, less those.
	g.MOVQ(mem(pairsArg, tileI16Pairs), k)
	g.SHLQ(operand.U8(2), k)
	last := rows[len(rows)-1]
	for range g.mr - 3*(len(rows)-1) {
		g.ADDQ(pairsLDA, last)
	}
	g.SUBQ(k, last)
	if len(rows) > 1 {
		g.MOVQ(last, rows[0])
	}
}
