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

// pairRows gathers the rows of a tile, brings each to one scale and lays it out in groups: a pass for the magnitudes and
// one for the rest. What a row amounts to is reduced to four numbers in its pass and to one for four rows at a time
// afterwards, so that no row waits for another's.
type pairRows struct {
	*asm
	t         reg.GPPhysical // the arguments
	src, n, s reg.GPPhysical // elements of a tap; how many parts of them are left; for short use
	info      reg.GPPhysical // four floats a row
	x         reg.VecPhysical
}

func pairRowsF32(a *asm) {
	a.fn("pairRowsF32AVX512", "PairF32.genericRow")
	signs := a.StaticGlobal("pairSigns")
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 16 {
		a.AddDatum(4*i, operand.U32(uint32(i&1)<<31))
	}
	p := &pairRows{asm: a, t: a.arg(reg.RBX), src: reg.RSI, n: reg.RCX, s: reg.RAX, info: reg.R14, x: reg.Z3}
	p.MOVQ(mem(p.t, rowTail), p.s)
	p.KMOVW(p.s.As32(), reg.K3)
	p.MOVQ(mem(p.t, rowInfo), p.info)
	p.magnitudes()
	p.scales()
	p.layOut(signs)
	p.starts()
	p.VZEROUPPER()
	p.RET()
}

// rows goes over the rows, body over the taps of each.
func (p *pairRows) rows(first, body, last func()) {
	table, row, taps, tap := reg.R8, reg.R10, reg.R11, reg.R12
	p.MOVQ(mem(p.t, rowRows), table)
	p.MOVQ(mem(p.t, rowCount), row)
	loop, again := p.label("row"), p.label("tap")
	p.Label(loop)
	first()
	p.MOVQ(table, tap)
	p.MOVQ(mem(p.t, rowTaps), taps)
	p.Label(again)
	p.MOVLQSX(mem(tap, 0), p.src)
	p.MOVQ(mem(p.t, rowA), p.s)
	p.TESTQ(p.src, p.src)
	p.LEAQ(memx(p.s, p.src, 4, 0), p.src)
	p.CMOVQLT(mem(p.t, rowZero), p.src)
	p.ADDQ(imm(4*pairHeight), tap)
	body()
	p.DECQ(taps)
	p.JNZ(operand.LabelRef(again))
	last()
	p.ADDQ(imm(16), p.info)
	p.ADDQ(imm(4), table)
	p.DECQ(row)
	p.JNZ(operand.LabelRef(loop))
	p.MOVQ(mem(p.t, rowInfo), p.info)
}

// magnitudes finds the largest of each row, as an integer at the end: floats without sign compare alike.
func (p *pairRows) magnitudes() {
	most := reg.Z2
	p.rows(func() {
		p.VPXORD(most, most, most)
	}, func() {
		more, tail := p.label("most"), p.label("tail")
		p.MOVQ(mem(p.t, rowFull), p.n)
		p.TESTQ(p.n, p.n)
		p.JZ(operand.LabelRef(tail))
		p.Label(more)
		p.VRANGEPS(imm(largest), mem(p.src, 0), most, most)
		p.ADDQ(imm(64), p.src)
		p.DECQ(p.n)
		p.JNZ(operand.LabelRef(more))
		p.Label(tail)
		p.VMOVUPS_Z(mem(p.src, 0), reg.K3, p.x)
		p.VRANGEPS(imm(largest), p.x, most, most)
	}, func() {
		p.VEXTRACTI64X4(imm(1), most, p.x.AsY())
		p.VPMAXUD(p.x.AsY(), most.AsY(), most.AsY())
		p.VEXTRACTI128(imm(1), most.AsY(), p.x.AsX())
		p.VPMAXUD(p.x.AsX(), most.AsX(), most.AsX())
		p.VMOVDQU(most.AsX(), mem(p.info, infoMost))
	})
}

// neighbours folds four numbers of each row into one by op, for four rows at once.
func (p *pairRows) neighbours(v reg.VecPhysical, op func(ops ...operand.Op)) {
	for _, order := range []int{0x4e, 0xb1} {
		p.VPSHUFD(operand.U8(order), v, p.x)
		op(p.x, v, v)
	}
}

