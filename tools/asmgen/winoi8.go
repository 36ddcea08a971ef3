package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.winoTileI8 and kern.tileI16.
const (
	winoI8Base, winoI8Offsets, winoI8Spare, winoI8Planes, winoI8Stride = 0, 8, 16, 24, 32
	winoI8Channels, winoI8Count, winoI8Step, winoI8Bias, winoI8Scale   = 40, 48, 56, 64, 72
	winoI8Words, winoI8Lo, winoI8Hi, winoI8OutXor, winoI8Signed        = 80, 84, 88, 92, 96

	tileI16A, tileI16LDA, tileI16B, tileI16C               = 0, 8, 16, 24
	tileI16Pairs, tileI16Count, tileI16Ahead, tileI16Lines = 32, 40, 48, 56
)

// winogradI8 writes the exact integer F(4x4,3x3): transforms, a vector being channels of one pixel, and products. For AVX2 see
// winogradI8Narrow.
func winogradI8(a *asm) {
	w := &winoInt{asm: a, isa: zmm}
	w.order = a.StaticGlobal("winoI8Order") // see gemmI8
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 16 {
		a.AddDatum(4*i, operand.U32(i%4*4+i/4))
	}
	w.inv9 = a.StaticGlobal("winoI8Inv9")
	a.DataAttributes(build.RODATA | build.NOPTR)
	a.AddDatum(0, operand.U32(0x38e38e39))
	w.input()
	w.output()
	w.weights()
	for _, mr := range []int{13, 12, 8, 4, 2, 1} {
		(&pairsInt{asm: a, isa: zmm, mr: mr}).write()
	}
}

type winoInt struct {
	*asm
	isa
	order, inv9 operand.Mem
}

// pixels turns n offsets of bytes into addresses on the stack, the spare row for negative ones.
func (w *winoInt) pixels(t reg.Register, n int, to operand.Mem) {
	base, tab, spare, p := reg.RSI, reg.RDI, reg.R8, reg.R9
	w.MOVQ(mem(t, winoI8Base), base)
	w.MOVQ(mem(t, winoI8Offsets), tab)
	w.MOVQ(mem(t, winoI8Spare), spare)
	if !w.wide() { // short, as a whole row of tiles has the same
		i, next := reg.R10, w.label("pixel")
		w.XORQ(i, i)
		w.Label(next)
		w.MOVLQSX(memx(tab, i, 4, 0), p)
		w.TESTQ(p, p)
		w.LEAQ(memx(base, p, 1, 0), p)
		w.CMOVQLT(spare, p)
		to.Index, to.Scale = i, 8
		w.MOVQ(p, to)
		w.INCQ(i)
		w.CMPQ(i, imm(n))
		w.JLT(operand.LabelRef(next))
		return
	}
	for i := range n {
		w.MOVLQSX(mem(tab, 4*i), p)
		w.TESTQ(p, p)
		w.LEAQ(memx(base, p, 1, 0), p)
		w.CMOVQLT(spare, p)
		w.MOVQ(p, to.Offset(8*i))
	}
}

// aligned is m rounded up to a cache line, in R12.
func (w *winoInt) aligned(m operand.Mem) operand.Mem {
	w.LEAQ(m.Offset(63), reg.R12)
	w.ANDQ(imm(-64), reg.R12)
	return mem(reg.R12, 0)
}

// move is a load, a store or a copy of a whole register.
func (w *winoInt) move(from, to operand.Op) {
	if w.wide() {
		w.VMOVDQU64(from, to)
	} else {
		w.VMOVDQU(from, to)
	}
}

