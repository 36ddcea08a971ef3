package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// wideOutput is the registers of what writes the results of a strip.
type wideOutput struct {
	*wide
	pooled               bool
	t                    reg.Register
	out, p, p3           reg.GPPhysical // where a tile's results go; from one pixel to the next, and three times that
	res, rp, rp3         reg.GPPhysical // the same of the residual; res is 0 without one
	here, stride, s3, s5 reg.GPPhysical // a tile's planes; from one to the next, and three and five times that
	q, row               reg.GPPhysical // for short use
	lo, hi               reg.VecPhysical
}

// output writes Y = Aᵀ m A for each tile of a strip, adds a residual, clamps. It knows of no bias, as its
// twin. Pooled, it writes the maximum of each two by two of Y, and knows of no residual.
func (w *wide) output(pooled bool) {
	name, width := "Output", w.m
	if pooled {
		name, width = "Pooled", w.m/2
	}
	w.fn(fmt.Sprintf("wino%s%s%dAVX512", w.kind, name, w.m), "winoOutputGeneric")
	local := w.AllocLocal(16)
	o := &wideOutput{
		wide: w, pooled: pooled, t: w.arg(reg.RBX),
		out: reg.RSI, p: reg.R8, p3: reg.R9, res: reg.RDI, rp: reg.R10, rp3: reg.R11,
		here: reg.RAX, stride: reg.R13, s3: reg.R14, s5: reg.R15, q: reg.RDX, row: reg.R12, lo: zs[27], hi: zs[28],
	}
	o.load()
	w.strip(o.t, local, local.Offset(8), func() {
		w.MOVQ(local, o.here)
		w.masks(o.t, 1, width)
		w.MOVQ(mem(o.t, stripChannels), reg.RCX)
		w.vectors(1, width, o.vector)
		o.next()
	})
}

// load reads the arguments.
func (o *wideOutput) load() {
	o.constants(two, four, eight)
	o.VBROADCASTSS(mem(o.t, stripMin), o.lo)
	o.VBROADCASTSS(mem(o.t, stripMax), o.hi)
	o.MOVQ(mem(o.t, stripPixel), o.p)
	o.LEAQ(memx(o.p, o.p, 2, 0), o.p3)
	if !o.pooled {
		o.MOVQ(mem(o.t, stripResPixel), o.rp)
		o.LEAQ(memx(o.rp, o.rp, 2, 0), o.rp3)
		o.MOVQ(mem(o.t, stripRes), o.res)
	}
	o.MOVQ(mem(o.t, stripStride), o.stride)
	o.times(o.stride, o.s3, o.s5)
	o.MOVQ(mem(o.t, stripBase), o.out)
}

// vector is sixteen channels of a tile.
func (o *wideOutput) vector() {
	store, tail := o.store, wideMasks[wideTail]
	if o.pooled {
		store = o.storePooled
	}
	if o.kind == phase {
		o.outputPhase(o.here, o.stride, o.s3, o.q, tail, store)
	} else if o.m == 2 {
		o.output2(o.plane, o.column, tail, store)
	} else {
		o.output4(o.plane, o.column, tail, store)
	}
	o.ADDQ(imm(64), o.here)
	o.ADDQ(imm(64), o.out)
	if o.pooled {
		return
	}
	over := o.label("over")
	o.TESTQ(o.res, o.res)
	o.JZ(operand.LabelRef(over))
	o.ADDQ(imm(64), o.res)
	o.Label(over)
}

// plane is the i-th of the column of planes that column chose.
func (o *wideOutput) plane(i int) operand.Mem { return pixel(o.q, i, o.stride, o.s3, o.s5) }

// column goes to the j-th column of planes, the one after the last.
func (o *wideOutput) column(j int) {
	if j == 0 {
		o.MOVQ(o.here, o.q)
		return
	}
	for range o.n / 2 {
		o.LEAQ(memx(o.q, o.stride, 2, 0), o.q)
	}
}

func (o *wideOutput) clamp(y []reg.VecPhysical) {
	nohi := o.label("nohi")
	for _, r := range y {
		o.VMAXPS(r, o.lo, r)
	}
	o.CMPL(mem(o.t, stripMax), operand.U32(0x7f800000))
	o.JEQ(operand.LabelRef(nohi))
	for _, r := range y {
		o.VMINPS(r, o.hi, r)
	}
	o.Label(nohi)
}

// store finishes and writes row i of a tile, if there is one.
func (o *wideOutput) store(i int, y []reg.VecPhysical) {
	skip, nores := o.label("skip"), o.label("nores")
	o.MOVQ(mem(o.t, stripRows+8*i), o.row)
	o.CMPQ(o.row, imm(1))
	o.JEQ(operand.LabelRef(skip))
	o.TESTQ(o.res, o.res)
	o.JZ(operand.LabelRef(nores))
	o.MOVQ(mem(o.t, stripResRows+8*i), o.q)
	o.ADDQ(o.res, o.q)
	for j, r := range y {
		o.VADDPS(pixel(o.q, j, o.rp, o.rp3, nil), r, wideMasks[1+j], r)
	}
	o.Label(nores)
	o.ADDQ(o.out, o.row)
	o.clamp(y)
	for j, r := range y {
		o.VMOVUPS(r, wideMasks[1+j], pixel(o.row, j, o.p, o.p3, nil))
	}
	o.Label(skip)
}

// storePooled takes row i into the maxima of its pair of rows, and writes them behind the second. Rows come in the order 0,
// 2, 1, 3, so each maximum takes its four in a pool's.
func (o *wideOutput) storePooled(i int, y []reg.VecPhysical) {
	o.clamp(y)
	h := zs[20:24][i/2*2:]
	if i%2 == 0 {
		o.VMAXPS(y[1], y[0], h[0])
		o.VMAXPS(y[3], y[2], h[1])
		return
	}
	for j := range 2 {
		o.VMAXPS(y[2*j], h[j], h[j])
		o.VMAXPS(y[2*j+1], h[j], h[j])
	}
	skip := o.label("skip")
	o.MOVQ(mem(o.t, stripRows+8*(i/2)), o.row)
	o.CMPQ(o.row, imm(1))
	o.JEQ(operand.LabelRef(skip))
	o.VMOVUPS(h[0], wideMasks[1], memx(o.out, o.row, 1, 0))
	o.ADDQ(o.p, o.row)
	o.VMOVUPS(h[1], wideMasks[2], memx(o.out, o.row, 1, 0))
	o.Label(skip)
}

// next goes to the next tile, from behind the vectors of this one.
func (o *wideOutput) next() {
	over := o.label("over")
	o.MOVQ(mem(o.t, stripChannels), o.q)
	o.ADDQ(imm(15), o.q)
	o.ANDQ(imm(-16), o.q)
	o.SHLQ(operand.U8(2), o.q)
	o.SUBQ(o.q, o.out)
	o.ADDQ(mem(o.t, stripStep), o.out)
	if o.pooled {
		return
	}
	o.TESTQ(o.res, o.res)
	o.JZ(operand.LabelRef(over))
	o.SUBQ(o.q, o.res)
	o.ADDQ(mem(o.t, stripResStep), o.res)
	o.Label(over)
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
