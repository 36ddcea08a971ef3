package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dwAny is the kernel for any width, stride and dilation: one output a tile, several vectors of channels at once so that
// their multiply-adds hide each other's latency.
type dwAny struct {
	*asm
	isa
	mode           string // "any" multiplies by weights; "Max" and "Sum" pool
	in, out, tiles operand.Mem
	rowLoop
}

func (d *dwAny) write() {
	if d.mode == "any" {
		d.fn("dwF32any"+d.suffix, "DWF32Args.runGeneric")
	} else {
		d.fn("pool"+d.mode+"F32"+d.suffix, "PoolF32Args.pixel")
	}
	local := d.AllocLocal(48)
	d.in, d.out, d.tiles = local, local.Offset(8), local.Offset(16)
	t, s := d.arg(reg.RBX), reg.RDX
	d.MOVQ(mem(t, dwColStride), reg.RDI)
	d.MOVQ(mem(t, dwWTap), reg.R12)
	d.MOVQ(mem(t, dwIn), s)
	d.rowLoop.start(d.asm, local.Offset(24), d.in, d.out, d.tiles, t, s)
	tile, four, one, tail, next := d.label("tile"), d.label("four"), d.label("one"), d.label("tail"), d.label("next")
	d.Label(tile)
	d.XORQ(reg.RAX, reg.RAX)
	d.MOVQ(mem(t, dwChannels), reg.RCX)
	d.Label(four)
	d.CMPQ(reg.RCX, imm(4*d.lanes))
	d.JLT(operand.LabelRef(one))
	d.body(4, false)
	d.ADDQ(imm(4*d.bytes()), reg.RAX)
	d.SUBQ(imm(4*d.lanes), reg.RCX)
	d.JMP(operand.LabelRef(four))
	d.Label(one)
	d.CMPQ(reg.RCX, imm(d.lanes))
	d.JLT(operand.LabelRef(tail))
	d.body(1, false)
	d.ADDQ(imm(d.bytes()), reg.RAX)
	d.SUBQ(imm(d.lanes), reg.RCX)
	d.JMP(operand.LabelRef(one))
	d.Label(tail)
	d.TESTQ(reg.RCX, reg.RCX)
	d.JZ(operand.LabelRef(next))
	d.setMask(d.isa, reg.RCX)
	d.body(1, true)
	d.Label(next)
	d.nextTile(t, s, d.in, d.out, d.tiles, tile)
	d.rowLoop.end(d.asm)
	d.VZEROUPPER()
	d.RET()
}

func (d *dwAny) body(nv int, masked bool) {
	t, ky, kx, in, w := reg.RBX, reg.R14, reg.R13, reg.RSI, reg.R11
	rowIn, rowW := reg.R8, reg.R9
	switch d.mode {
	case "any":
		d.biasVectors(d.isa, t, reg.RAX, nv, masked)
	case "Max":
		for j := range nv {
			d.VBROADCASTSS(mem(t, dwMin), d.reg(j))
		}
	case "Sum":
		for j := range nv {
			d.clear(d.isa, d.reg(j))
		}
	}
	d.MOVQ(mem(t, dwRows), ky)
	d.MOVQ(d.in, rowIn)
	d.ADDQ(reg.RAX, rowIn)
	d.MOVQ(mem(t, dwW), rowW)
	d.ADDQ(reg.RAX, rowW)
	row, col := d.label("row"), d.label("col")
	d.Label(row)
	d.MOVQ(rowIn, in)
	d.MOVQ(rowW, w)
	d.MOVQ(mem(t, dwCols), kx)
	d.Label(col)
	for j := range nv {
		d.load(d.isa, mem(in, j*d.bytes()), d.reg(4+j), masked)
		switch d.mode {
		case "any":
			d.load(d.isa, mem(w, j*d.bytes()), d.reg(8+j), masked)
			d.VFMADD231PS(d.reg(4+j), d.reg(8+j), d.reg(j))
		case "Max": // the element is the second source: it stays when it is a NaN
			d.VMAXPS(d.reg(4+j), d.reg(j), d.reg(j))
		case "Sum":
			d.VADDPS(d.reg(4+j), d.reg(j), d.reg(j))
		}
	}
	d.ADDQ(reg.RDI, in)
	d.ADDQ(reg.R12, w)
	d.DECQ(kx)
	d.JNZ(operand.LabelRef(col))
	d.ADDQ(mem(t, dwRowStride), rowIn)
	d.ADDQ(mem(t, dwWRow), rowW)
	d.DECQ(ky)
	d.JNZ(operand.LabelRef(row))
	switch d.mode {
	case "any":
		d.clamp(d.isa, t, dwMin, dwMax, nv, d.reg(9), d.reg(10))
	case "Sum":
		d.VBROADCASTSS(mem(t, dwMin), d.reg(9))
		for j := range nv {
			d.VMULPS(d.reg(9), d.reg(j), d.reg(j))
		}
	}
	d.MOVQ(d.out, in)
	d.ADDQ(reg.RAX, in)
	for j := range nv {
		d.store(d.isa, d.reg(j), mem(in, j*d.bytes()), masked)
	}
}

// biasVectors sets registers 0..n-1 to n successive vectors of the bias (or zero).
func (a *asm) biasVectors(v isa, t, off reg.GPPhysical, n int, masked bool) {
	none, done := a.label("nobias"), a.label("started")
	a.MOVQ(mem(t, dwBias), reg.RDX)
	a.TESTQ(reg.RDX, reg.RDX)
	a.JZ(operand.LabelRef(none))
	for j := range n {
		a.load(v, memx(reg.RDX, off, 1, j*v.bytes()), v.reg(j), masked)
	}
	a.JMP(operand.LabelRef(done))
	a.Label(none)
	for j := range n {
		a.clear(v, v.reg(j))
	}
	a.Label(done)
}
