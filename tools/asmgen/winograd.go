package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.winoTile.
const (
	winoBase, winoOffsets, winoSpare, winoPlanes, winoStride = 0, 8, 16, 24, 32
	winoChannels, winoRes, winoResOffsets                    = 40, 48, 56
	winoMin, winoMax                                         = 64, 68
)

// winogradF32 writes the input and output transforms of F(2x2,3x3) and F(4x4,3x3) for few registers; see winogradWide. A
// vector is channels of one pixel.
func winogradF32(a *asm, v isa) {
	for _, m := range []int{2, 4} {
		w := &winograd{asm: a, isa: v, m: m}
		w.input()
		w.output()
	}
}

type winograd struct {
	*asm
	isa
	m int // outputs of a tile along one side
	c func(float32) operand.Op
}

// constants sets the registers from the first one on to what transforms multiply by.
func (w *winograd) constants(first int, values ...float32) {
	if w.m == 2 { // nothing
		return
	}
	w.c = func(x float32) operand.Op { return w.reg(first + slices.Index(values, x)) }
	for i, c := range values {
		w.MOVL(operand.U32(math.Float32bits(c)), reg.ECX)
		w.VMOVD(reg.ECX, xs[first+i])
		w.VBROADCASTSS(xs[first+i], w.c(c))
	}
}

// pixels turns n offsets at the table into addresses on the stack, the spare row for negative ones.
func (w *winograd) pixels(t reg.Register, base, table, n int, to operand.Mem) {
	b, tab, spare, p := reg.RSI, reg.RDI, reg.R8, reg.R9
	w.MOVQ(mem(t, base), b)
	w.MOVQ(mem(t, table), tab)
	w.MOVQ(mem(t, winoSpare), spare)
	for i := range n {
		w.MOVLQSX(mem(tab, 4*i), p)
		w.TESTQ(p, p)
		w.LEAQ(memx(b, p, 4, 0), p)
		w.CMOVQLT(spare, p)
		w.MOVQ(p, to.Offset(8*i))
	}
}

// aligned is m rounded up to a cache line, in R12: vectors that straddle two lines are slow.
func (w *winograd) aligned(m operand.Mem) operand.Mem {
	w.LEAQ(m.Offset(63), reg.R12)
	w.ANDQ(imm(-64), reg.R12)
	return mem(reg.R12, 0)
}

// channels loops over vectors of channels: RAX the byte offset.
func (w *winograd) channels(t reg.Register, body func(masked bool)) {
	w.XORQ(reg.RAX, reg.RAX)
	w.MOVQ(mem(t, winoChannels), reg.RCX)
	loop, tail, done := w.label("loop"), w.label("tail"), w.label("done")
	w.Label(loop)
	w.CMPQ(reg.RCX, imm(w.lanes))
	w.JLT(operand.LabelRef(tail))
	body(false)
	w.ADDQ(imm(w.bytes()), reg.RAX)
	w.SUBQ(imm(w.lanes), reg.RCX)
	w.JMP(operand.LabelRef(loop))
	w.Label(tail)
	w.TESTQ(reg.RCX, reg.RCX)
	w.JZ(operand.LabelRef(done))
	w.setMask(w.isa, reg.RCX)
	body(true)
	w.Label(done)
	w.VZEROUPPER()
	w.RET()
}