// input writes V = Bᵀ d B for tiles beside each other, a vector's channels at a time: rows first, through the stack, then columns.
func (w *winoInt) input() {
	w.fn("winoInputI8"+w.suffix, "winoInputI8Generic")
	w.Attributes(0) // the frame is too large for NOSPLIT
	bytes := w.isa.bytes()
	local := w.AllocLocal(8*36 + 36*bytes + 64)
	rows := w.aligned(local.Offset(8 * 36))
	t := w.arg(reg.RBX)
	w.pixels(t, 36, local)
	stride, channel, left, to := reg.R10, reg.RAX, reg.RCX, reg.R11
	w.MOVQ(mem(t, winoI8Stride), stride)
	w.MOVQ(mem(t, winoI8Planes), to)
	w.XORQ(channel, channel)
	count, step := reg.R13, reg.R14
	w.MOVQ(mem(t, winoI8Count), count)
	w.MOVQ(mem(t, winoI8Step), step)
	w.SUBQ(mem(t, winoI8Channels), step)
	if !w.wide() { // register 15: what is left of a byte as it is extended
		signed, both := w.label("signed"), w.reg(15)
		w.VPCMPEQW(both, both, both)
		w.CMPQ(mem(t, winoI8Signed), imm(0))
		w.JNE(operand.LabelRef(signed))
		w.VPSRLW(operand.U8(8), both, both)
		w.Label(signed)
	}
	tile := w.label("tile")
	w.Label(tile)
	w.MOVQ(mem(t, winoI8Channels), left)
	loop, unsigned, columns := w.label("loop"), w.label("unsigned"), w.label("columns")
	ptrs, row, n, p := reg.RSI, reg.RDI, reg.RDX, reg.R9
	pass := func(extend func(...operand.Op)) {
		again := w.label("row")
		w.Label(again)
		for j := range 6 {
			w.MOVQ(mem(ptrs, 8*j), p)
			if extend(memx(p, channel, 1, 0), w.reg(j)); !w.wide() {
				w.VPAND(w.reg(15), w.reg(j), w.reg(j))
			}
		}
		for j, r := range w.bt() {
			w.move(r, mem(row, j*bytes))
		}
		w.ADDQ(imm(8*6), ptrs)
		w.ADDQ(imm(6*bytes), row)
		w.DECQ(n)
		w.JNZ(operand.LabelRef(again))
	}
	w.Label(loop)
	w.LEAQ(local, ptrs)
	w.LEAQ(rows, row)
	w.MOVQ(operand.I32(6), n)
	if w.wide() {
		w.CMPQ(mem(t, winoI8Signed), imm(0))
		w.JEQ(operand.LabelRef(unsigned))
		pass(w.VPMOVSXBW)
		w.JMP(operand.LabelRef(columns))
		w.Label(unsigned)
		pass(w.VPMOVZXBW)
		w.Label(columns)
	} else {
		pass(w.VPMOVSXBW)
	}
	w.LEAQ(rows, row)
	w.MOVQ(operand.I32(6), n)
	w.MOVQ(to, p)
	column := w.label("column")
	w.Label(column)
	for i := range 6 {
		w.move(mem(row, i*6*bytes), w.reg(i))
	}
	for _, r := range w.bt() {
		w.move(r, mem(p, 0))
		w.ADDQ(stride, p)
	}
	w.ADDQ(imm(bytes), row)
	w.DECQ(n)
	w.JNZ(operand.LabelRef(column))
	w.ADDQ(imm(bytes), to)
	w.ADDQ(imm(bytes/2), channel)
	w.SUBQ(imm(bytes/2), left)
	w.JNZ(operand.LabelRef(loop))
	w.ADDQ(step, channel)
	w.DECQ(count)
	w.JNZ(operand.LabelRef(tile))
	w.VZEROUPPER()
	w.RET()
}

