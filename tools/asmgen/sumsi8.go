package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.sumsI8Tile.
const siX, siN, siFlip, siUp, siSize = 0, 8, 16, 24, 32

// sumsI8 writes kern.sumsI8's loop over whole vectors: the sums of the numbers with 128 added, and of their magnitudes.
func sumsI8(a *asm) {
	a.fn("sumsI8AVX2", "sumsI8's plain loop in sumsi8.go")
	t := a.arg(reg.RBX)
	x, n := reg.RSI, reg.RCX
	flip, top, none, up, size, v, u := reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6
	a.MOVQ(mem(t, siX), x)
	a.MOVQ(mem(t, siN), n)
	a.VPBROADCASTD(mem(t, siFlip), flip)
	a.VPCMPEQB(top, top, top) // all ones, then the top bits of bytes
	a.VPABSB(top, top)
	a.VPSLLW(operand.U8(7), top, top)
	for _, r := range []reg.VecPhysical{none, up, size} {
		a.VPXOR(r, r, r)
	}
	loop := a.label("loop")
	a.Label(loop)
	a.VPXOR(mem(x, 0), flip, v)
	a.VPXOR(v, top, u)
	a.VPABSB(v, v)
	a.VPSADBW(none, u, u)
	a.VPSADBW(none, v, v)
	a.VPADDQ(u, up, up)
	a.VPADDQ(v, size, size)
	a.ADDQ(imm(32), x)
	a.SUBQ(imm(32), n)
	a.JNZ(operand.LabelRef(loop))
	for _, s := range []struct {
		r, high, low reg.VecPhysical
		to           int
	}{{up, reg.X5, reg.X3, siUp}, {size, reg.X6, reg.X4, siSize}} {
		a.VEXTRACTI128(operand.U8(1), s.r, s.high)
		a.VPADDQ(s.high, s.low, s.low)
		a.VPSHUFD(operand.U8(0x0e), s.low, s.high)
		a.VPADDQ(s.high, s.low, s.low)
		a.VMOVQ(s.low, mem(t, s.to))
	}
	a.VZEROUPPER()
	a.RET()
}
