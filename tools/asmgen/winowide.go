package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.winoStrip.
const (
	stripBase, stripSpare, stripPlanes, stripStride = 0, 8, 16, 24
	stripChannels, stripCount, stripStep            = 32, 40, 48
	stripPixel, stripRows, stripColumns             = 56, 64, 112
	stripMin, stripMax                              = 124, 128
	stripRes, stripResStep, stripResPixel           = 136, 144, 152
	stripResRows, stripPitch                        = 160, 192
)

// winogradWide writes the transforms of F(2x2,3x3) and F(4x4,3x3) for AVX-512: strips of tiles, a vector the channels of a
// pixel. Nothing waits on the stack: of the six results of a side two share all they have in common with each other and with
// none of the rest, so a pass of a pair of columns reads its pixels once more and keeps twelve registers. What lies outside
// an image is masked, by columns, or read from a row of zeros.
func winogradWide(a *asm) {
	for _, m := range []int{2, 4} {
		w := &wide{asm: a, m: m, n: m + 2}
		w.input()
		w.output(false)
	}
	(&wide{asm: a, m: 4, n: 6}).output(true)
}

type wide struct {
	*asm
	m, n int    // outputs and inputs of a tile along one side
	kind string // of transforms: see winoPhase
}

const wideTail = 6 // index of the mask of channels, behind those of columns

var (
	wideMasks = []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6, reg.K7}
	wideRows  = []reg.GPPhysical{reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11}
)

// constants fills the last registers, of F(4x4).
func (w *wide) constants(x ...uint32) {
	if w.m == 4 {
		for i, c := range x {
			w.MOVL(operand.U32(c), reg.ECX)
			w.VPBROADCASTD(reg.ECX, zs[29+i])
		}
	}
}

const two, four, five, eight = 0x40000000, 0x40800000, 0x40a00000, 0x41000000

// pixel is the j-th of a row, with one, three and five times the distance in registers.
func pixel(row reg.Register, j int, p, p3, p5 reg.Register) operand.Mem {
	switch j {
	case 0:
		return mem(row, 0)
	case 3:
		return memx(row, p3, 1, 0)
	case 5:
		return memx(row, p5, 1, 0)
	}
	return memx(row, p, uint8(j), 0)
}

// times sets p3 and p5 to three and five times p.
func (w *wide) times(p, p3, p5 reg.GPPhysical) {
	w.LEAQ(memx(p, p, 2, 0), p3)
	if w.n > 5 {
		w.LEAQ(memx(p, p, 4, 0), p5)
	}
}

// masks loads those of columns, from the first of wideMasks on, and that of a whole vector of channels.
func (w *wide) masks(t reg.Register, first, n int) {
	for j := range n {
		w.KMOVW(mem(t, stripColumns+2*j), wideMasks[first+j])
	}
	w.KXNORW(wideMasks[wideTail], wideMasks[wideTail], wideMasks[wideTail])
}

// vectors loops over the channels in RCX; the last few are masked. RDX is used.
func (w *wide) vectors(first, n int, body func()) {
	loop, whole, done := w.label("loop"), w.label("whole"), w.label("done")
	w.Label(loop)
	w.CMPQ(reg.RCX, imm(16))
	w.JGE(operand.LabelRef(whole))
	w.TESTQ(reg.RCX, reg.RCX)
	w.JLE(operand.LabelRef(done))
	w.MOVQ(operand.I32(-1), reg.RDX)
	w.SHLQ(reg.CL, reg.RDX)
	w.NOTQ(reg.RDX)
	w.KMOVW(reg.EDX, wideMasks[wideTail])
	for j := range n {
		w.KANDW(wideMasks[wideTail], wideMasks[first+j], wideMasks[first+j])
	}
	w.Label(whole)
	body()
	w.SUBQ(imm(16), reg.RCX)
	w.JMP(operand.LabelRef(loop))
	w.Label(done)
}

