package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// More offsets of kern.dwTile.
const dwBoth, dwLast = 200, 208

// sevenOuts is the outputs of a tile: images of 224 halved five times are multiples of it. A last tile that is less begins
// earlier and computes some outputs again, as the last vector of channels does, so that one kernel does for all.
const sevenOuts = 7

// dwSeven is the kernel for filters 7 wide at stride 1: with AVX-512 in two rows of outputs, from the rows of input that the
// first alone takes, those that both take and those that the second alone takes. Vectors: outputs of the first row and of
// the second, 7 weights for each, and input columns. Registers: RBX the arguments, RAX the channel's byte offset, RCX
// channels left, RSI and RDX columns 0 and 6 of the input, R11 and R15 the weights of the first and of the second row.
type dwSeven struct {
	dw
	row, rowOut, count operand.Mem // input and outputs of the row, rows left
}

func (d *dwSeven) write() {
	d.kw, d.stride, d.outs = 7, 1, sevenOuts
	d.fn("dwF32w7s1"+d.suffix, "DWF32Args.runGeneric")
	local := d.AllocLocal(48)
	d.in, d.out, d.tiles = local, local.Offset(8), local.Offset(16)
	d.row, d.rowOut, d.count = local.Offset(24), local.Offset(32), local.Offset(40)
	t, s, p := d.arg(reg.RBX), reg.RDX, reg.RDI
	d.MOVQ(mem(t, dwColStride), p)
	d.LEAQ(memx(p, p, 2, 0), reg.R8)
	d.LEAQ(memx(p, p, 4, 0), reg.R9)
	d.MOVQ(mem(t, dwWTap), reg.R12)
	d.LEAQ(memx(reg.R12, reg.R12, 2, 0), reg.R13)
	d.LEAQ(memx(reg.R12, reg.R12, 4, 0), reg.R10)
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
	for _, m := range [][2]operand.Mem{{d.in, d.row}, {d.out, d.rowOut}} {
		d.MOVQ(m[0], s)
		d.ADDQ(reg.RAX, s)
		d.MOVQ(s, m[1])
	}
	d.MOVQ(mem(t, dwOutRows), s)
	d.MOVQ(s, d.count)
	d.Label(row)
	d.body()
	d.MOVQ(mem(t, dwInRow), s)
	d.ADDQ(s, d.row)
	d.MOVQ(mem(t, dwOutRow), s)
	d.ADDQ(s, d.rowOut)
	d.DECQ(d.count)
	d.JNZ(operand.LabelRef(row))
	d.ADDQ(imm(d.bytes()), reg.RAX)
	d.SUBQ(imm(d.lanes), reg.RCX)
	d.CMPQ(reg.RCX, imm(d.lanes))
	d.JGE(operand.LabelRef(channels))
	d.TESTQ(reg.RCX, reg.RCX)
	d.JZ(operand.LabelRef(next))
	d.LEAQ(memx(reg.RAX, reg.RCX, 4, -d.bytes()), reg.RAX) // the last vector of channels
	d.MOVQ(operand.I32(int32(d.lanes)), reg.RCX)
	d.JMP(operand.LabelRef(channels))
	d.Label(next)
	d.nextTile(t, s, d.in, d.out, d.tiles, tile)
	d.VZEROUPPER()
	d.RET()
}

// outputs is how many rows of them there are at once.
func (d *dwSeven) outputs() int {
	if d.wide() {
		return 2
	}
	return 1
}

// body computes a vector of channels of a tile.
func (d *dwSeven) body() {
	t, n := reg.RBX, d.outputs()*d.outs
	d.biasStart(d.isa, t, reg.RAX, n, false)
	d.MOVQ(d.row, reg.RSI)
	d.MOVQ(mem(t, dwW), reg.R11)
	d.ADDQ(reg.RAX, reg.R11)
	d.rows(dwRows, true, false)
	if d.outputs() == 2 {
		d.rows(dwBoth, true, true)
		d.rows(dwLast, false, true)
	}
	d.clamp(d.isa, t, dwMin, dwMax, n, d.reg(14), d.reg(15))
	for out := d.outputs() - 1; out >= 0; out-- { // of one row alone the first is what stays
		d.MOVQ(d.rowOut, reg.RSI)
		if out == 1 {
			d.ADDQ(mem(t, dwPair), reg.RSI)
		}
		for j := range d.outs {
			d.VMOVUPS(d.reg(out*d.outs+j), mem(reg.RSI, 0))
			if j < d.outs-1 {
				d.ADDQ(mem(t, dwOutStride), reg.RSI)
			}
		}
	}
}

// rows adds as many rows of input as the argument at offset n says to the first row of outputs, to the second or to both.
func (d *dwSeven) rows(n int, first, second bool) {
	t, w, x := reg.RBX, 7*d.outputs(), 14*d.outputs()
	loop, done := d.label("taps"), d.label("end")
	d.MOVQ(mem(t, n), reg.R14)
	d.TESTQ(reg.R14, reg.R14)
	d.JZ(operand.LabelRef(done))
	d.Label(loop)
	d.LEAQ(memx(reg.RSI, reg.R8, 2, 0), reg.RDX)
	if second {
		d.MOVQ(reg.R11, reg.R15)
		d.SUBQ(mem(t, dwWRow), reg.R15)
	}
	takes := []bool{first, second}
	for out, base := range []reg.GPPhysical{reg.R11, reg.R15} {
		for k := range 7 {
			if takes[out] {
				d.VMOVUPS(sevenAt(base, reg.R12, reg.R13, reg.R10, k), d.reg(w+7*out+k))
			}
		}
	}
	d.columns(func(c int) {
		r, base, i := d.reg(x+c%(4/(3-d.outputs()))), reg.RSI, c
		if c >= 6 {
			base, i = reg.RDX, c-6
		}
		d.VMOVUPS(sevenAt(base, reg.RDI, reg.R8, reg.R9, i), r)
		for out, on := range takes {
			for j := range d.outs {
				if k := c - j; on && k >= 0 && k < 7 {
					d.VFMADD231PS(r, d.reg(w+7*out+k), d.reg(out*d.outs+j))
				}
			}
		}
	})
	d.ADDQ(mem(t, dwRowStride), reg.RSI)
	d.ADDQ(mem(t, dwWRow), reg.R11)
	d.DECQ(reg.R14)
	d.JNZ(operand.LabelRef(loop))
	d.Label(done)
}

// sevenAt is the address of i, up to 6, steps from base: one, three and five are the registers of so many.
func sevenAt(base, one, three, five reg.GPPhysical, i int) operand.Mem {
	switch i {
	case 0:
		return mem(base, 0)
	case 3, 6:
		return memx(base, three, uint8(i/3), 0)
	case 5:
		return memx(base, five, 1, 0)
	}
	return memx(base, one, uint8(i), 0)
}
