package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.tileI8 that AVX2 alone knows.
const tileI8Wide, tileI8Stride, tileI8Last = 176, 184, 192

// pairsDepth is how many numbers of a row a turn of the loop takes; kern.GemmI8's Group.
const pairsDepth = 4

// pairs is a tile of rows that widenRows has written: VPMADDWD over two of a row's numbers and two weights, bytes that are
// widened as they are loaded. Neither it nor the sum of two products can overflow.
func (g *gemmInt) pairs(t, b reg.Register) {
	left, stride, row := reg.RAX, reg.R8, []reg.Register{reg.RSI, reg.RDI}
	g.MOVQ(mem(t, tileI8Wide), row[0])
	g.MOVQ(mem(t, tileI8Stride), stride)
	g.LEAQ(memx(row[0], stride, 2, 0), row[1])
	g.ADDQ(stride, row[1]) // the fourth row
	g.MOVQ(mem(t, tileKC), reg.RDX)
	g.IMULQ(mem(t, tileTaps), reg.RDX)
	g.LEAQ(mem(reg.RDX, pairsDepth-1), left)
	g.SHRQ(operand.U8(2), left)
	at := func(i, disp int) operand.Mem {
		m := mem(row[i/3], disp)
		if i%3 > 0 {
			m.Index, m.Scale = stride, uint8(i%3)
		}
		return m
	}
	x, products := reg.Y14, []reg.VecPhysical{reg.Y15, reg.Y14}
	loop := g.label("pairs")
	g.Label(loop)
	for u := range pairsDepth / 2 {
		for j := range g.nv {
			g.VPMOVSXBW(mem(b, 16*(u*g.nv+j)), g.b(j))
		}
		for i := range g.mr {
			g.VPBROADCASTD(at(i, 4*u), x)
			// Both products before both sums: a sum that waits takes no pipe from a product (78 GMAC/s where 72 are in turns).
			for j, to := range products[:g.nv] {
				g.VPMADDWD(g.b(j), x, to)
			}
			for j, p := range products[:g.nv] {
				g.VPADDD(p, g.acc(i, j), g.acc(i, j))
			}
		}
	}
	g.ADDQ(imm(16*g.nv*pairsDepth/2), b)
	g.ADDQ(imm(2*pairsDepth), row[0])
	if g.mr > 3 {
		g.ADDQ(imm(2*pairsDepth), row[1])
	}
	g.DECQ(left)
	g.JNZ(operand.LabelRef(loop))
}

// widenRows writes what each row of a tile reads, tap after tap, as 16-bit numbers. Sixteen bytes are taken at once, and
// what is too much is written over by the next tap, but where A ends before: there they are taken one by one.
func widenRows(a *asm) {
	a.fn("widenRowsAVX2", "tileI8.widenRows")
	rows, to, base, last := reg.RSI, reg.RDI, reg.R8, reg.R9
	kc, taps, place, from, n, left, at, byte1 := reg.R10, reg.R11, reg.R12, reg.R13, reg.RCX, reg.RBX, reg.R14, reg.R15
	t := a.arg(reg.RAX)
	flip, zero, x := reg.Y1, reg.Y0, reg.Y2
	a.VPBROADCASTD(mem(t, tileI8Xor), reg.X1)
	a.VPMOVZXBW(reg.X1, flip)
	table := a.label("table")
	a.MOVQ(mem(t, tileZero), from)
	a.TESTQ(from, from)
	a.JZ(operand.LabelRef(table))
	a.VPBROADCASTB(mem(from, 0), reg.X0)
	a.VPMOVZXBW(reg.X0, zero)
	a.VPXOR(flip, zero, zero)
	a.Label(table)
	for _, f := range []struct {
		from int
		to   reg.Register
	}{{tileRows, rows}, {tileI8Wide, to}, {tileA, base}, {tileI8Last, last}, {tileKC, kc}, {tileI8MR, left}} {
		a.MOVQ(mem(t, f.from), f.to)
	}
	wideBytes := a.StaticGlobal("wideBytes") // in each half: eight bytes of a vector of sixteen, zeros between them
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 16 {
		a.AddDatum(2*i, operand.U16(0x8000+i))
	}
	order := reg.Y3
	a.VMOVDQU(wideBytes, order)
	widen := func(k int) {
		a.VBROADCASTI128(mem(from, k), x)
		a.VPSHUFB(order, x, x)
		a.VPXOR(flip, x, x)
		a.VMOVDQU(x, mem(at, 2*k))
	}
	row, tap, whole, rest, one, next := a.label("row"), a.label("tap"), a.label("whole"), a.label("rest"), a.label("one"), a.label("next")
	inside, padding := a.label("inside"), a.label("padding")
	a.Label(row)
	a.MOVQ(rows, place)
	a.MOVQ(to, at)
	a.MOVQ(mem(t, tileTaps), taps)
	a.Label(tap)
	a.MOVLQSX(mem(place, 0), from)
	a.MOVQ(kc, n)
	a.TESTQ(from, from)
	a.JGE(operand.LabelRef(inside))
	a.LEAQ(memx(at, kc, 2, 0), from)
	a.Label(padding)
	a.VMOVDQU(zero, mem(at, 0))
	a.ADDQ(imm(32), at)
	a.SUBQ(imm(16), n)
	a.JG(operand.LabelRef(padding))
	a.MOVQ(from, at)
	a.JMP(operand.LabelRef(next))

	a.Label(inside)
	a.ADDQ(base, from)
	half := a.label("half")
	a.SUBQ(imm(32), n)
	a.JLT(operand.LabelRef(half))
	a.Label(whole)
	widen(0)
	widen(16)
	a.ADDQ(imm(32), from)
	a.ADDQ(imm(64), at)
	a.SUBQ(imm(32), n)
	a.JGE(operand.LabelRef(whole))
	a.Label(half)
	a.ADDQ(imm(16), n) // bytes left, less 16
	a.JLT(operand.LabelRef(rest))
	widen(0)
	a.ADDQ(imm(16), from)
	a.ADDQ(imm(32), at)
	a.SUBQ(imm(16), n)
	a.Label(rest)
	a.ADDQ(imm(16), n)
	a.JZ(operand.LabelRef(next))
	a.CMPQ(from, last)
	a.JHI(operand.LabelRef(one))
	widen(0)
	a.LEAQ(memx(at, n, 2, 0), at)
	a.JMP(operand.LabelRef(next))
	a.Label(one)
	a.MOVBLZX(mem(from, 0), byte1.As32())
	a.XORB(mem(t, tileI8Xor), byte1.As8())
	a.MOVW(byte1.As16(), mem(at, 0))
	a.INCQ(from)
	a.ADDQ(imm(2), at)
	a.DECQ(n)
	a.JNZ(operand.LabelRef(one))
	a.Label(next)
	a.ADDQ(imm(4*ymm.rows), place)
	a.DECQ(taps)
	a.JNZ(operand.LabelRef(tap))
	a.ADDQ(imm(4), rows)
	a.ADDQ(mem(t, tileI8Stride), to)
	a.DECQ(left)
	a.JNZ(operand.LabelRef(row))
	a.VZEROUPPER()
	a.RET()
}
