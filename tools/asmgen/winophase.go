package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// phase is the kind of transforms that winoPhase writes.
const phase = "Phase"

// winoPhase writes the transforms of kern.PhaseF32: strips of tiles of two by two outputs at stride 2, of five by five pixels
// in and three by three planes of sums back.
func winoPhase(a *asm) {
	in, out := &wide{asm: a, m: 2, n: 5, kind: phase}, &wide{asm: a, m: 2, n: 3, kind: phase}
	in.input()
	out.output(false)
}

// inputPhase puts all 25 results, rows 0 and 1 column by column, row 2, rows 3 and 4 column by column.
func (w *wide) inputPhase(from func(i, j int) operand.Mem, put func(reg.VecPhysical)) {
	d := func(i, j int) reg.VecPhysical { return zs[5*i+j] }
	for i := range 5 {
		for j := range 5 {
			w.VMOVUPS_Z(from(i, j), wideMasks[j], d(i, j))
		}
		w.VSUBPS(d(i, 2), d(i, 0), d(i, 0))
		w.VSUBPS(d(i, 2), d(i, 4), d(i, 4))
	}
	for j := range 5 {
		w.VSUBPS(d(2, j), d(0, j), d(0, j))
		put(d(0, j))
		put(d(1, j))
	}
	for j := range 5 {
		put(d(2, j))
	}
	for j := range 5 {
		put(d(3, j))
		w.VSUBPS(d(2, j), d(4, j), d(4, j))
		put(d(4, j))
	}
}

// outputPhase stores both rows: m0 + m1 and m1 + m2 of columns, then of rows.
func (w *wide) outputPhase(here, stride, s3, q reg.Register, k reg.OpmaskPhysical, store func(i int, y []reg.VecPhysical)) {
	a, b := zs[0:3], zs[3:6]
	w.MOVQ(here, q)
	for j := range 3 {
		w.VMOVUPS_Z(memx(q, stride, 1, 0), k, b[j])
		w.VADDPS_Z(mem(q, 0), b[j], k, a[j])
		w.VADDPS_Z(memx(q, stride, 2, 0), b[j], k, b[j])
		w.ADDQ(s3, q)
	}
	for i, h := range [][]reg.VecPhysical{a, b} {
		w.VADDPS(h[1], h[0], h[0])
		w.VADDPS(h[1], h[2], h[2])
		store(i, []reg.VecPhysical{h[0], h[2]})
	}
}

// winoPhaseNarrow writes them for few registers, a tile at a time.
func winoPhaseNarrow(a *asm) {
	w := &winograd{asm: a, isa: ymm, m: 2}
	w.inputPhase()
	w.outputPhase()
}

// inputPhase puts what wide's does. The outer columns and rows are less the middle one.
func (w *winograd) inputPhase() {
	w.fn("winoPhaseInput2AVX2", "PhaseF32.inputGeneric")
	local := w.AllocLocal(8 * 25)
	t := w.arg(reg.RBX)
	w.pixels(t, winoBase, winoOffsets, 25, local)
	w.MOVQ(mem(t, winoStride), reg.R10)
	w.overlapping(t, func() {
		w.MOVQ(mem(t, winoPlanes), reg.R11)
		w.ADDQ(reg.RAX, reg.R11)
		pixel := func(i, j int) operand.Mem {
			w.MOVQ(local.Offset(8*(5*i+j)), reg.R9)
			return memx(reg.R9, reg.RAX, 1, 0)
		}
		get := func(i, j int, r reg.VecPhysical) reg.VecPhysical {
			if w.VMOVUPS(pixel(i, j), r); j%4 == 0 {
				w.VSUBPS(pixel(i, 2), r, r)
			}
			return r
		}
		put := func(r reg.VecPhysical) {
			w.VMOVUPS(r, mem(reg.R11, 0))
			w.ADDQ(reg.R10, reg.R11)
		}
		middle, x := ys[:5], ys[5:]
		for j := range 5 {
			a, b := get(0, j, x[2*(j%3)]), get(1, j, x[2*(j%3)+1])
			w.VSUBPS(get(2, j, middle[j]), a, a)
			put(a)
			put(b)
		}
		for _, r := range middle {
			put(r)
		}
		for j := range 5 {
			put(get(3, j, x[2*(j%3)]))
			b := get(4, j, x[2*(j%3)+1])
			w.VSUBPS(middle[j], b, b)
			put(b)
		}
	})
}

// outputPhase stores both rows, of a whole tile.
func (w *winograd) outputPhase() {
	w.fn("winoPhaseOutput2AVX2", "PhaseF32.outputGeneric")
	local := w.AllocLocal(8 * 4)
	t := w.arg(reg.RBX)
	w.pixels(t, winoBase, winoOffsets, 4, local)
	w.MOVQ(mem(t, winoStride), reg.R10)
	w.LEAQ(memx(reg.R10, reg.R10, 2, 0), reg.R12)
	lo, hi := ys[14], ys[15]
	w.VBROADCASTSS(mem(t, winoMin), lo)
	w.VBROADCASTSS(mem(t, winoMax), hi)
	w.overlapping(t, func() {
		w.MOVQ(mem(t, winoPlanes), reg.R11)
		w.ADDQ(reg.RAX, reg.R11)
		a, b := ys[:3], ys[3:6]
		for j := range 3 {
			w.VMOVUPS(memx(reg.R11, reg.R10, 1, 0), b[j])
			w.VADDPS(mem(reg.R11, 0), b[j], a[j])
			w.VADDPS(memx(reg.R11, reg.R10, 2, 0), b[j], b[j])
			w.ADDQ(reg.R12, reg.R11)
		}
		for i, h := range [][]reg.VecPhysical{a, b} {
			w.VADDPS(h[1], h[0], h[0])
			w.VADDPS(h[1], h[2], h[2])
			for j, r := range []reg.VecPhysical{h[0], h[2]} {
				w.VMAXPS(r, lo, r)
				w.VMINPS(r, hi, r)
				w.MOVQ(local.Offset(8*(2*i+j)), reg.R9)
				w.VMOVUPS(r, memx(reg.R9, reg.RAX, 1, 0))
			}
		}
	})
}