// bt is one side of the input transform, of registers 0 to 5.
func (w *winoInt) bt() []reg.VecPhysical {
	d := make([]reg.VecPhysical, 11)
	for i := range d {
		d[i] = w.reg(i)
	}
	w.VPSLLW(operand.U8(2), d[2], d[6])
	w.VPSLLW(operand.U8(2), d[1], d[7])
	w.VPSUBW(d[6], d[4], d[6]) // d4 - 4 d2
	w.VPSUBW(d[7], d[3], d[7]) // d3 - 4 d1
	w.VPSUBW(d[2], d[4], d[8]) // d4 - d2
	w.VPSUBW(d[1], d[3], d[9]) // d3 - d1
	w.VPADDW(d[9], d[9], d[9])
	w.VPSUBW(d[2], d[0], d[0]) // 4 (d0 - d2) + (d4 - d2)
	w.VPSLLW(operand.U8(2), d[0], d[0])
	w.VPADDW(d[8], d[0], d[0])
	w.VPSUBW(d[3], d[5], d[5]) // (d5 - d3) - 4 (d3 - d1)
	w.VPADDW(d[9], d[9], d[10])
	w.VPSUBW(d[10], d[5], d[5])
	w.VPADDW(d[7], d[6], d[1])
	w.VPSUBW(d[7], d[6], d[2])
	w.VPADDW(d[9], d[8], d[3])
	w.VPSUBW(d[9], d[8], d[4])
	return d[:6]
}

// output writes requantised Y = A' M A'ᵀ for tiles beside each other, a panel's 32 channels in halves: columns first, into registers 0 to 23, then
// rows, whose four pixels become 64 bytes as in gemmInt.finishWide.
func (w *winoInt) output() {
	w.fn("winoOutputI8AVX512", "WinogradI8.outputGeneric")
	local := w.AllocLocal(8 * 16)
	t := w.arg(reg.RBX)
	w.pixels(t, 16, local)
	stride, channel, at16, from := reg.R10, reg.RAX, reg.RCX, reg.R9 // at16 is 0 or 16
	bias, scale, planes, three, count := reg.R11, reg.R13, reg.R12, reg.R8, reg.R14
	w.MOVQ(mem(t, winoI8Stride), stride)
	w.LEAQ(memx(stride, stride, 2, 0), three)
	w.MOVQ(mem(t, winoI8Planes), planes)
	w.MOVQ(mem(t, winoI8Count), count)
	w.XORQ(channel, channel)
	w.XORQ(at16, at16)
	w.MOVQ(mem(t, winoI8Bias), bias)
	w.MOVQ(mem(t, winoI8Scale), scale)
	loop := w.label("loop")
	w.Label(loop)
	w.MOVQ(planes, from)
	for j := range 6 {
		var also operand.Op
		if j == 1 {
			also = memx(bias, at16, 4, 0)
		}
		w.outputColumn(j, from, stride, three, also)
	}
	factor := zs[30]
	w.VMOVUPS(memx(scale, at16, 4, 0), factor)
	for i := range 4 {
		y := w.outputRow(i, factor)
		x := w.outputBytes(t, y)
		for j := range 4 {
			w.MOVQ(local.Offset(8*(4*i+j)), reg.RDI)
			if j == 0 {
				w.VMOVDQU32(xs[x.ID().Index()], memx(reg.RDI, channel, 1, 0))
			} else {
				w.VEXTRACTI32X4(operand.U8(j), x, memx(reg.RDI, channel, 1, 0))
			}
		}
	}
	w.ADDQ(imm(64), planes)
	w.ADDQ(imm(16), channel)
	w.XORQ(imm(16), at16)
	w.JNZ(operand.LabelRef(loop))
	w.ADDQ(mem(t, winoI8Step), channel)
	w.SUBQ(imm(32), channel)
	w.DECQ(count)
	w.JNZ(operand.LabelRef(loop))
	w.VZEROUPPER()
	w.RET()
}

// outD is what a side of the output transform works in.
func outD(i int) reg.VecPhysical { return zs[24+i] }

