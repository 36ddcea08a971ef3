package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.tileI8 that AVX2 alone knows.
const (
	tileI8Wide, tileI8Stride, tileI8Last   = 176, 184, 192
	tileI8Runs, tileI8Pairs, tileI8RunStep = 200, 208, 216
)

// pairsTurn is how many pairs of a row a turn of the loop takes.
const pairsTurn = 2

// pairs is a tile of rows of 16-bit numbers, in one run or a run for each tap: VPMADDWD over two of a row's numbers and two
// weights, bytes that are widened as they are loaded. Neither it nor the sum of two products can overflow.
func (g *gemmInt) pairs(t, b reg.Register) {
	left, stride, row := reg.RAX, reg.R8, []reg.Register{reg.RSI, reg.RDI}
	turns, odd, runs, step := reg.R13, reg.R14, reg.R15, reg.RDX
	g.MOVQ(mem(t, tileI8Wide), row[0])
	g.MOVQ(mem(t, tileI8Stride), stride)
	g.LEAQ(memx(row[0], stride, 2, 0), row[1])
	g.ADDQ(stride, row[1]) // the fourth row
	g.MOVQ(mem(t, tileI8Pairs), odd)
	g.LEAQ(mem(odd, pairsTurn-1), turns)
	g.SHRQ(operand.U8(1), turns)
	g.ANDQ(imm(pairsTurn-1), odd)
	g.MOVQ(mem(t, tileI8Runs), runs)
	g.MOVQ(mem(t, tileI8RunStep), step)
	row = row[:(g.mr+2)/3]
	at := func(i, disp int) operand.Mem {
		m := mem(row[i/3], disp)
		if i%3 > 0 {
			m.Index, m.Scale = stride, uint8(i%3)
		}
		return m
	}
	x, products := reg.Y14, []reg.VecPhysical{reg.Y15, reg.Y14}
	run, loop, second := g.label("run"), g.label("pairs"), g.label("second")
	g.Label(run)
	g.MOVQ(turns, left)
	g.TESTQ(odd, odd)
	g.JZ(operand.LabelRef(loop))
	g.SUBQ(imm(16*g.nv), b) // the first turn is its second half alone
	for _, r := range row {
		g.SUBQ(imm(4), r)
	}
	g.JMP(operand.LabelRef(second))
	g.Label(loop)
	for u := range pairsTurn {
		if u == 1 {
			g.Label(second)
		}
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
	g.ADDQ(imm(16*g.nv*pairsTurn), b)
	for _, r := range row {
		g.ADDQ(imm(4*pairsTurn), r)
	}
	g.DECQ(left)
	g.JNZ(operand.LabelRef(loop))
	for _, r := range row {
		g.ADDQ(step, r)
	}
	g.DECQ(runs)
	g.JNZ(operand.LabelRef(run))
}

// widenRows writes what each row of a tile reads, tap after tap, as 16-bit numbers. Sixteen bytes are taken at once, and
// what is too much is written over by the next tap, but where A ends before: there they are taken one by one.
func widenRows(a *asm) {
	a.fn("widenRowsAVX2", "tileI8.widenRows")
	w := &widening{asm: a, place: reg.R12, from: reg.R13, n: reg.RCX, at: reg.R14, flip: reg.Y1, zero: reg.Y0, order: reg.Y3}
	rows, to, base, last := reg.RSI, reg.RDI, reg.R8, reg.R9
	kc, taps, left := reg.R10, reg.R11, reg.RBX
	t := a.arg(reg.RAX)
	w.constants(t)
	for _, f := range []struct {
		from int
		to   reg.Register
	}{{tileRows, rows}, {tileI8Wide, to}, {tileA, base}, {tileI8Last, last}, {tileKC, kc}, {tileI8MR, left}} {
		a.MOVQ(mem(t, f.from), f.to)
	}
	w.table()
	row, tap, whole, rest, one, next := a.label("row"), a.label("tap"), a.label("whole"), a.label("rest"), a.label("one"), a.label("next")
	inside, padding := a.label("inside"), a.label("padding")
	a.Label(row)
	a.MOVQ(rows, w.place)
	a.MOVQ(to, w.at)
	a.MOVQ(mem(t, tileTaps), taps)
	a.Label(tap)
	a.MOVLQSX(mem(w.place, 0), w.from)
	a.MOVQ(kc, w.n)
	a.TESTQ(w.from, w.from)
	a.JGE(operand.LabelRef(inside))
	a.LEAQ(memx(w.at, kc, 2, 0), w.from)
	a.Label(padding)
	a.VMOVDQU(w.zero, mem(w.at, 0))
	a.ADDQ(imm(32), w.at)
	a.SUBQ(imm(16), w.n)
	a.JG(operand.LabelRef(padding))
	a.MOVQ(w.from, w.at)
	a.JMP(operand.LabelRef(next))

	a.Label(inside)
	a.ADDQ(base, w.from)
	w.sixteens(whole, rest)
	a.Label(rest)
	w.lastBytes(t, last, one, next)
	a.Label(next)
	a.ADDQ(imm(4*ymm.rows), w.place)
	a.DECQ(taps)
	a.JNZ(operand.LabelRef(tap))
	a.ADDQ(imm(4), rows)
	a.ADDQ(mem(t, tileI8Stride), to)
	a.DECQ(left)
	a.JNZ(operand.LabelRef(row))
	a.VZEROUPPER()
	a.RET()
}

// widening is widenRowsAVX2 while it is written.
type widening struct {
	*asm
	place, from, n, at reg.GPPhysical  // of the row's tap: its offset, its bytes, how many are left, and where they go
	flip, zero, order  reg.VecPhysical // what is flipped, a byte of padding, and where bytes go in a vector
}

// constants fills flip, and zero where there is a zero point.
func (w *widening) constants(t reg.Register) {
	w.VPBROADCASTD(mem(t, tileI8Xor), reg.X1)
	w.VPMOVZXBW(reg.X1, w.flip)
	table := w.label("table")
	w.MOVQ(mem(t, tileZero), w.from)
	w.TESTQ(w.from, w.from)
	w.JZ(operand.LabelRef(table))
	w.VPBROADCASTB(mem(w.from, 0), reg.X0)
	w.VPMOVZXBW(reg.X0, w.zero)
	w.VPXOR(w.flip, w.zero, w.zero)
	w.Label(table)
}

// table fills order.
func (w *widening) table() {
	wideBytes := w.StaticGlobal("wideBytes") // in each half: eight bytes of a vector of sixteen, zeros between them
	w.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 16 {
		w.AddDatum(2*i, operand.U16(0x8000+i))
	}
	w.VMOVDQU(wideBytes, w.order)
}

// widen is for the 16 bytes k bytes on.
func (w *widening) widen(k int) {
	x := reg.Y2
	w.VBROADCASTI128(mem(w.from, k), x)
	w.VPSHUFB(w.order, x, x)
	w.VPXOR(w.flip, x, x)
	w.VMOVDQU(x, mem(w.at, 2*k))
}

// sixteens widens while there are 16 bytes, and leaves in n how many are left, less 16.
func (w *widening) sixteens(whole, rest string) {
	half := w.label("half")
	w.SUBQ(imm(32), w.n)
	w.JLT(operand.LabelRef(half))
	w.Label(whole)
	w.widen(0)
	w.widen(16)
	w.ADDQ(imm(32), w.from)
	w.ADDQ(imm(64), w.at)
	w.SUBQ(imm(32), w.n)
	w.JGE(operand.LabelRef(whole))
	w.Label(half)
	w.ADDQ(imm(16), w.n) // bytes left, less 16
	w.JLT(operand.LabelRef(rest))
	w.widen(0)
	w.ADDQ(imm(16), w.from)
	w.ADDQ(imm(32), w.at)
	w.SUBQ(imm(16), w.n)
}

// lastBytes widens fewer than 16: all at once where as many can be read, up to last, else one by one.
func (w *widening) lastBytes(t, last reg.Register, one, next string) {
	byte1 := reg.R15
	w.ADDQ(imm(16), w.n)
	w.JZ(operand.LabelRef(next))
	w.CMPQ(w.from, last)
	w.JHI(operand.LabelRef(one))
	w.widen(0)
	w.LEAQ(memx(w.at, w.n, 2, 0), w.at)
	w.JMP(operand.LabelRef(next))
	w.Label(one)
	w.MOVBLZX(mem(w.from, 0), byte1.As32())
	w.XORB(mem(t, tileI8Xor), byte1.As8())
	w.MOVW(byte1.As16(), mem(w.at, 0))
	w.INCQ(w.from)
	w.ADDQ(imm(2), w.at)
	w.DECQ(w.n)
	w.JNZ(operand.LabelRef(one))
}
