package main

import (
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.winoFilterTile.
const (
	filterTaps, filterPlanes, filterTap, filterPlane            = 0, 8, 16, 24
	filterRows, filterTapRow, filterPlaneRow, filterN, filterG0 = 32, 40, 48, 56, 64
)

// winoTrain writes the transforms that training with F(4x4,3x3) needs besides those of inference: of weights that change
// at every step, and of the gradients of outputs and weights.
func winoTrain(a *asm, v isa) {
	consts := []float32{2, 4, 1. / 4, 1. / 6, 1. / 12, 1. / 24}
	table := a.StaticGlobal("winoTrainTable")
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i, c := range consts {
		for l := range v.lanes {
			a.AddDatum(i*v.bytes()+4*l, operand.U32(math.Float32bits(c)))
		}
	}
	w := &winograd{asm: a, isa: v, m: 4, c: func(x float32) operand.Op {
		for i, c := range consts {
			if c == x {
				return table.Offset(i * v.bytes())
			}
		}
		panic("no such constant")
	}}
	w.spread()
	w.filter()
	w.gather()
}

// spread writes D = A y Aᵀ for one tile of 4x4: rows first, through the stack, then columns.
func (w *winograd) spread() {
	const m, n = 4, 6
	w.fn("winoSpread4"+w.suffix, "winoSpreadGeneric")
	w.Attributes(0) // the frame is too large for NOSPLIT
	local := w.AllocLocal(8*m*m + m*n*w.bytes() + 64)
	rows := w.aligned(local.Offset(8 * m * m))
	t := w.arg(reg.RBX)
	w.pixels(t, winoBase, winoOffsets, m*m, local)
	w.MOVQ(mem(t, winoStride), reg.R10)
	w.channels(t, func(masked bool) {
		for i := range m {
			d := w.regs(m)
			for j := range m {
				w.MOVQ(local.Offset(8*(i*m+j)), reg.R9)
				w.load(w.isa, memx(reg.R9, reg.RAX, 1, 0), d[j], masked)
			}
			for j, r := range w.a(d) {
				w.VMOVUPS(r, rows.Offset((i*n+j)*w.bytes()))
			}
		}
		w.MOVQ(mem(t, winoPlanes), reg.R9)
		w.ADDQ(reg.RAX, reg.R9)
		for j := range n {
			d := w.regs(m)
			for i := range m {
				w.VMOVUPS(rows.Offset((i*n+j)*w.bytes()), d[i])
			}
			for _, r := range w.a(d) {
				w.store(w.isa, r, mem(reg.R9, 0), masked)
				w.ADDQ(reg.R10, reg.R9)
			}
		}
	})
}

// a multiplies four elements by A: the values at 0, 1, -1, 2, -2 and infinity of a polynomial with these coefficients.
func (w *winograd) a(d []reg.VecPhysical) []reg.VecPhysical {
	r := func(i int) reg.VecPhysical { return w.reg(i) }
	w.VADDPS(d[2], d[0], r(6)) // y0 + y2
	w.VADDPS(d[3], d[1], r(7)) // y1 + y3
	w.VMOVAPS(d[0], r(8))      // y0 + 4 y2
	w.VFMADD231PS(w.c(4), d[2], r(8))
	w.VMOVAPS(d[1], r(9)) // y1 + 4 y3
	w.VFMADD231PS(w.c(4), d[3], r(9))
	w.VADDPS(r(7), r(6), r(10))
	w.VSUBPS(r(7), r(6), r(11))
	w.VMOVAPS(r(8), r(12))
	w.VFMADD231PS(w.c(2), r(9), r(12))
	w.VFNMADD231PS(w.c(2), r(9), r(8))
	return []reg.VecPhysical{d[0], r(10), r(11), r(12), r(8), d[3]}
}

// rowsOf loops over rows and, in each, over vectors: RSI and RDI are where the taps and the planes of a vector start, R8 and
// R10 the bytes between taps and between planes. Registers 12 to 14 hold the three coefficients.
func (w *winograd) rowsOf(body func(masked bool)) {
	t := w.arg(reg.RBX)
	taps, planes, rows := reg.R11, reg.R12, reg.R13
	w.MOVQ(mem(t, filterTaps), taps)
	w.MOVQ(mem(t, filterPlanes), planes)
	w.MOVQ(mem(t, filterTap), reg.R8)
	w.MOVQ(mem(t, filterPlane), reg.R10)
	w.MOVQ(mem(t, filterRows), rows)
	for i := range 3 {
		w.VBROADCASTSS(mem(t, filterG0+4*i), w.reg(12+i))
	}
	w.MOVQ(mem(t, filterN), reg.RCX)
	w.ANDQ(imm(w.lanes-1), reg.RCX)
	w.setMask(w.isa, reg.RCX)
	row, loop, tail, next := w.label("row"), w.label("loop"), w.label("tail"), w.label("next")
	w.Label(row)
	w.MOVQ(taps, reg.RSI)
	w.MOVQ(planes, reg.RDI)
	w.MOVQ(mem(t, filterN), reg.RCX)
	w.Label(loop)
	w.CMPQ(reg.RCX, imm(w.lanes))
	w.JLT(operand.LabelRef(tail))
	body(false)
	w.ADDQ(imm(w.bytes()), reg.RSI)
	w.ADDQ(imm(w.bytes()), reg.RDI)
	w.SUBQ(imm(w.lanes), reg.RCX)
	w.JMP(operand.LabelRef(loop))
	w.Label(tail)
	w.TESTQ(reg.RCX, reg.RCX)
	w.JZ(operand.LabelRef(next))
	body(true)
	w.Label(next)
	w.ADDQ(mem(t, filterTapRow), taps)
	w.ADDQ(mem(t, filterPlaneRow), planes)
	w.DECQ(rows)
	w.JNZ(operand.LabelRef(row))
	w.VZEROUPPER()
	w.RET()
}

// filter writes six planes, a column of G g Gᵀ, for each vector of weights.
func (w *winograd) filter() {
	w.fn("winoFilter4"+w.suffix, "winoFilterGeneric")
	r := func(i int) reg.VecPhysical { return w.reg(i) }
	w.rowsOf(func(masked bool) {
		w.MOVQ(reg.RSI, reg.R9)
		for ky := range 3 { // t[ky] = Σ g[kx]·w[ky][kx]
			for kx := range 3 {
				w.load(w.isa, mem(reg.R9, 0), r(6), masked)
				w.ADDQ(reg.R8, reg.R9)
				if kx == 0 {
					w.VMULPS(r(12), r(6), r(ky))
				} else {
					w.VFMADD231PS(r(12+kx), r(6), r(ky))
				}
			}
		}
		w.MOVQ(reg.RDI, reg.R9)
		put := func(x reg.VecPhysical) {
			w.store(w.isa, x, mem(reg.R9, 0), masked)
			w.ADDQ(reg.R10, reg.R9)
		}
		w.VMULPS(w.c(1./4), r(0), r(3))
		put(r(3))
		w.VADDPS(r(2), r(0), r(4)) // (t0 + t2)/6
		w.VMULPS(w.c(1./6), r(4), r(4))
		w.VMULPS(w.c(1./6), r(1), r(5)) // t1/6
		w.VADDPS(r(5), r(4), r(3))
		w.clear(w.isa, r(6))
		w.VSUBPS(r(3), r(6), r(3))
		put(r(3))
		w.VSUBPS(r(4), r(5), r(3))
		put(r(3))
		w.VMULPS(w.c(1./24), r(0), r(4)) // t0/24 + t2/6
		w.VFMADD231PS(w.c(1./6), r(2), r(4))
		w.VMULPS(w.c(1./12), r(1), r(5)) // t1/12
		w.VADDPS(r(5), r(4), r(3))
		put(r(3))
		w.VSUBPS(r(5), r(4), r(3))
		put(r(3))
		put(r(2))
	})
}

// gather adds Gᵀ C G, of a column of six planes, to each vector of the weights' gradient.
func (w *winograd) gather() {
	w.fn("winoGather4"+w.suffix, "winoGatherGeneric")
	r := func(i int) reg.VecPhysical { return w.reg(i) }
	w.rowsOf(func(masked bool) {
		w.MOVQ(reg.RDI, reg.R9)
		for i := range 6 {
			w.load(w.isa, mem(reg.R9, 0), r(i), masked)
			w.ADDQ(reg.R10, reg.R9)
		}
		w.VADDPS(r(2), r(1), r(6)) // c1 + c2
		w.VSUBPS(r(1), r(2), r(7)) // c2 - c1
		w.VADDPS(r(4), r(3), r(8)) // c3 + c4
		w.VSUBPS(r(4), r(3), r(9)) // c3 - c4
		w.VMULPS(w.c(1./6), r(6), r(6))
		w.VMULPS(w.c(1./4), r(0), r(0)) // c0/4 - (c1 + c2)/6 + (c3 + c4)/24
		w.VSUBPS(r(6), r(0), r(0))
		w.VFMADD231PS(w.c(1./24), r(8), r(0))
		w.VMULPS(w.c(1./6), r(7), r(1)) // (c2 - c1)/6 + (c3 - c4)/12
		w.VFMADD231PS(w.c(1./12), r(9), r(1))
		w.VSUBPS(r(6), r(5), r(2)) // c5 - (c1 + c2)/6 + (c3 + c4)/6
		w.VFMADD231PS(w.c(1./6), r(8), r(2))
		w.MOVQ(reg.RSI, reg.R9)
		for ky := range 3 {
			for kx := range 3 {
				w.load(w.isa, mem(reg.R9, 0), r(6), masked)
				w.VFMADD231PS(r(12+kx), r(ky), r(6))
				w.store(w.isa, r(6), mem(reg.R9, 0), masked)
				w.ADDQ(reg.R8, reg.R9)
			}
		}
	})
}
