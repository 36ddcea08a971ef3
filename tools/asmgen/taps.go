package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.tapTile.
const (
	tapDst, tapY, tapX, tapLin               = 0, 32, 40, 48
	tapH, tapW, tapDH, tapDW, tapRow, tapCol = 56, 60, 64, 68, 72, 76
	tapRows, tapStride, tapKH, tapKW         = 80, 88, 96, 104
	tapY0, tapX0, tapLin0                    = 112, 116, 120
)

// tapOffsets writes the loop that fills a tile's offsets tap by tap, a vector of up to sixteen rows at a time.
func tapOffsets(a *asm) {
	a.fn("tapOffsetsAVX512", "tapOffsetsGeneric")
	t := a.arg(reg.RBX)
	a.MOVQ(mem(t, tapRows), reg.RCX)
	a.MOVQ(operand.I32(-1), reg.RDX)
	a.SHLQ(reg.CL, reg.RDX)
	a.NOTQ(reg.RDX)
	a.KMOVW(reg.EDX, reg.K1)
	y, x0, lin, s := reg.Z0, reg.Z1, reg.Z2, reg.RDX
	for _, v := range []struct {
		from, first int
		to          reg.VecPhysical
	}{{tapY, tapY0, y}, {tapX, tapX0, x0}, {tapLin, tapLin0, lin}} {
		a.MOVQ(mem(t, v.from), s)
		a.VPBROADCASTD(mem(t, v.first), v.to)
		a.VPADDD(mem(s, 0), v.to, v.to)
	}
	h, w, dh, dw, row, col := reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8
	for _, v := range []struct {
		from int
		to   reg.VecPhysical
	}{{tapH, h}, {tapW, w}, {tapDH, dh}, {tapDW, dw}, {tapRow, row}, {tapCol, col}} {
		a.VPBROADCASTD(mem(t, v.from), v.to)
	}
	ones, x, at, out := reg.Z9, reg.Z10, reg.Z11, reg.Z12
	a.VPTERNLOGD(operand.U8(0xff), ones, ones, ones)
	dst, stride, ky, kx := reg.RSI, reg.RDI, reg.R8, reg.R9
	a.MOVQ(mem(t, tapDst), dst)
	a.MOVQ(mem(t, tapStride), stride)
	a.MOVQ(mem(t, tapKH), ky)
	rows, cols := a.label("rows"), a.label("cols")
	a.Label(rows)
	a.VMOVDQA32(x0, x)
	a.VMOVDQA32(lin, at)
	a.VPCMPUD(operand.U8(1), h, y, reg.K2) // y < h, unsigned
	a.MOVQ(mem(t, tapKW), kx)
	a.Label(cols)
	a.VPCMPUD(operand.U8(1), w, x, reg.K2, reg.K3)
	a.VMOVDQA32(ones, out)
	a.VMOVDQA32(at, reg.K3, out)
	a.VMOVDQU32(out, reg.K1, mem(dst, 0))
	a.ADDQ(stride, dst)
	a.VPADDD(dw, x, x)
	a.VPADDD(col, at, at)
	a.DECQ(kx)
	a.JNZ(operand.LabelRef(cols))
	a.VPADDD(dh, y, y)
	a.VPADDD(row, lin, lin)
	a.DECQ(ky)
	a.JNZ(operand.LabelRef(rows))
	a.VZEROUPPER()
	a.RET()
}
