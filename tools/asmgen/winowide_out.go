package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// output writes Y = Aᵀ m A for each tile of a strip, adds a residual, clamps. It knows of no bias, as its
// twin. Pooled, it writes the maximum of each two by two of Y, and knows of no residual.
func (w *wide) output(pooled bool) {
	name, width := "Output", w.m
	if pooled {
		name, width = "Pooled", w.m/2
	}
	w.fn(fmt.Sprintf("wino%s%s%dAVX512", w.kind, name, w.m), "winoOutputGeneric")
	local := w.AllocLocal(16)
	t := w.arg(reg.RBX)
	p, p3, stride, s3, s5, q := reg.R8, reg.R9, reg.R13, reg.R14, reg.R15, reg.RDX
	out, res, rp, rp3, here, row := reg.RSI, reg.RDI, reg.R10, reg.R11, reg.RAX, reg.R12
	lo, hi, tail := zs[27], zs[28], wideMasks[wideTail]
	w.constants(two, four, eight)
	w.VBROADCASTSS(mem(t, stripMin), lo)
	w.VBROADCASTSS(mem(t, stripMax), hi)
	w.MOVQ(mem(t, stripPixel), p)
	w.LEAQ(memx(p, p, 2, 0), p3)
	if !pooled {
		w.MOVQ(mem(t, stripResPixel), rp)
		w.LEAQ(memx(rp, rp, 2, 0), rp3)
		w.MOVQ(mem(t, stripRes), res)
	}
	w.MOVQ(mem(t, stripStride), stride)
	w.times(stride, s3, s5)
	w.MOVQ(mem(t, stripBase), out)
	w.strip(t, local, local.Offset(8), func() {
		w.MOVQ(local, here)
		w.masks(t, 1, width)
		w.MOVQ(mem(t, stripChannels), reg.RCX)
		w.vectors(1, width, func() {
			clamp := func(y []reg.VecPhysical) {
				nohi := w.label("nohi")
				for _, r := range y {
					w.VMAXPS(r, lo, r)
				}
				w.CMPL(mem(t, stripMax), operand.U32(0x7f800000))
				w.JEQ(operand.LabelRef(nohi))
				for _, r := range y {
					w.VMINPS(r, hi, r)
				}
				w.Label(nohi)
			}
			store := func(i int, y []reg.VecPhysical) {
				skip, nores := w.label("skip"), w.label("nores")
				w.MOVQ(mem(t, stripRows+8*i), row)
				w.CMPQ(row, imm(1))
				w.JEQ(operand.LabelRef(skip))
				w.TESTQ(res, res)
				w.JZ(operand.LabelRef(nores))
				w.MOVQ(mem(t, stripResRows+8*i), q)
				w.ADDQ(res, q)
				for j, r := range y {
					w.VADDPS(pixel(q, j, rp, rp3, nil), r, wideMasks[1+j], r)
				}
				w.Label(nores)
				w.ADDQ(out, row)
				clamp(y)
				for j, r := range y {
					w.VMOVUPS(r, wideMasks[1+j], pixel(row, j, p, p3, nil))
				}
				w.Label(skip)
			}
			if pooled {
				// Rows come in the order 0, 2, 1, 3, so each maximum takes its four in a pool's.
				held := zs[20:24]
				store = func(i int, y []reg.VecPhysical) {
					clamp(y)
					h := held[i/2*2:]
					if i%2 == 0 {
						w.VMAXPS(y[1], y[0], h[0])
						w.VMAXPS(y[3], y[2], h[1])
						return
					}
					for j := range 2 {
						w.VMAXPS(y[2*j], h[j], h[j])
						w.VMAXPS(y[2*j+1], h[j], h[j])
					}
					skip := w.label("skip")
					w.MOVQ(mem(t, stripRows+8*(i/2)), row)
					w.CMPQ(row, imm(1))
					w.JEQ(operand.LabelRef(skip))
					w.VMOVUPS(h[0], wideMasks[1], memx(out, row, 1, 0))
					w.ADDQ(p, row)
					w.VMOVUPS(h[1], wideMasks[2], memx(out, row, 1, 0))
					w.Label(skip)
				}
			}
			from := func(i int) operand.Mem { return pixel(q, i, stride, s3, s5) }
			column := func(j int) {
				if j == 0 {
					w.MOVQ(here, q)
				} else {
					for range w.n / 2 {
						w.LEAQ(memx(q, stride, 2, 0), q)
					}
				}
			}
			if w.kind == phase {
				w.outputPhase(here, stride, s3, q, tail, store)
			} else if w.m == 2 {
				w.output2(from, column, tail, store)
			} else {
				w.output4(from, column, tail, store)
			}
			w.ADDQ(imm(64), here)
			w.ADDQ(imm(64), out)
			if pooled {
				return
			}
			over := w.label("over")
			w.TESTQ(res, res)
			w.JZ(operand.LabelRef(over))
			w.ADDQ(imm(64), res)
			w.Label(over)
		})
		// To the next tile, from behind the vectors of this one.
		over := w.label("over")
		w.MOVQ(mem(t, stripChannels), q)
		w.ADDQ(imm(15), q)
		w.ANDQ(imm(-16), q)
		w.SHLQ(operand.U8(2), q)
		w.SUBQ(q, out)
		w.ADDQ(mem(t, stripStep), out)
		if pooled {
			return
		}
		w.TESTQ(res, res)
		w.JZ(operand.LabelRef(over))
		w.SUBQ(q, res)
		w.ADDQ(mem(t, stripResStep), res)
		w.Label(over)
	})
}

