package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.stemTiles, and of one of its places.
const (
	stemV, stemW, stemBias, stemOut, stemRoom = 0, 8, 16, 24, 32
	stemAt, stemLine, stemPixel               = 40, 48, 56
	stemK, stemN, stemMin, stemMax            = 64, 72, 80, 84
	stemPlace, stemRows, stemCols             = 16, 8, 12
)

const stemGroup = 4 // tiles

// winoStem writes the products and the way back of F(3x3, 4x4) for few channels, four tiles, or by AVX2 two, by a vector of
// results. A column of planes is six sums a tile; what its share of the way back leaves of them, three, waits in room, which
// with the weights fits a first-level cache.
func winoStem(a *asm, isa isa) {
	a.fn("winoStem"+isa.suffix, "winoStemGeneric")
	local := a.AllocLocal(8)
	t := a.arg(reg.RBX)
	p, p3, p5, k, w, room := reg.R12, reg.R13, reg.R14, reg.RAX, reg.RSI, reg.RDI
	v := []reg.GPPhysical{reg.R8, reg.R9, reg.R10, reg.R11}[:isa.stemTiles()]
	n := len(v)
	c2, c4 := stemConstants(a, isa)
	a.MOVQ(mem(t, stemK), p)
	a.SHLQ(operand.U8(2), p)
	a.LEAQ(memx(p, p, 2, 0), p3)
	a.LEAQ(memx(p, p, 4, 0), p5)
	a.MOVQ(mem(t, stemV), v[0])
	a.LEAQ(memx(p, p, 8, 0), reg.RCX) // 36 planes: a tile
	a.SHLQ(operand.U8(2), reg.RCX)
	for i := 1; i < n; i++ {
		a.LEAQ(memx(v[i-1], reg.RCX, 1, 0), v[i])
	}
	a.MOVQ(mem(t, stemW), w)
	a.MOVQ(mem(t, stemRoom), room)
	a.MOVQ(operand.I32(6), reg.RDX)
	a.MOVQ(reg.RDX, local)
	acc := func(i, j int) reg.VecPhysical { return isa.reg(n*i + j) }
	column, loop := a.label("column"), a.label("loop")
	a.Label(column)
	for i := range 6 * n {
		a.clear(isa, isa.reg(i))
	}
	a.MOVQ(mem(t, stemK), k)
	a.Label(loop)
	for u := range 2 {
		for i := range 6 {
			b := isa.reg(6*n + i%2)
			a.VMOVUPS(mem(w, 64*(6*u+i)), b)
			for j := range n {
				m := pixel(v[j], i, p, p3, p5)
				m.Disp = 4 * u
				if isa.wide() {
					a.VFMADD231PS_BCST(m, b, acc(i, j))
					continue
				}
				a.VBROADCASTSS(m, ys[14+j])
				a.VFMADD231PS(ys[14+j], b, acc(i, j))
			}
		}
	}
	a.ADDQ(imm(2*6*64), w)
	for j := range n {
		a.ADDQ(imm(8), v[j])
	}
	a.SUBQ(imm(2), k)
	a.JNZ(operand.LabelRef(loop))
	for j := range n {
		a.ADDQ(p5, v[j]) // the loop went one plane
		for i, r := range stemColumn(a, isa, func(i int) reg.VecPhysical { return acc(i, j) }, c2, c4) {
			a.VMOVUPS(r, mem(room, isa.bytes()*(18*j+i)))
		}
	}
	a.ADDQ(imm(3*isa.bytes()), room)
	a.DECQ(local)
	a.JNZ(operand.LabelRef(column))
	stemBack(a, isa, t, local, c2, c4)
}

// stemConstants is 2 and 4, in registers where there are enough.
func stemConstants(a *asm, isa isa) (c2, c4 operand.Op) {
	if isa.wide() {
		for i, c := range []uint32{two, four} {
			a.MOVL(operand.U32(c), reg.ECX)
			a.VPBROADCASTD(reg.ECX, zs[26+i])
		}
		return zs[26], zs[27]
	}
	table := a.StaticGlobal("stemTable")
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 2 * isa.lanes {
		a.AddDatum(4*i, operand.U32([]uint32{two, four}[i/isa.lanes]))
	}
	return table, table.Offset(isa.bytes())
}

