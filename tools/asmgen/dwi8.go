package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.dwTileI8 after those it shares with kern.dwTile.
const (
	dwI8Scale, dwI8InZero, dwI8OutZero = 128, 136, 140
)

// dwI8 writes the integer depthwise kernels, for signed and unsigned inputs: tiles of one to four neighbouring outputs
// for the common shapes and one kernel for any. AVX2 leaves channels past the last whole vector to Go.
func dwI8(a *asm, v isa) {
	if !v.wide() {
		dwDownI8(a, v)
	}
	for _, signed := range []bool{true, false} {
		for _, k := range []int{3, 5} {
			for _, s := range []int{1, 2} {
				for t := 4; t >= 1 && (k == 5 || v.wide()); t-- {
					(&dwInt{dw: dw{asm: a, isa: v, kw: k, stride: s, outs: t}, signed: signed}).write()
				}
			}
		}
		(&dwInt{dw: dw{asm: a, isa: v, kw: 1, stride: 1, outs: 1}, signed: signed, any: true}).write()
	}
}

// dwInt is dw with bytes for pixels; weights are 16-bit numbers, each in the low half of 32 bits. Vectors: 0..3 outputs,
// 4..8 weights of a kernel row, 9..12 input columns, 13 products, 14 the input's zero point. RAX counts channels.
type dwInt struct {
	dw
	signed bool
	any    bool
}

func (d *dwInt) write() {
	sign := "U8"
	if d.signed {
		sign = "I8"
	}
	name := fmt.Sprintf("dw%sw%ds%dx%d%s", sign, d.kw, d.stride, d.outs, d.suffix)
	if d.any {
		name = "dw" + sign + "any" + d.suffix
	}
	d.fn(name, "DWI8Args.pixel")
	local := d.AllocLocal(24)
	d.in, d.out, d.tiles = local, local.Offset(8), local.Offset(16)
	t := d.arg(reg.RBX)
	s := reg.RDX
	for _, f := range []struct {
		from int
		to   operand.Mem
	}{{dwIn, d.in}, {dwOut, d.out}, {dwTiles, d.tiles}} {
		d.MOVQ(mem(t, f.from), s)
		if f.from == dwIn && !d.any {
			d.SUBQ(mem(t, dwBack), s)
		}
		d.MOVQ(s, f.to)
	}
	p := reg.RDI
	d.MOVQ(mem(t, dwColStride), p)
	d.LEAQ(memx(p, p, 2, 0), reg.R8)
	d.LEAQ(memx(p, p, 4, 0), reg.R9)
	d.LEAQ(memx(reg.R8, p, 4, 0), reg.R10)
	d.LEAQ(memx(p, p, 8, 0), reg.R15)
	d.MOVQ(mem(t, dwWTap), reg.R12)
	d.LEAQ(memx(reg.R12, reg.R12, 2, 0), reg.R13)
	d.VPBROADCASTD(mem(t, dwI8InZero), d.reg(14))

	tile, channels, tail, next := d.label("tile"), d.label("channels"), d.label("tail"), d.label("next")
	d.Label(tile)
	d.XORQ(reg.RAX, reg.RAX)
	d.MOVQ(mem(t, dwChannels), reg.RCX)
	d.CMPQ(reg.RCX, imm(d.lanes))
	d.JLT(operand.LabelRef(tail))
	d.Label(channels)
	d.body(false)
	d.ADDQ(imm(d.lanes), reg.RAX)
	d.SUBQ(imm(d.lanes), reg.RCX)
	d.CMPQ(reg.RCX, imm(d.lanes))
	d.JGE(operand.LabelRef(channels))
	d.Label(tail)
	if d.wide() {
		d.TESTQ(reg.RCX, reg.RCX)
		d.JZ(operand.LabelRef(next))
		d.setMask(d.isa, reg.RCX)
		d.body(true)
	}
	d.Label(next)
	d.nextTile(t, s, d.in, d.out, d.tiles, tile)
	d.VZEROUPPER()
	d.RET()
}

// pixel loads a vector of channels as 32-bit numbers with the zero point taken off.
func (d *dwInt) pixel(m operand.Mem, x reg.VecPhysical, masked bool) {
	switch {
	case d.signed && masked:
		d.VPMOVSXBD_Z(m, ks[3], x)
	case d.signed:
		d.VPMOVSXBD(m, x)
	case masked:
		d.VPMOVZXBD_Z(m, ks[3], x)
	default:
		d.VPMOVZXBD(m, x)
	}
	d.VPSUBD(d.reg(14), x, x)
}