// scales makes 2^(1-exponent) of each magnitude, whose own exponent is what is missing to 255, and the way back: 0 for a
// row of zeros.
func (p *pairRows) scales() {
	most := reg.Z2
	constants := []uint32{expBits, expLow, expHigh, 255 << 23, 1 << 23}
	for i, v := range constants {
		p.MOVL(operand.U32(v), p.s.As32())
		p.VPBROADCASTD(p.s.As32(), zs[10+i])
	}
	for q := range pairHeight / 4 {
		p.VMOVUPS(mem(p.info, infoMost+64*q), most)
		p.neighbours(most, p.VPMAXUD)
		p.VPTESTMD(most, most, reg.K1)
		p.VPANDD(zs[10], most, most)
		p.VPMAXUD(zs[11], most, most)
		p.VPMINUD(zs[12], most, most)
		p.VPSUBD(most, zs[13], p.x)
		p.VPSUBD_Z(zs[14], most, reg.K1, most)
		p.VMOVUPS(p.x, mem(p.info, infoUp+64*q))
		p.VMOVUPS(most, mem(p.info, infoBack+64*q))
	}
}

// layOut writes the scaled rows in groups of x1 with its sign by turns, x2 and d, and what their products start from.
func (p *pairRows) layOut(signs operand.Mem) {
	dst, at, mask := reg.R9, reg.R13, reg.RDI
	sign, up, alt, sum := reg.Z1, reg.Z4, reg.Z5, reg.Z6
	p.VMOVUPS(signs, sign)
	p.MOVQ(mem(p.t, rowDst), dst)
	p.rows(func() {
		p.VBROADCASTSS(mem(p.info, infoUp), up)
		p.VPXORD(sign, up, alt)
		p.VPXORD(sum, sum, sum)
		p.MOVQ(dst, at)
	}, func() {
		whole, more := p.label("whole"), p.label("group")
		p.MOVQ(mem(p.t, rowN), p.s)
		p.MOVQ(mem(p.t, rowWhole), p.n)
		p.TESTQ(p.n, p.n)
		p.JZ(operand.LabelRef(more))
		p.Label(whole)
		p.VMULPS(mem(p.src, 0), alt, reg.Z7)
		p.VMULPS(memx(p.src, p.s, 1, 0), up, reg.Z8)
		p.VMULPS(memx(p.src, p.s, 2, 0), up, reg.Z9)
		store := func() {
			p.VFNMADD231PS(reg.Z7, reg.Z8, sum)
			p.VMOVUPS(reg.Z7, mem(at, 0))
			p.VMOVUPS(reg.Z8, mem(at, 64))
			p.VMOVUPS(reg.Z9, mem(at, 128))
			p.ADDQ(imm(64), p.src)
			p.ADDQ(imm(pairGroup), at)
		}
		store()
		p.DECQ(p.n)
		p.JNZ(operand.LabelRef(whole))
		p.Label(more)
		p.MOVQ(mem(p.t, rowGroups), p.n)
		p.MOVQ(mem(p.t, rowMasks), mask)
		part, done := p.label("part"), p.label("parted")
		p.TESTQ(p.n, p.n)
		p.JZ(operand.LabelRef(done))
		p.Label(part)
		p.KMOVW(mem(mask, 0), reg.K1)
		p.KMOVW(mem(mask, 2), reg.K2)
		p.VMULPS_Z(mem(p.src, 0), alt, reg.K1, reg.Z7)
		p.VMULPS_Z(memx(p.src, p.s, 1, 0), up, reg.K1, reg.Z8)
		p.VMULPS_Z(memx(p.src, p.s, 2, 0), up, reg.K2, reg.Z9)
		p.ADDQ(imm(4), mask)
		store()
		p.DECQ(p.n)
		p.JNZ(operand.LabelRef(part))
		p.Label(done)
	}, func() {
		p.VEXTRACTF64X4(imm(1), sum, p.x.AsY())
		p.VADDPS(p.x.AsY(), sum.AsY(), sum.AsY())
		p.VEXTRACTF128(imm(1), sum.AsY(), p.x.AsX())
		p.VADDPS(p.x.AsX(), sum.AsX(), sum.AsX())
		p.VMOVUPS(sum.AsX(), mem(p.info, infoStart))
		p.ADDQ(imm(pairLine), dst)
	})
}

// starts reduces what each row's products start from to one number.
func (p *pairRows) starts() {
	sum := reg.Z6
	for q := range pairHeight / 4 {
		p.VMOVUPS(mem(p.info, infoStart+64*q), sum)
		p.neighbours(sum, p.VADDPS)
		p.VMOVUPS(sum, mem(p.info, infoStart+64*q))
	}
}
