package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.pairTile and kern.pairRows.
const (
	pairA, pairB, pairTaps, pairFull, pairRest      = 0, 8, 16, 24, 32
	pairStart, pairBack, pairBias, pairRes, pairLDR = 40, 48, 56, 64, 72
	pairC, pairLDC, pairN, pairMR, pairMin, pairMax = 80, 88, 96, 104, 112, 116
	pairAhead                                       = 120

	rowA, rowZero, rowRows, rowTaps, rowCount   = 0, 8, 16, 24, 32
	rowFull, rowTail, rowGroups, rowMasks, rowN = 40, 48, 56, 64, 72
	rowDst, rowInfo, rowWhole                   = 80, 88, 96

	infoMost, infoUp, infoBack, infoStart = 0, 192, 384, 576 // four floats a row

	pairHeight = 12     // rows of a tile
	pairLine   = 3 * 64 // bytes of a row's group: 16 steps of x1, x2 and d
	pairGroup  = pairHeight * pairLine
	largest    = 0x0b // VRANGEPS: of two magnitudes
	expBits    = 0x7f800000
	expLow     = 27 << 23 // exponents that are scaled fully
	expHigh    = 227 << 23
)

// pairsF32 writes the products by pairs, and what brings rows into their form.
func pairsF32(a *asm) {
	for nv := 2; nv >= 1; nv-- {
		(&pairs{asm: a, nv: nv}).write()
	}
	pairRowsF32(a)
}

// pairs is one tile kernel: up to twelve rows, how many is an argument, as all its loops have time for a branch a row.
// Accumulator of row i, vector j is register i*nv+j; 24..29 hold a step of B, 30 and 31 the sums.
type pairs struct {
	*asm
	nv int
}

func (p *pairs) acc(i, j int) reg.VecPhysical { return zs[i*p.nv+j] }

// rows emits f for every row there is; RDX is their number.
func (p *pairs) rows(f func(i int)) {
	end := p.label("end")
	for i := range pairHeight {
		f(i)
		if i < pairHeight-1 {
			p.CMPQ(reg.RDX, imm(i+1))
			p.JEQ(operand.LabelRef(end))
		}
	}
	p.Label(end)
}

func (p *pairs) write() {
	p.fn("pairsF32x12x"+map[int]string{1: "16", 2: "32"}[p.nv]+"AVX512", "PairF32.runGeneric")
	t := p.arg(reg.RBX)
	a, b, mr, s := reg.RSI, reg.RDI, reg.RDX, reg.RAX
	p.MOVQ(mem(t, pairN), reg.RCX)
	p.MOVQ(operand.I32(-1), s)
	p.SHLQ(reg.CL, s)
	p.NOTQ(s)
	p.KMOVW(s.As32(), ks[0])
	p.SHRQ(operand.U8(16), s)
	p.KMOVW(s.As32(), ks[1])
	p.MOVQ(mem(t, pairA), a)
	p.MOVQ(mem(t, pairB), b)
	p.MOVQ(mem(t, pairMR), mr)
	p.MOVQ(mem(t, pairStart), s)
	for j := range p.nv {
		p.VMOVUPS(mem(b, 64*j), zs[24+j])
	}
	p.rows(func(i int) {
		for j := range p.nv {
			p.VADDPS_BCST(mem(s, 16*i), zs[24+j], p.acc(i, j))
		}
	})
	scales := reg.R8 // after the start of a column, what brings it back to its scale
	p.LEAQ(mem(b, 64*p.nv), scales)
	p.ADDQ(imm(128*p.nv), b)

	taps, groups, steps := reg.R9, reg.R10, reg.RCX
	p.MOVQ(mem(t, pairTaps), taps)
	p.MOVQ(mem(t, pairAhead), reg.R11)
	tap, group, rest, last, next := p.label("tap"), p.label("group"), p.label("rest"), p.label("last"), p.label("next")
	p.Label(tap)
	p.MOVQ(mem(t, pairFull), groups)
	p.TESTQ(groups, groups)
	p.JZ(operand.LabelRef(rest))
	p.Label(group)
	p.MOVL(operand.U32(16), steps.As32())
	p.loop(a, b, steps)
	p.ADDQ(imm(pairGroup-64), a)
	p.DECQ(groups)
	p.JNZ(operand.LabelRef(group))
	p.Label(rest)
	p.MOVQ(mem(t, pairRest), steps)
	p.TESTQ(steps, steps)
	p.JZ(operand.LabelRef(next))
	p.Label(last)
	p.loop(a, b, steps)
	p.MOVQ(mem(t, pairRest), steps)
	p.SHLQ(operand.U8(2), steps)
	p.SUBQ(steps, a)
	p.ADDQ(imm(pairGroup), a)
	p.Label(next)
	p.DECQ(taps)
	p.JNZ(operand.LabelRef(tap))
	p.finish(t, scales)
	p.VZEROUPPER()
	p.RET()
}