// strip loops over tiles: planes is on the stack, where those of a tile start.
func (w *wide) strip(t reg.Register, planes, count operand.Mem, body func()) {
	w.MOVQ(mem(t, stripPlanes), reg.RDX)
	w.MOVQ(reg.RDX, planes)
	w.MOVQ(mem(t, stripCount), reg.RDX)
	w.MOVQ(reg.RDX, count)
	tile := w.label("tile")
	w.Label(tile)
	body()
	w.MOVQ(mem(t, stripPitch), reg.RCX)
	w.ADDQ(reg.RCX, planes)
	w.DECQ(count)
	w.JNZ(operand.LabelRef(tile))
	w.VZEROUPPER()
	w.RET()
}

// input writes V = Bᵀ d B for each tile of a strip. Plane j·(m+2)+i holds element (i, j).
func (w *wide) input() {
	w.fn(fmt.Sprintf("wino%sInput%dAVX512", w.kind, w.m), "winoInputGeneric")
	local := w.AllocLocal(24)
	planes, count, at := local, local.Offset(8), local.Offset(16)
	t := w.arg(reg.RBX)
	p, p3, p5, stride, here, q := reg.R12, reg.R13, reg.R14, reg.R15, reg.RAX, reg.RDX
	w.constants(two, four, five)
	w.MOVQ(mem(t, stripPixel), p)
	w.times(p, p3, p5)
	w.MOVQ(mem(t, stripStride), stride)
	w.MOVQ(mem(t, stripBase), q)
	w.MOVQ(q, at)
	w.strip(t, planes, count, func() {
		w.MOVQ(mem(t, stripSpare), q)
		w.MOVQ(at, reg.RAX)
		for i := range w.n {
			r := wideRows[i]
			w.MOVQ(mem(t, stripRows+8*i), r)
			w.CMPQ(r, imm(1))
			w.LEAQ(memx(reg.RAX, r, 1, 0), r)
			w.CMOVQEQ(q, r)
		}
		w.MOVQ(mem(t, stripStep), q)
		w.ADDQ(q, at)
		w.MOVQ(planes, here)
		w.masks(t, 0, w.n)
		w.MOVQ(mem(t, stripChannels), reg.RCX)
		w.vectors(0, w.n, func() {
			put := func(r reg.VecPhysical) {
				w.VMOVUPS(r, wideMasks[wideTail], mem(q, 0))
				w.ADDQ(stride, q)
			}
			from := func(i, j int) operand.Mem { return pixel(wideRows[i], j, p, p3, p5) }
			if w.kind == phase {
				w.MOVQ(here, q)
				w.inputPhase(from, put)
			} else if w.m == 2 {
				w.MOVQ(here, q)
				w.input2(from, put)
			} else {
				w.LEAQ(memx(stride, stride, 2, 0), q)
				w.LEAQ(memx(here, q, 2, 0), q)
				w.input4(from, put, func() { w.MOVQ(here, q) })
			}
			w.ADDQ(imm(64), here)
			for i := range w.n {
				w.ADDQ(imm(64), wideRows[i])
			}
		})
	})
}

// input2 puts all sixteen results: rows, then columns.
func (w *wide) input2(from func(i, j int) operand.Mem, put func(reg.VecPhysical)) {
	k := wideMasks
	for i := range 4 {
		h := zs[4*i:]
		w.VMOVUPS_Z(from(i, 0), k[0], h[0])
		w.VMOVUPS_Z(from(i, 1), k[1], h[1])
		w.VMOVUPS_Z(from(i, 2), k[2], zs[16])
		w.VSUBPS(zs[16], h[0], h[0])
		w.VSUBPS(h[1], zs[16], h[2])
		w.VMOVAPS(h[1], h[3])
		w.VADDPS(zs[16], h[1], h[1])
		w.VSUBPS(from(i, 3), h[3], k[3], h[3])
	}
	for j := range 4 {
		h := func(i int) reg.VecPhysical { return zs[4*i+j] }
		x := zs[16+4*(j%2):]
		w.VSUBPS(h(2), h(0), x[0])
		w.VADDPS(h(2), h(1), x[1])
		w.VSUBPS(h(1), h(2), x[2])
		w.VSUBPS(h(3), h(1), x[3])
		for i := range 4 {
			put(x[i])
		}
	}
}