// input writes V = Bᵀ d B for one tile: rows first, through the stack, then columns. Plane j·(m+2)+i holds element (i, j).
func (w *winograd) input() {
	n := w.m + 2
	w.fn(fmt.Sprintf("winoInput%d%s", w.m, w.suffix), "winoInputGeneric")
	w.Attributes(0) // the frame is too large for NOSPLIT
	local := w.AllocLocal(8*n*n + n*n*w.bytes() + 64)
	rows := w.aligned(local.Offset(8 * n * n))
	t := w.arg(reg.RBX)
	w.pixels(t, winoBase, winoOffsets, n*n, local)
	w.MOVQ(mem(t, winoStride), reg.R10)
	w.constants(12, 2, 4, 5)
	w.overlapping(t, func() {
		for i := range n {
			d := w.regs(n)
			for j := range n {
				w.MOVQ(local.Offset(8*(i*n+j)), reg.R9)
				w.VMOVUPS(memx(reg.R9, reg.RAX, 1, 0), d[j])
			}
			for j, r := range w.bt(d) {
				w.VMOVUPS(r, rows.Offset((i*n+j)*w.bytes()))
			}
		}
		w.MOVQ(mem(t, winoPlanes), reg.R9)
		w.ADDQ(reg.RAX, reg.R9)
		for j := range n {
			d := w.regs(n)
			for i := range n {
				w.VMOVUPS(rows.Offset((i*n+j)*w.bytes()), d[i])
			}
			for _, r := range w.bt(d) {
				w.VMOVUPS(r, mem(reg.R9, 0))
				w.ADDQ(reg.R10, reg.R9)
			}
		}
	})
}

// overlapping loops over vectors of channels, as channels does, of which there is one at least: the last one ends with the
// channels, and may compute some again.
func (w *winograd) overlapping(t reg.Register, body func()) {
	loop, done := w.label("loop"), w.label("done")
	w.XORQ(reg.RAX, reg.RAX)
	w.MOVQ(mem(t, winoChannels), reg.RCX)
	w.SHLQ(imm(2), reg.RCX)
	w.SUBQ(imm(w.bytes()), reg.RCX)
	w.Label(loop)
	body()
	w.CMPQ(reg.RAX, reg.RCX)
	w.JEQ(operand.LabelRef(done))
	w.ADDQ(imm(w.bytes()), reg.RAX)
	w.CMPQ(reg.RAX, reg.RCX)
	w.CMOVQGT(reg.RCX, reg.RAX)
	w.JMP(operand.LabelRef(loop))
	w.Label(done)
	w.VZEROUPPER()
	w.RET()
}

func (w *winograd) regs(n int) []reg.VecPhysical {
	d := make([]reg.VecPhysical, n)
	for i := range d {
		d[i] = w.reg(i)
	}
	return d
}

// bt is one side of the input transform.
func (w *winograd) bt(d []reg.VecPhysical) []reg.VecPhysical {
	r := func(i int) reg.VecPhysical { return w.reg(i) }
	if w.m == 2 {
		w.VSUBPS(d[2], d[0], r(6)) // d0 - d2
		w.VADDPS(d[1], d[2], r(7)) // d1 + d2
		w.VSUBPS(d[1], d[2], r(8)) // d2 - d1
		w.VSUBPS(d[3], d[1], r(9)) // d1 - d3
		return []reg.VecPhysical{r(6), r(7), r(8), r(9)}
	}
	w.VMOVAPS(d[4], r(6)) // 4 d0 - 5 d2 + d4
	w.VFNMADD231PS(w.c(5), d[2], r(6))
	w.VFMADD231PS(w.c(4), d[0], r(6))
	w.VMOVAPS(d[5], r(7)) // 4 d1 - 5 d3 + d5
	w.VFNMADD231PS(w.c(5), d[3], r(7))
	w.VFMADD231PS(w.c(4), d[1], r(7))
	w.VMOVAPS(d[4], r(8)) // d4 - 4 d2
	w.VFNMADD231PS(w.c(4), d[2], r(8))
	w.VMOVAPS(d[3], r(9)) // d3 - 4 d1
	w.VFNMADD231PS(w.c(4), d[1], r(9))
	w.VSUBPS(d[2], d[4], r(10)) // d4 - d2
	w.VSUBPS(d[1], d[3], r(11)) // d3 - d1
	w.VADDPS(r(9), r(8), d[0])
	w.VSUBPS(r(9), r(8), d[1])
	w.VMOVAPS(r(10), d[2])
	w.VFMADD231PS(w.c(2), r(11), d[2])
	w.VFNMADD231PS(w.c(2), r(11), r(10))
	return []reg.VecPhysical{r(6), d[0], d[1], d[2], r(10), r(7)}
}

