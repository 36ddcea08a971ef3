package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// weights writes the transform of one output channel's weights, [9][channels], 32 channels at a time. A pair of channels
// is four bytes that go 128 bytes after the pair before.
func (w *winoInt) weights() {
	pairs := w.StaticGlobal("winoI8Pairs")
	w.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 16 {
		w.AddDatum(4*i, operand.U32(128*i))
	}
	w.fn("winoWeightsI8AVX512", "packGeneric")
	t := w.arg(reg.RBX)
	from, tap, left, to, stride, six, row, p := reg.RSI, reg.R8, reg.RCX, reg.RDI, reg.R10, reg.R11, reg.R12, reg.R13
	w.MOVQ(mem(t, winoI8Base), from)
	w.MOVQ(mem(t, winoI8Planes), to)
	w.MOVQ(mem(t, winoI8Stride), stride)
	w.MOVQ(mem(t, winoI8Channels), left)
	w.MOVQ(left, tap)
	w.LEAQ(memx(stride, stride, 2, 0), six)
	w.ADDQ(six, six)
	index := zs[30]
	w.VMOVDQU64(pairs, index)
	loop := w.label("loop")
	w.Label(loop)
	g := []reg.VecPhysical{zs[18], zs[19], zs[20]}
	for x := range 3 { // columns, into registers 6x to 6x+5
		w.MOVQ(from, p)
		if x > 0 {
			w.LEAQ(memx(from, tap, uint8(x), 0), p)
		}
		for y := range g {
			w.VPMOVSXBW(mem(p, 0), g[y])
			if y < 2 {
				w.LEAQ(memx(p, tap, 2, 0), p)
				w.ADDQ(tap, p)
			}
		}
		w.g(g, zs[6*x:6*x+6], zs[24:30])
	}
	w.MOVQ(to, row)
	for i := range 6 {
		out := zs[18:24]
		w.g([]reg.VecPhysical{zs[i], zs[6+i], zs[12+i]}, out, zs[24:30])
		w.MOVQ(row, p)
		for j, r := range out {
			w.KXNORW(ks[0], ks[0], ks[0])
			w.VPSCATTERDD(r, ks[0], operand.Mem{Base: p, Index: index, Scale: 1})
			if j < 5 {
				w.ADDQ(six, p)
			}
		}
		w.ADDQ(stride, row)
	}
	w.ADDQ(imm(32), from)
	w.ADDQ(imm(16*128), to)
	w.SUBQ(imm(32), left)
	w.JNZ(operand.LabelRef(loop))
	w.VZEROUPPER()
	w.RET()
}

// g is kern.winoI8G of three registers, which may be out's first, with six to overwrite.
func (w *winoInt) g(g, out, tmp []reg.VecPhysical) {
	a, b, c := g[0], g[1], g[2]
	s, t, b2, a2, a4, c2 := tmp[0], tmp[1], tmp[2], tmp[3], tmp[4], tmp[5]
	w.VPADDW(c, a, s)
	w.VPADDW(c, c, c2)
	w.VPADDW(a, a, a2)
	w.VPADDW(a2, a2, a4)
	w.VPADDW(c2, c2, t) // 4 c
	w.VPADDW(c2, t, c2)
	w.VPADDW(a, t, t)
	w.VPADDW(b, b, b2)
	w.VPSUBW(s, b, s) // b - s, and -s - b less 2 b
	w.VPADDW(a4, a2, out[0])
	w.VPSUBW(b2, s, out[1])
	w.copy(s, out[2])
	w.VPADDW(b2, t, out[3])
	w.VPSUBW(b2, t, out[4])
	w.copy(c2, out[5])
}

func (w *winoInt) copy(from, to reg.VecPhysical) {
	if w.wide() {
		w.VMOVDQA64(from, to)
	} else {
		w.VMOVDQU(from, to)
	}
}