// input4 puts columns 1 to 5 of planes, then goes back to the first.
func (w *wide) input4(from func(i, j int) operand.Mem, put func(reg.VecPhysical), first func()) {
	k, c2, c4, c5 := wideMasks, zs[29], zs[30], zs[31]
	a, b := zs[0:6], zs[6:12]
	for i := range 6 {
		x, y := zs[12+2*(i%4)], zs[13+2*(i%4)]
		w.VMOVUPS_Z(from(i, 4), k[4], x) // d4 - 4 d2
		w.VFNMADD231PS(from(i, 2), c4, k[2], x)
		w.VMOVUPS_Z(from(i, 3), k[3], y) // d3 - 4 d1
		w.VFNMADD231PS(from(i, 1), c4, k[1], y)
		w.VADDPS(y, x, a[i])
		w.VSUBPS(y, x, b[i])
	}
	w.column4(a, put)
	w.column4(b, put)
	for i := range 6 {
		x, y := zs[12+2*(i%4)], zs[13+2*(i%4)]
		w.VMOVUPS_Z(from(i, 4), k[4], x) // d4 - d2
		w.VSUBPS(from(i, 2), x, k[2], x)
		w.VMOVUPS_Z(from(i, 3), k[3], y) // d3 - d1
		w.VSUBPS(from(i, 1), y, k[1], y)
		w.VMOVAPS(x, a[i])
		w.VFMADD231PS(c2, y, a[i])
		w.VMOVAPS(x, b[i])
		w.VFNMADD231PS(c2, y, b[i])
	}
	w.column4(a, put)
	w.column4(b, put)
	for i := range 6 {
		w.VMOVUPS_Z(from(i, 4), k[4], a[i]) // 4 d0 - 5 d2 + d4
		w.VFNMADD231PS(from(i, 2), c5, k[2], a[i])
		w.VFMADD231PS(from(i, 0), c4, k[0], a[i])
		w.VMOVUPS_Z(from(i, 5), k[5], b[i]) // 4 d1 - 5 d3 + d5
		w.VFNMADD231PS(from(i, 3), c5, k[3], b[i])
		w.VFMADD231PS(from(i, 1), c4, k[1], b[i])
	}
	w.column4(b, put)
	first()
	w.column4(a, put)
}

// column4 puts Bᵀ h in place of h.
func (w *wide) column4(h []reg.VecPhysical, put func(reg.VecPhysical)) {
	c2, c4, c5, x, y, z := zs[29], zs[30], zs[31], zs[20], zs[21], zs[22]
	w.VFMADD213PS(h[4], c4, h[0]) // 4 h0 + h4 - 5 h2
	w.VFNMADD231PS(h[2], c5, h[0])
	w.VFMADD231PS(h[1], c4, h[5]) // 4 h1 + h5 - 5 h3
	w.VFNMADD231PS(h[3], c5, h[5])
	w.VSUBPS(h[2], h[4], x) // h4 - h2
	w.VSUBPS(h[1], h[3], y) // h3 - h1
	w.VFNMADD213PS(h[4], c4, h[2])
	w.VFNMADD213PS(h[3], c4, h[1])
	w.VADDPS(h[1], h[2], h[3])
	w.VSUBPS(h[1], h[2], h[4])
	w.VMOVAPS(x, z)
	w.VFMADD231PS(y, c2, z)
	w.VFNMADD231PS(y, c2, x)
	for _, r := range []reg.VecPhysical{h[0], h[3], h[4], z, x, h[5]} {
		put(r)
	}
}