// stemColumn is the way back of a column of six sums h: three, in registers.
func stemColumn(a *asm, isa isa, h func(int) reg.VecPhysical, c2, c4 operand.Op) [3]reg.VecPhysical {
	s, d, e, f := zs[24], zs[25], zs[29], zs[30]
	if !isa.wide() {
		s, d, e, f = ys[12], ys[13], ys[14], ys[15]
	}
	a.VADDPS(h(2), h(1), s)
	a.VSUBPS(h(2), h(1), d)
	a.VADDPS(h(4), h(3), e)
	a.VSUBPS(h(4), h(3), f)
	a.VADDPS(s, h(0), h(0)) // m0 + m1 + m2 + m3 + m4
	a.VADDPS(e, h(0), h(0))
	a.VFMADD231PS(c2, f, d) // m1 - m2 + 2 (m3 - m4)
	a.VADDPS(s, h(5), h(5)) // m1 + m2 + 4 (m3 + m4) + m5
	a.VFMADD231PS(c4, e, h(5))
	return [3]reg.VecPhysical{h(0), d, h(5)}
}

// stemTiles is how many tiles are multiplied at once.
func (i isa) stemTiles() int {
	if i.wide() {
		return stemGroup
	}
	return stemGroup / 2
}

// stemBack is the way back of rows, tile by tile.
func stemBack(a *asm, isa isa, t reg.Register, left operand.Mem, c2, c4 operand.Op) {
	room, at, line, px, out, rows, cols := reg.RDI, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12
	free := 5 * isa.stemTiles()
	bias, lo, hi := isa.reg(free), isa.reg(free+1), isa.reg(free+2)
	k := ks[0]
	if isa.wide() {
		a.MOVQ(mem(t, stemN), reg.RCX)
		a.MOVQ(operand.I32(-1), reg.RDX)
		a.SHLQ(reg.CL, reg.RDX)
		a.NOTQ(reg.RDX)
		a.KMOVW(reg.EDX, k)
	}
	a.clear(isa, bias)
	nobias := a.label("nobias")
	a.MOVQ(mem(t, stemBias), reg.RDX)
	a.TESTQ(reg.RDX, reg.RDX)
	a.JZ(operand.LabelRef(nobias))
	if isa.wide() {
		a.VMOVUPS_Z(mem(reg.RDX, 0), k, bias)
	} else {
		a.VMOVUPS(mem(reg.RDX, 0), bias)
	}
	a.Label(nobias)
	a.VBROADCASTSS(mem(t, stemMin), lo)
	a.VBROADCASTSS(mem(t, stemMax), hi)
	a.MOVQ(mem(t, stemRoom), room)
	a.MOVQ(mem(t, stemAt), at)
	a.MOVQ(mem(t, stemLine), line)
	a.MOVQ(mem(t, stemPixel), px)
	a.MOVQ(operand.I32(int32(isa.stemTiles())), reg.RDX)
	a.MOVQ(reg.RDX, left)
	tile, next := a.label("tile"), a.label("next")
	a.Label(tile)
	a.MOVLQSX(mem(at, stemRows), rows)
	a.MOVLQSX(mem(at, stemCols), cols)
	a.MOVQ(mem(at, 0), out)
	a.ADDQ(mem(t, stemOut), out)
	for r := range 3 {
		a.DECQ(rows)
		a.JLT(operand.LabelRef(next))
		h := func(j int) operand.Mem { return mem(room, isa.bytes()*(3*j+r)) }
		x := func(i int) reg.VecPhysical { return isa.reg(free/2*(r%2) + i) }
		s, d, e, f, y := x(0), x(1), x(2), x(3), x(4)
		a.VADDPS(h(1), bias, d)
		a.VADDPS(h(2), d, s)
		a.VSUBPS(h(2), d, d)
		a.VMOVUPS(h(3), f)
		a.VADDPS(h(4), f, e)
		a.VSUBPS(h(4), f, f)
		a.VADDPS(h(0), s, y)
		a.VADDPS(e, y, y)
		a.VFMADD231PS(c2, f, d)
		a.VADDPS(h(5), s, s)
		a.VFMADD231PS(c4, e, s)
		some := a.label("some")
		for c, x := range []reg.VecPhysical{y, d, s} {
			if c > 0 {
				a.CMPQ(cols, imm(c))
				a.JLE(operand.LabelRef(some))
			}
			a.VMAXPS(x, lo, x)
			a.VMINPS(x, hi, x)
			to := []operand.Mem{mem(out, 0), memx(out, px, 1, 0), memx(out, px, 2, 0)}[c]
			if isa.wide() {
				a.VMOVUPS(x, k, to)
			} else {
				a.VMOVUPS(x, to)
			}
		}
		a.Label(some)
		if r < 2 {
			a.ADDQ(line, out)
		}
	}
	a.Label(next)
	a.ADDQ(imm(18*isa.bytes()), room)
	a.ADDQ(imm(stemPlace), at)
	a.DECQ(left)
	a.JNZ(operand.LabelRef(tile))
	a.VZEROUPPER()
	a.RET()
}
