package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// winogradI8Narrow is winogradI8 for AVX2: panels of 16 channels, and what does not fit 16 registers goes through the stack.
func winogradI8Narrow(a *asm) {
	w := &winoInt{asm: a, isa: ymm}
	w.order = a.StaticGlobal("winoI8Order") // four bytes of two lanes to where each pixel's eight are
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 8 {
		a.AddDatum(4*i, operand.U32(i%2*4+i/2))
	}
	// Sums are 9·2ⁿ times too large, n being the shifts of both sides: these, and two doublings, make all 2⁶ times so.
	w.inv9 = a.StaticGlobal("winoI8Inv9")
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i, shift := range winoI8Shift {
		a.AddDatum(4*i, operand.U32(0x38e38e39<<(3-shift)&0xffffffff))
	}
	w.input()
	w.outputNarrow()
	w.weightsNarrow()
	(&pairsInt{asm: a, isa: ymm}).writeAll(6, 4, 1)
}

// outputNarrow is output, eight channels at a time.
func (w *winoInt) outputNarrow() {
	w.fn("winoOutputI8AVX2", "WinogradI8.outputGeneric")
	w.Attributes(0) // the frame is too large for NOSPLIT
	local := w.AllocLocal(8*16 + 24*32 + 64)
	half := w.aligned(local.Offset(8 * 16)) // transformed on one side
	t := w.arg(reg.RBX)
	w.pixels(t, 16, local)
	stride, channel, at8, from := reg.R10, reg.RAX, reg.RCX, reg.R9 // at8 is 0 or 8
	bias, scale, planes, three, count, next := reg.R11, reg.R13, reg.RDX, reg.R8, reg.R14, reg.RDI
	factor, inv9, words, lo, hi, flip := ys[10], ys[11], ys[12], ys[13], ys[14], ys[15]
	w.MOVQ(mem(t, winoI8Planes), planes)
	w.MOVQ(mem(t, winoI8Count), count)
	w.MOVQ(mem(t, winoI8Stride), stride)
	w.LEAQ(memx(stride, stride, 2, 0), three)
	w.XORQ(channel, channel)
	w.XORQ(at8, at8)
	w.MOVQ(mem(t, winoI8Bias), bias)
	w.MOVQ(mem(t, winoI8Scale), scale)
	w.VPBROADCASTD(mem(t, winoI8Words), words)
	w.VPBROADCASTD(mem(t, winoI8Lo), lo)
	w.VPBROADCASTD(mem(t, winoI8Hi), hi)
	w.VPBROADCASTD(mem(t, winoI8OutXor), flip)
	y := [4]reg.VecPhysical{ys[6], ys[7], ys[8], ys[9]}
	loop, column, row := w.label("loop"), w.label("column"), w.label("row")
	w.Label(loop)
	w.MOVQ(planes, from)
	i := reg.RSI
	w.XORQ(i, i)
	to := half
	to.Index, to.Scale = i, 1
	w.Label(column)
	w.LEAQ(memx(from, three, 1, 0), next)
	other := w.label("other")
	w.side(func(i int) operand.Mem {
		p := []reg.Register{from, next}[i/3]
		if i%3 == 0 {
			return mem(p, 0)
		}
		return memx(p, stride, uint8(i%3), 0)
	}, func(x reg.VecPhysical) {
		w.CMPQ(i, imm(128))
		w.JNE(operand.LabelRef(other))
		w.VPADDD(memx(bias, at8, 4, 0), x, x)
		w.Label(other)
	}, y)
	for i, r := range y {
		w.VMOVDQU(r, to.Offset(32*i))
	}
	w.LEAQ(memx(next, three, 1, 0), from)
	w.SUBQ(imm(-128), i)
	w.CMPQ(i, imm(6*128))
	w.JLT(operand.LabelRef(column))

	w.VMOVUPS(memx(scale, at8, 4, 0), factor)
	w.XORQ(i, i)
	w.Label(row)
	w.side(func(j int) operand.Mem { return to.Offset(128 * j) }, nil, y)
	w.LEAQ(w.inv9, next)
	w.SHRQ(imm(3), i)
	w.VPBROADCASTD(memx(next, i, 1, 0), inv9)
	w.requantNarrow(y, inv9, factor)
	x := w.bytesNarrow(y, words, lo, hi, flip)
	w.SHLQ(imm(3), i)
	w.storeNarrow(x, local, i, channel, next)
	w.ADDQ(imm(32), i)
	w.CMPQ(i, imm(128))
	w.JLT(operand.LabelRef(row))
	w.ADDQ(imm(32), planes)
	w.ADDQ(imm(8), channel)
	w.XORQ(imm(8), at8)
	w.JNZ(operand.LabelRef(loop))
	w.ADDQ(mem(t, winoI8Step), channel)
	w.SUBQ(imm(16), channel)
	w.DECQ(count)
	w.JNZ(operand.LabelRef(loop))
	w.VZEROUPPER()
	w.RET()
}

// requantNarrow scales four columns of sums, of which the first is four times too large and the second twice, to outputs before
// their offset.
func (w *winoInt) requantNarrow(y [4]reg.VecPhysical, inv9, factor reg.VecPhysical) {
	for j, x := range y {
		w.VPMULLD(inv9, x, x)
		if j < 2 {
			w.VPADDD(inv9, inv9, inv9)
		}
		w.VPSRAD(operand.U8(6), x, x)
		w.VCVTDQ2PS(x, x)
		w.VMULPS(factor, x, x)
		w.VCVTPS2DQ(x, x) // half to even
	}
}

