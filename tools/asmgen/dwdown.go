package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Last offsets of kern.dwTile.
const dwTop, dwBottom = 216, 224

// dwDown is a 3x3 depthwise kernel for sixteen registers: tiles of outs neighbours go down all rows of outputs, a vector of
// channels at a time, so that weights stay in registers and each line of input is read once where it is in reach. The first
// row may lack the first row of the kernel and the last row the last. Of channels that are no whole vectors, the last vector
// begins earlier and computes some again, so that one loop does for all; a last tile that is less does so, too.
//
// Registers: RBX the arguments, RAX the channel, RCX channels left, RSI input and R11 output of the row, R14 rows left; RDI,
// R8 and R9 one, three and five columns, R10 a row of input.
type dwDown struct {
	dw
	body  func()      // a row of the tile
	setup func()      // what a vector of channels needs
	size  int         // that RAX counts a channel as
	rolls bool        // see dwRoll
	slot  operand.Mem // its bias
}

// dwDownTiles are the strides and outputs.
var dwDownTiles = [][2]int{{1, 4}, {1, 3}, {2, 3}}

// dwDownF32 writes those of floats. Vectors: 0..3 outputs, 4..12 weights, 14 bias, 15 input, then a bound.
func dwDownF32(a *asm, v isa) {
	for _, k := range dwDownTiles[1:] {
		d := &dwDown{dw: dw{asm: a, isa: v, kw: 3, stride: k[0], outs: k[1]}}
		d.body, d.setup, d.size = d.rowF32, d.setupF32, 4
		d.fn(fmt.Sprintf("dwF32down%dx%d%s", d.stride, d.outs, d.suffix), "DWF32Args.runGeneric")
		d.write()
	}
}

func (d *dwDown) write() {
	frame := 24
	if d.rolls {
		frame += 32
	}
	local := d.AllocLocal(frame)
	d.slot = local.Offset(24)
	d.in, d.out, d.tiles = local, local.Offset(8), local.Offset(16)
	t, s, p := d.arg(reg.RBX), reg.RDX, reg.RDI
	d.MOVQ(mem(t, dwColStride), p)
	d.LEAQ(memx(p, p, 2, 0), reg.R8)
	d.LEAQ(memx(p, p, 4, 0), reg.R9)
	d.MOVQ(mem(t, dwRowStride), reg.R10)
	d.MOVQ(mem(t, dwIn), s)
	d.SUBQ(mem(t, dwBack), s)
	d.MOVQ(s, d.in)
	d.MOVQ(mem(t, dwOut), s)
	d.MOVQ(s, d.out)
	d.MOVQ(mem(t, dwTiles), s)
	d.MOVQ(s, d.tiles)

	tile, channels, row, next := d.label("tile"), d.label("channels"), d.label("row"), d.label("next")
	d.Label(tile)
	d.XORQ(reg.RAX, reg.RAX)
	d.MOVQ(mem(t, dwChannels), reg.RCX)
	d.Label(channels)
	d.setup()
	d.MOVQ(d.in, reg.RSI)
	d.ADDQ(reg.RAX, reg.RSI)
	d.MOVQ(d.out, reg.R11)
	d.ADDQ(reg.RAX, reg.R11)
	d.MOVQ(mem(t, dwOutRows), reg.R14)
	d.Label(row)
	d.body()
	if !d.rolls {
		d.ADDQ(mem(t, dwInRow), reg.RSI)
		d.ADDQ(mem(t, dwOutRow), reg.R11)
		d.DECQ(reg.R14)
		d.JNZ(operand.LabelRef(row))
	}
	step := d.lanes * d.size
	d.ADDQ(imm(step), reg.RAX)
	d.SUBQ(imm(d.lanes), reg.RCX)
	d.CMPQ(reg.RCX, imm(d.lanes))
	d.JGE(operand.LabelRef(channels))
	d.TESTQ(reg.RCX, reg.RCX)
	d.JZ(operand.LabelRef(next))
	d.LEAQ(memx(reg.RAX, reg.RCX, uint8(d.size), -step), reg.RAX) // the last vector of channels
	d.MOVQ(operand.I32(int32(d.lanes)), reg.RCX)
	d.JMP(operand.LabelRef(channels))
	d.Label(next)
	d.nextTile(t, s, d.in, d.out, d.tiles, tile)
	d.VZEROUPPER()
	d.RET()
}

// at is input column c of a row.
func (d *dwDown) at(row reg.GPPhysical, c int) operand.Mem {
	return sevenAt(row, reg.RDI, reg.R8, reg.R9, c)
}

// setupF32 loads the weights and the bias.
func (d *dwDown) setupF32() {
	t, w, tap := reg.RBX, reg.RSI, reg.RDX
	none, x, first := d.label("nobias"), d.reg(14), 4
	if d.rolls {
		x, first = d.reg(15), 6
	}
	d.VXORPS(x, x, x)
	d.MOVQ(mem(t, dwBias), w)
	d.TESTQ(w, w)
	d.JZ(operand.LabelRef(none))
	d.VMOVUPS(memx(w, reg.RAX, 1, 0), x)
	d.Label(none)
	if d.rolls {
		d.VMOVUPS(x, d.slot)
		d.MOVQ(mem(t, dwOutStride), reg.R12)
		d.MOVQ(mem(t, dwOutRow), reg.R13)
	}
	d.MOVQ(mem(t, dwW), w)
	d.ADDQ(reg.RAX, w)
	d.MOVQ(mem(t, dwWTap), tap)
	for i := range 9 {
		d.VMOVUPS(mem(w, 0), d.reg(first+i))
		if i < 8 {
			d.ADDQ(tap, w)
		}
	}
}

// rowF32 computes a row of the tile.
func (d *dwDown) rowF32() {
	t, x := reg.RBX, d.reg(15)
	for j := range d.outs {
		d.VMOVAPS(d.reg(14), d.reg(j))
	}
	d.MOVQ(reg.RSI, reg.RDX)
	for ky, missing := range []int{dwTop, 0, dwBottom} {
		skip := d.label("norow")
		if missing != 0 {
			d.CMPQ(reg.R14, mem(t, missing))
			d.JEQ(operand.LabelRef(skip))
		}
		d.columns(func(c int) {
			d.VMOVUPS(d.at(reg.RDX, c), x)
			for j := range d.outs {
				if k := c - j*d.stride; k >= 0 && k < 3 {
					d.VFMADD231PS(x, d.reg(4+3*ky+k), d.reg(j))
				}
			}
		})
		d.Label(skip)
		if ky < 2 {
			d.ADDQ(reg.R10, reg.RDX)
		}
	}
	d.VBROADCASTSS(mem(t, dwMin), x)
	for j := range d.outs {
		d.VMAXPS(d.reg(j), x, d.reg(j))
	}
	d.VBROADCASTSS(mem(t, dwMax), x)
	for j := range d.outs {
		d.VMINPS(d.reg(j), x, d.reg(j))
	}
	d.MOVQ(reg.R11, reg.RDX)
	for j := range d.outs {
		d.VMOVUPS(d.reg(j), mem(reg.RDX, 0))
		d.ADDQ(mem(t, dwOutStride), reg.RDX)
	}
}