// output writes Y = Aᵀ m A for one tile, adds a residual, clamps. The bias is in the products of plane (1, 1), which reach
// every result once.
func (w *winograd) output() {
	n := w.m + 2
	w.fn(fmt.Sprintf("winoOutput%d%s", w.m, w.suffix), "winoOutputGeneric")
	w.Attributes(0) // the frame is too large for NOSPLIT
	local := w.AllocLocal(16*w.m*w.m + n*w.m*w.bytes() + 64)
	resAt := local.Offset(8 * w.m * w.m)
	cols := w.aligned(local.Offset(16 * w.m * w.m))
	t := w.arg(reg.RBX)
	w.pixels(t, winoBase, winoOffsets, w.m*w.m, local)
	w.MOVQ(mem(t, winoRes), reg.R11)
	nores := w.label("nores")
	w.TESTQ(reg.R11, reg.R11)
	w.JZ(operand.LabelRef(nores))
	w.pixels(t, winoRes, winoResOffsets, w.m*w.m, resAt)
	w.Label(nores)
	w.MOVQ(mem(t, winoStride), reg.R10)
	w.constants(10, 2, 4, 8)
	lo, hi := w.reg(13), w.reg(14)
	w.VBROADCASTSS(mem(t, winoMin), lo)
	w.VBROADCASTSS(mem(t, winoMax), hi)
	w.channels(t, func(masked bool) {
		w.MOVQ(mem(t, winoPlanes), reg.R9)
		w.ADDQ(reg.RAX, reg.R9)
		for j := range n { // planes come column by column
			d := w.regs(n)
			for i := range n {
				w.load(w.isa, mem(reg.R9, 0), d[i], masked)
				w.ADDQ(reg.R10, reg.R9)
			}
			for i, r := range w.at(d) {
				w.VMOVUPS(r, cols.Offset((i*n+j)*w.bytes()))
			}
		}
		for i := range w.m {
			d := w.regs(n)
			for j := range n {
				w.VMOVUPS(cols.Offset((i*n+j)*w.bytes()), d[j])
			}
			out := w.at(d)
			skip := w.label("skip")
			w.TESTQ(reg.R11, reg.R11)
			w.JZ(operand.LabelRef(skip))
			for j, r := range out {
				w.MOVQ(resAt.Offset(8*(i*w.m+j)), reg.R9)
				from, x := memx(reg.R9, reg.RAX, 1, 0), w.reg(2+j%2)
				if masked {
					w.load(w.isa, from, x, true)
					w.VADDPS(x, r, r)
				} else {
					w.VADDPS(from, r, r)
				}
			}
			w.Label(skip)
			for j, r := range out {
				w.VMAXPS(r, lo, r)
				w.VMINPS(r, hi, r)
				w.MOVQ(local.Offset(8*(i*w.m+j)), reg.R9)
				w.store(w.isa, r, memx(reg.R9, reg.RAX, 1, 0), masked)
			}
		}
	})
}

// at is one side of the output transform.
func (w *winograd) at(d []reg.VecPhysical) []reg.VecPhysical {
	r := func(i int) reg.VecPhysical { return w.reg(i) }
	if w.m == 2 {
		w.VADDPS(d[1], d[0], d[0]) // m0 + m1 + m2
		w.VADDPS(d[2], d[0], d[0])
		w.VSUBPS(d[2], d[1], d[1]) // m1 - m2 - m3
		w.VSUBPS(d[3], d[1], d[1])
		return []reg.VecPhysical{d[0], d[1]}
	}
	w.VADDPS(d[2], d[1], r(6)) // m1 + m2
	w.VSUBPS(d[2], d[1], r(7)) // m1 - m2
	w.VADDPS(d[4], d[3], r(8)) // m3 + m4
	w.VSUBPS(d[4], d[3], r(9)) // m3 - m4
	w.VADDPS(r(6), d[0], d[0])
	w.VADDPS(r(8), d[0], d[0])
	w.VADDPS(r(7), d[5], d[5])
	w.VFMADD231PS(w.c(8), r(9), d[5])
	w.VFMADD231PS(w.c(4), r(8), r(6))
	w.VFMADD231PS(w.c(2), r(9), r(7))
	return []reg.VecPhysical{d[0], r(7), r(6), d[5]}
}