// loop is n steps of a group.
func (p *pairs) loop(a, b, n reg.GPPhysical) {
	step := p.label("step")
	p.Label(step)
	p.PREFETCHT1(mem(reg.R11, 0))
	p.PREFETCHT1(mem(reg.R11, 64))
	p.PREFETCHT1(mem(reg.R11, 128))
	for q := range 3 * p.nv {
		p.VMOVUPS(mem(b, 64*q), zs[24+q])
	}
	p.rows(func(i int) {
		at := i * pairLine
		for j := range p.nv {
			p.VADDPS_BCST(mem(a, at), zs[24+j], zs[30])
			p.VADDPS_BCST(mem(a, at+64), zs[24+p.nv+j], zs[31])
			if j == 0 {
				for j := range p.nv {
					p.VFMADD231PS_BCST(mem(a, at+128), zs[24+2*p.nv+j], p.acc(i, j))
				}
			}
			p.VFMADD231PS(zs[30], zs[31], p.acc(i, j))
		}
	})
	p.ADDQ(imm(4), a)
	p.ADDQ(imm(3*64*p.nv), b)
	p.ADDQ(imm(192), reg.R11)
	p.DECQ(n)
	p.JNZ(operand.LabelRef(step))
}

// finish scales back, adds bias and residual, clamps and stores. VMAXPS and VMINPS return their second source when one is
// NaN: the value.
func (p *pairs) finish(t, scales reg.GPPhysical) {
	s, ld := reg.RAX, reg.RCX
	p.MOVQ(mem(t, pairBias), s)
	none, started := p.label("nobias"), p.label("bias")
	for j := range p.nv {
		p.VMOVUPS(mem(scales, 64*j), zs[24+j])
		p.VPXORD(zs[26+j], zs[26+j], zs[26+j])
	}
	p.TESTQ(s, s)
	p.JZ(operand.LabelRef(none))
	for j := range p.nv {
		p.VMOVUPS_Z(mem(s, 64*j), ks[j], zs[26+j])
	}
	p.Label(none)
	p.MOVQ(mem(t, pairBack), s)
	p.rows(func(i int) {
		for j := range p.nv {
			p.VMULPS(zs[24+j], p.acc(i, j), p.acc(i, j))
			p.VFMADD132PS_BCST(mem(s, 16*i), zs[26+j], p.acc(i, j))
		}
	})
	p.MOVQ(mem(t, pairRes), s)
	p.TESTQ(s, s)
	p.JZ(operand.LabelRef(started))
	p.MOVQ(mem(t, pairLDR), ld)
	p.rows(func(i int) {
		for j := range p.nv {
			p.VADDPS(mem(s, 64*j), p.acc(i, j), ks[j], p.acc(i, j))
		}
		p.ADDQ(ld, s)
	})
	p.Label(started)
	p.VBROADCASTSS(mem(t, pairMin), zs[28])
	p.VBROADCASTSS(mem(t, pairMax), zs[29])
	p.MOVQ(mem(t, pairC), s)
	p.MOVQ(mem(t, pairLDC), ld)
	p.rows(func(i int) {
		for j := range p.nv {
			p.VMAXPS(p.acc(i, j), zs[28], p.acc(i, j))
			p.VMINPS(p.acc(i, j), zs[29], p.acc(i, j))
			p.VMOVUPS(p.acc(i, j), ks[j], mem(s, 64*j))
		}
		p.ADDQ(ld, s)
	})
}