// output2 stores both rows.
func (w *wide) output2(from func(i int) operand.Mem, column func(j int), k reg.OpmaskPhysical, store func(i int, y []reg.VecPhysical)) {
	a, b := zs[0:4], zs[4:8]
	for j := range 4 {
		column(j)
		w.VMOVUPS_Z(from(1), k, a[j])
		w.VMOVUPS_Z(from(2), k, zs[8])
		w.VSUBPS(zs[8], a[j], b[j]) // m1 - m2 - m3
		w.VADDPS(zs[8], a[j], a[j]) // m0 + m1 + m2
		w.VADDPS(from(0), a[j], k, a[j])
		w.VSUBPS(from(3), b[j], k, b[j])
	}
	for i, h := range [][]reg.VecPhysical{a, b} {
		w.VADDPS(h[1], h[0], h[0])
		w.VADDPS(h[2], h[0], h[0])
		w.VSUBPS(h[2], h[1], h[1])
		w.VSUBPS(h[3], h[1], h[1])
		store(i, h[:2])
	}
}

// output4 stores the even rows, which are made of sums, then the odd ones, of differences.
func (w *wide) output4(from func(i int) operand.Mem, column func(j int), k reg.OpmaskPhysical, store func(i int, y []reg.VecPhysical)) {
	c2, c4, c8 := zs[29], zs[30], zs[31]
	a, b := zs[0:6], zs[6:12]
	for j := range 6 {
		x := zs[12+j%4]
		column(j)
		w.VMOVUPS_Z(from(1), k, b[j]) // m1 + m2, m3 + m4
		w.VADDPS(from(2), b[j], k, b[j])
		w.VMOVUPS_Z(from(3), k, x)
		w.VADDPS(from(4), x, k, x)
		w.VADDPS(x, b[j], a[j])
		w.VADDPS(from(0), a[j], k, a[j])
		w.VFMADD231PS(x, c4, b[j])
	}
	w.row4(0, a, store)
	w.row4(2, b, store)
	for j := range 6 {
		x := zs[12+j%4]
		column(j)
		w.VMOVUPS_Z(from(1), k, a[j]) // m1 - m2, m3 - m4
		w.VSUBPS(from(2), a[j], k, a[j])
		w.VMOVUPS_Z(from(3), k, x)
		w.VSUBPS(from(4), x, k, x)
		w.VADDPS_Z(from(5), a[j], k, b[j])
		w.VFMADD231PS(x, c2, a[j])
		w.VFMADD231PS(x, c8, b[j])
	}
	w.row4(1, a, store)
	w.row4(3, b, store)
}

// row4 stores h A.
func (w *wide) row4(i int, h []reg.VecPhysical, store func(i int, y []reg.VecPhysical)) {
	c2, c4, c8 := zs[29], zs[30], zs[31]
	s, d, e, f := zs[16], zs[17], zs[18], zs[19]
	w.VADDPS(h[2], h[1], s)
	w.VSUBPS(h[2], h[1], d)
	w.VADDPS(h[4], h[3], e)
	w.VSUBPS(h[4], h[3], f)
	w.VADDPS(s, h[0], h[0])
	w.VADDPS(e, h[0], h[0])
	w.VADDPS(d, h[5], h[5])
	w.VFMADD231PS(f, c8, h[5])
	w.VFMADD231PS(e, c4, s)
	w.VFMADD231PS(f, c2, d)
	store(i, []reg.VecPhysical{h[0], d, s, h[5]})
}