func (d *dwInt) mulAdd(x, w, acc reg.VecPhysical) {
	if d.wide() {
		d.VPDPWSSD(w, x, acc)
		return
	}
	d.VPMADDWD(w, x, d.reg(13))
	d.VPADDD(d.reg(13), acc, acc)
}

// body computes one vector of channels of the tile.
func (d *dwInt) body(masked bool) {
	t, ky := reg.RBX, reg.R14
	d.MOVQ(mem(t, dwBias), reg.RDX)
	d.load(d.isa, memx(reg.RDX, reg.RAX, 4, 0), d.reg(0), false)
	for j := 1; j < d.outs; j++ {
		d.VMOVAPS(d.reg(0), d.reg(j))
	}
	d.MOVQ(mem(t, dwRows), ky)
	d.MOVQ(d.in, reg.RSI)
	d.ADDQ(reg.RAX, reg.RSI)
	d.MOVQ(mem(t, dwW), reg.R11)
	d.LEAQ(memx(reg.R11, reg.RAX, 4, 0), reg.R11)
	row := d.label("row")
	d.Label(row)
	if d.any {
		d.anyRow(masked)
	} else {
		d.sharedRow(masked)
	}
	d.ADDQ(mem(t, dwRowStride), reg.RSI)
	d.ADDQ(mem(t, dwWRow), reg.R11)
	d.DECQ(ky)
	d.JNZ(operand.LabelRef(row))
	d.finish(masked)
}

func (d *dwInt) sharedRow(masked bool) {
	for k := range d.kw {
		d.load(d.isa, d.weight(k), d.reg(4+k), false)
	}
	d.columns(func(c int) {
		x := d.reg(9 + c%4)
		d.pixel(d.column(c), x, masked)
		for j := range d.outs {
			if k := c - j*d.stride; k >= 0 && k < d.kw {
				d.mulAdd(x, d.reg(4+k), d.reg(j))
			}
		}
	})
}

// anyRow loops over the columns of a kernel row: R8 the pixel, R9 the weight, R13 columns left.
func (d *dwInt) anyRow(masked bool) {
	d.MOVQ(reg.RSI, reg.R8)
	d.MOVQ(reg.R11, reg.R9)
	d.MOVQ(mem(reg.RBX, dwCols), reg.R13)
	col := d.label("col")
	d.Label(col)
	d.pixel(mem(reg.R8, 0), d.reg(9), masked)
	d.load(d.isa, mem(reg.R9, 0), d.reg(4), false)
	d.mulAdd(d.reg(9), d.reg(4), d.reg(0))
	d.ADDQ(reg.RDI, reg.R8)
	d.ADDQ(reg.R12, reg.R9)
	d.DECQ(reg.R13)
	d.JNZ(operand.LabelRef(col))
}

// finish requantises: the bound is the second source, which VMAXPS returns for a NaN.
func (d *dwInt) finish(masked bool) {
	t, s := reg.RBX, reg.RDX
	d.MOVQ(mem(t, dwI8Scale), s)
	d.load(d.isa, memx(s, reg.RAX, 4, 0), d.reg(9), false)
	d.VBROADCASTSS(mem(t, dwMin), d.reg(10))
	d.VBROADCASTSS(mem(t, dwMax), d.reg(11))
	d.VPBROADCASTD(mem(t, dwI8OutZero), d.reg(12))
	if !d.wide() {
		d.VPCMPEQD(d.reg(8), d.reg(8), d.reg(8))
		d.VPSRLD(operand.U8(24), d.reg(8), d.reg(8))
	}
	d.MOVQ(d.out, reg.RSI)
	d.ADDQ(reg.RAX, reg.RSI)
	d.MOVQ(mem(t, dwOutStride), s)
	for j := range d.outs {
		r := d.reg(j)
		d.VCVTDQ2PS(r, r)
		d.VMULPS(d.reg(9), r, r)
		d.VMAXPS(d.reg(10), r, r)
		d.VMINPS(d.reg(11), r, r)
		d.VCVTPS2DQ(r, r)
		d.VPADDD(d.reg(12), r, r)
		switch {
		case d.wide() && masked:
			d.VPMOVDB(r, ks[3], mem(reg.RSI, 0))
		case d.wide():
			d.VPMOVDB(r, mem(reg.RSI, 0))
		default:
			d.VPAND(d.reg(8), r, r)
			d.VEXTRACTI128(operand.U8(1), r, reg.X13)
			d.VPACKUSDW(reg.X13, xs[j], reg.X13)
			d.VPACKUSWB(reg.X13, reg.X13, reg.X13)
			d.VMOVQ(reg.X13, mem(reg.RSI, 0))
		}
		if j < d.outs-1 {
			d.ADDQ(s, reg.RSI)
		}
	}
}