// pairRowsF32 writes what gathers the rows of a tile, brings each to one scale and lays it out in groups: a pass for the
// magnitudes and one for the rest. What a row amounts to is reduced to four numbers in its pass and to one for four rows at a
// time afterwards, so that no row waits for another's.
func pairRowsF32(a *asm) {
	a.fn("pairRowsF32AVX512", "PairF32.genericRow")
	signs := a.StaticGlobal("pairSigns")
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 16 {
		a.AddDatum(4*i, operand.U32(uint32(i&1)<<31))
	}
	t := a.arg(reg.RBX)
	table, dst, row, info := reg.R8, reg.R9, reg.R10, reg.R14
	taps, tap, src, n, at, mask, s := reg.R11, reg.R12, reg.RSI, reg.RCX, reg.R13, reg.RDI, reg.RAX
	sign, most, x := reg.Z1, reg.Z2, reg.Z3
	up, alt, sum := reg.Z4, reg.Z5, reg.Z6
	a.MOVQ(mem(t, rowTail), s)
	a.KMOVW(s.As32(), reg.K3)
	a.MOVQ(mem(t, rowInfo), info)

	// rows goes over the rows, body over the taps of each.
	rows := func(first, body, last func()) {
		a.MOVQ(mem(t, rowRows), table)
		a.MOVQ(mem(t, rowCount), row)
		loop, again := a.label("row"), a.label("tap")
		a.Label(loop)
		first()
		a.MOVQ(table, tap)
		a.MOVQ(mem(t, rowTaps), taps)
		a.Label(again)
		a.MOVLQSX(mem(tap, 0), src)
		a.MOVQ(mem(t, rowA), s)
		a.TESTQ(src, src)
		a.LEAQ(memx(s, src, 4, 0), src)
		a.CMOVQLT(mem(t, rowZero), src)
		a.ADDQ(imm(4*pairHeight), tap)
		body()
		a.DECQ(taps)
		a.JNZ(operand.LabelRef(again))
		last()
		a.ADDQ(imm(16), info)
		a.ADDQ(imm(4), table)
		a.DECQ(row)
		a.JNZ(operand.LabelRef(loop))
		a.MOVQ(mem(t, rowInfo), info)
	}

	// The largest magnitude, from then on as an integer: floats without sign compare alike.
	rows(func() {
		a.VPXORD(most, most, most)
	}, func() {
		more, tail := a.label("most"), a.label("tail")
		a.MOVQ(mem(t, rowFull), n)
		a.TESTQ(n, n)
		a.JZ(operand.LabelRef(tail))
		a.Label(more)
		a.VRANGEPS(imm(largest), mem(src, 0), most, most)
		a.ADDQ(imm(64), src)
		a.DECQ(n)
		a.JNZ(operand.LabelRef(more))
		a.Label(tail)
		a.VMOVUPS_Z(mem(src, 0), reg.K3, x)
		a.VRANGEPS(imm(largest), x, most, most)
	}, func() {
		a.VEXTRACTI64X4(imm(1), most, x.AsY())
		a.VPMAXUD(x.AsY(), most.AsY(), most.AsY())
		a.VEXTRACTI128(imm(1), most.AsY(), x.AsX())
		a.VPMAXUD(x.AsX(), most.AsX(), most.AsX())
		a.VMOVDQU(most.AsX(), mem(info, infoMost))
	})
	// 2^(1-exponent), whose own exponent is what is missing to 255, and the way back: 0 for a row of zeros.
	constants := []uint32{expBits, expLow, expHigh, 255 << 23, 1 << 23}
	for i, v := range constants {
		a.MOVL(operand.U32(v), s.As32())
		a.VPBROADCASTD(s.As32(), zs[10+i])
	}
	for q := range pairHeight / 4 {
		a.VMOVUPS(mem(info, infoMost+64*q), most)
		for _, order := range []int{0x4e, 0xb1} {
			a.VPSHUFD(operand.U8(order), most, x)
			a.VPMAXUD(x, most, most)
		}
		a.VPTESTMD(most, most, reg.K1)
		a.VPANDD(zs[10], most, most)
		a.VPMAXUD(zs[11], most, most)
		a.VPMINUD(zs[12], most, most)
		a.VPSUBD(most, zs[13], x)
		a.VPSUBD_Z(zs[14], most, reg.K1, most)
		a.VMOVUPS(x, mem(info, infoUp+64*q))
		a.VMOVUPS(most, mem(info, infoBack+64*q))
	}

	a.VMOVUPS(signs, sign)
	a.MOVQ(mem(t, rowDst), dst)
	rows(func() {
		a.VBROADCASTSS(mem(info, infoUp), up)
		a.VPXORD(sign, up, alt)
		a.VPXORD(sum, sum, sum)
		a.MOVQ(dst, at)
	}, func() {
		whole, more := a.label("whole"), a.label("group")
		a.MOVQ(mem(t, rowN), s)
		a.MOVQ(mem(t, rowWhole), n)
		a.TESTQ(n, n)
		a.JZ(operand.LabelRef(more))
		a.Label(whole)
		a.VMULPS(mem(src, 0), alt, reg.Z7)
		a.VMULPS(memx(src, s, 1, 0), up, reg.Z8)
		a.VMULPS(memx(src, s, 2, 0), up, reg.Z9)
		store := func() {
			a.VFNMADD231PS(reg.Z7, reg.Z8, sum)
			a.VMOVUPS(reg.Z7, mem(at, 0))
			a.VMOVUPS(reg.Z8, mem(at, 64))
			a.VMOVUPS(reg.Z9, mem(at, 128))
			a.ADDQ(imm(64), src)
			a.ADDQ(imm(pairGroup), at)
		}
		store()
		a.DECQ(n)
		a.JNZ(operand.LabelRef(whole))
		a.Label(more)
		a.MOVQ(mem(t, rowGroups), n)
		a.MOVQ(mem(t, rowMasks), mask)
		part, done := a.label("part"), a.label("parted")
		a.TESTQ(n, n)
		a.JZ(operand.LabelRef(done))
		a.Label(part)
		a.KMOVW(mem(mask, 0), reg.K1)
		a.KMOVW(mem(mask, 2), reg.K2)
		a.VMULPS_Z(mem(src, 0), alt, reg.K1, reg.Z7)
		a.VMULPS_Z(memx(src, s, 1, 0), up, reg.K1, reg.Z8)
		a.VMULPS_Z(memx(src, s, 2, 0), up, reg.K2, reg.Z9)
		a.ADDQ(imm(4), mask)
		store()
		a.DECQ(n)
		a.JNZ(operand.LabelRef(part))
		a.Label(done)
	}, func() {
		a.VEXTRACTF64X4(imm(1), sum, x.AsY())
		a.VADDPS(x.AsY(), sum.AsY(), sum.AsY())
		a.VEXTRACTF128(imm(1), sum.AsY(), x.AsX())
		a.VADDPS(x.AsX(), sum.AsX(), sum.AsX())
		a.VMOVUPS(sum.AsX(), mem(info, infoStart))
		a.ADDQ(imm(pairLine), dst)
	})
	for q := range pairHeight / 4 {
		a.VMOVUPS(mem(info, infoStart+64*q), sum)
		for _, order := range []int{0x4e, 0xb1} {
			a.VPSHUFD(operand.U8(order), sum, x)
			a.VADDPS(x, sum, sum)
		}
		a.VMOVUPS(sum, mem(info, infoStart+64*q))
	}
	a.VZEROUPPER()
	a.RET()
}