// bytesNarrow makes of four columns the bytes of four pixels, eight channels each, clamped; ys[0] is lost.
func (w *winoInt) bytesNarrow(y [4]reg.VecPhysical, words, lo, hi, flip reg.VecPhysical) reg.VecPhysical {
	x, order := y[0], ys[0]
	w.VMOVDQU(w.order, order)
	w.VPACKSSDW(y[1], y[0], y[0])
	w.VPACKSSDW(y[3], y[2], y[2])
	w.VPADDSW(words, y[0], y[0])
	w.VPADDSW(words, y[2], y[2])
	w.VPACKUSWB(y[2], y[0], x)
	w.VPMAXUB(lo, x, x)
	w.VPMINUB(hi, x, x)
	w.VPXOR(flip, x, x)
	w.VPERMD(x, order, x)
	return x
}

// storeNarrow writes eight bytes of x to each of the four pixels whose addresses are at local+row.
func (w *winoInt) storeNarrow(x reg.VecPhysical, local operand.Mem, row, channel, next reg.Register) {
	low, high, at := xs[x.ID().Index()], xs[1], local
	w.VEXTRACTI128(operand.U8(1), x, high)
	at.Index, at.Scale = row, 1
	for j := range 4 {
		w.MOVQ(at.Offset(8*j), next)
		switch to := memx(next, channel, 1, 0); j {
		case 0:
			w.VMOVQ(low, to)
		case 1:
			w.VMOVHPS(low, to)
		case 2:
			w.VMOVQ(high, to)
		case 3:
			w.VMOVHPS(high, to)
		}
	}
}

// side is at of six vectors in memory, in registers 0 to 5; also, or nil, adds to the second.
func (w *winoInt) side(m func(int) operand.Mem, also func(x reg.VecPhysical), y [4]reg.VecPhysical) {
	d := w.reg
	w.VMOVDQU(m(1), d(0))
	if also != nil {
		also(d(0))
	}
	w.VMOVDQU(m(3), d(1))
	w.VPADDD(m(2), d(0), d(2))
	w.VPSUBD(m(2), d(0), d(0))
	w.VPADDD(m(4), d(1), d(3))
	w.VPSUBD(m(4), d(1), d(1))
	w.at(d, m(0), m(5), y)
}

// weightsNarrow is weights, 16 channels at a time. There is no scatter: 36 vectors wait on the stack, whose pairs of channels
// are then taken apart.
func (w *winoInt) weightsNarrow() {
	w.fn("winoWeightsI8AVX2", "packGeneric")
	w.Attributes(0) // the frame is too large for NOSPLIT
	local := w.AllocLocal(3*6*32 + 36*32 + 64)
	first := w.aligned(local)
	second := first.Offset(3 * 6 * 32)
	t := w.arg(reg.RBX)
	from, tap, left, to, stride, p, n, q := reg.RSI, reg.R8, reg.RCX, reg.RDI, reg.R10, reg.R13, reg.R9, reg.R14
	w.MOVQ(mem(t, winoI8Base), from)
	w.MOVQ(mem(t, winoI8Planes), to)
	w.MOVQ(mem(t, winoI8Stride), stride)
	w.MOVQ(mem(t, winoI8Channels), left)
	w.MOVQ(left, tap)
	loop, column, row, plane := w.label("loop"), w.label("column"), w.label("row"), w.label("plane")
	w.Label(loop)
	at := func(m operand.Mem, disp int) operand.Mem {
		m.Index, m.Scale = p, 1
		return m.Offset(disp)
	}
	w.XORQ(p, p)
	w.MOVQ(from, q)
	w.LEAQ(memx(tap, tap, 2, 0), n)
	w.Label(column)
	for y := range 3 {
		m := mem(q, 0)
		if y > 0 {
			m = memx(q, n, uint8(y), 0)
		}
		w.VPMOVSXBW(m, ys[y])
	}
	w.g(ys[:3], ys[3:9], ys[9:15])
	for i := range 6 {
		w.VMOVDQU(ys[3+i], at(first, 32*i))
	}
	w.ADDQ(tap, q)
	w.ADDQ(imm(6*32), p)
	w.CMPQ(p, imm(3*6*32))
	w.JLT(operand.LabelRef(column))
	// Plane 6j+i is element (i, j).
	w.XORQ(p, p)
	w.Label(row)
	for x := range 3 {
		w.VMOVDQU(at(first, 32*6*x), ys[x])
	}
	w.g(ys[:3], ys[3:9], ys[9:15])
	for j := range 6 {
		w.VMOVDQU(ys[3+j], at(second, 32*6*j))
	}
	w.ADDQ(imm(32), p)
	w.CMPQ(p, imm(6*32))
	w.JLT(operand.LabelRef(row))

	w.XORQ(p, p)
	w.MOVQ(operand.I32(36), n)
	w.MOVQ(to, q)
	w.Label(plane)
	w.VMOVDQU(at(second, 0), ys[0])
	w.VEXTRACTI128(operand.U8(1), ys[0], xs[1])
	for i := range 8 {
		switch x := xs[i/4]; i % 4 {
		case 0:
			w.VMOVD(x, mem(q, 64*i))
		default:
			w.VPEXTRD(operand.U8(i%4), x, mem(q, 64*i))
		}
	}
	w.ADDQ(imm(32), p)
	w.ADDQ(stride, q)
	w.DECQ(n)
	w.JNZ(operand.LabelRef(plane))
	w.ADDQ(imm(16), from)
	w.ADDQ(imm(8*64), to)
	w.SUBQ(imm(16), left)
	w.JNZ(operand.LabelRef(loop))
	w.VZEROUPPER()
	w.RET()
}