// outputColumn is one side of column j, from six planes to registers 4j to 4j+3, with also, or nil, added to the second; from then
// is the next column's. RDI is lost.
func (w *winoInt) outputColumn(j int, from, stride, three reg.Register, also operand.Op) {
	m := func(i int) operand.Mem {
		if i < 3 {
			return memx(from, stride, uint8(i), 0)
		}
		return memx(reg.RDI, stride, uint8(i-3), 0)
	}
	d := outD
	w.LEAQ(memx(from, three, 1, 0), reg.RDI)
	w.VMOVDQU64(m(1), d(0))
	if also != nil {
		w.VPADDD(also, d(0), d(0))
	}
	w.VMOVDQU64(mem(reg.RDI, 0), d(1))
	w.VPADDD(m(2), d(0), d(2))
	w.VPSUBD(m(2), d(0), d(0))
	w.VPADDD(m(4), d(1), d(3))
	w.VPSUBD(m(4), d(1), d(1))
	w.at(d, mem(from, 0), m(5), [4]reg.VecPhysical{zs[4*j], zs[4*j+1], zs[4*j+2], zs[4*j+3]})
	w.LEAQ(memx(reg.RDI, three, 1, 0), from)
}

// outputRow is the other side of row i, of registers i, 4+i, …, scaled and rounded.
func (w *winoInt) outputRow(i int, factor reg.VecPhysical) [4]reg.VecPhysical {
	d, m := outD, func(j int) reg.VecPhysical { return zs[4*j+i] }
	w.VPADDD(m(2), m(1), d(2))
	w.VPSUBD(m(2), m(1), d(0))
	w.VPADDD(m(4), m(3), d(3))
	w.VPSUBD(m(4), m(3), d(1))
	y := [4]reg.VecPhysical{m(1), m(2), m(3), m(4)}
	w.at(d, m(0), m(5), y)
	for j, x := range y {
		w.VPMULLD_BCST(w.inv9, x, x)
		w.VPSRAD(operand.U8(winoI8Shift[i]+winoI8Shift[j]), x, x)
		w.VCVTDQ2PS(x, x)
		w.VMULPS(factor, x, x)
		w.VCVTPS2DQ(x, x) // half to even
	}
	return y
}

// outputBytes makes of a row the bytes of its four pixels, clamped.
func (w *winoInt) outputBytes(t reg.Register, y [4]reg.VecPhysical) reg.VecPhysical {
	d, x := outD, y[0]
	w.VPBROADCASTD(mem(t, winoI8Words), d(0))
	w.VPBROADCASTD(mem(t, winoI8Lo), d(1))
	w.VPBROADCASTD(mem(t, winoI8Hi), d(2))
	w.VPBROADCASTD(mem(t, winoI8OutXor), d(3))
	w.VMOVDQU64(w.order, d(4))
	w.VPACKSSDW(y[1], y[0], y[0])
	w.VPACKSSDW(y[3], y[2], y[2])
	w.VPADDSW(d(0), y[0], y[0])
	w.VPADDSW(d(0), y[2], y[2])
	w.VPACKUSWB(y[2], y[0], x)
	w.VPMAXUB(d(1), x, x)
	w.VPMINUB(d(2), x, x)
	w.VPXORD(d(3), x, x)
	w.VPERMD(x, d(4), x)
	return x
}

// winoI8Shift is kern's.
var winoI8Shift = [4]int{3, 2, 1, 1}

// at is one side of the output transform: of m1-m2, m3-m4, m1+m2 and m3+m4 in d's first four, m0 and m5. It overwrites six.
func (w *winoInt) at(d func(int) reg.VecPhysical, m0, m5 operand.Op, y [4]reg.VecPhysical) {
	dif, u, s, sum := d(0), d(1), d(2), d(3)
	w.VPSLLD(operand.U8(2), s, d(4))
	w.VPADDD(m0, sum, d(5))
	w.VPADDD(sum, s, y[2])
	w.VPADDD(u, u, sum)
	w.VPADDD(dif, sum, y[3])
	w.VPADDD(dif, dif, dif)
	w.VPADDD(m5, y[3], y[3])
	w.VPADDD(d(5), d(4), y[0])
	w.VPADDD(u, dif, y[1])
}
