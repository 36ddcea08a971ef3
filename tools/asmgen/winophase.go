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
