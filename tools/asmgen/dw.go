package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.dwTile.
const (
	dwIn, dwRowStride, dwRows, dwCols, dwColStride   = 0, 8, 16, 24, 32
	dwW, dwWRow, dwWTap, dwOut, dwOutStride          = 40, 48, 56, 64, 72
	dwBias, dwChannels, dwTiles, dwInStep, dwOutStep = 80, 88, 96, 104, 112
	dwLeft, dwRight, dwBack                          = 144, 152, 160
	dwMin, dwMax                                     = 120, 124
	dwOutRows, dwInRow, dwOutRow, dwPair             = 168, 176, 184, 192
)

// dwF32 writes the depthwise kernels: for the common widths and strides tiles of one to four neighbouring outputs, which
// share the input columns they read, and one for any width, stride and dilation.
func dwF32(a *asm, v isa) {
	if !v.wide() {
		dwDownF32(a, v)
		dwRollF32(a, v)
	}
	for _, k := range []int{3, 5} {
		for _, s := range []int{1, 2} {
			for t := 4; t >= 1 && (k == 5 || v.wide()); t-- {
				(&dw{asm: a, isa: v, kw: k, stride: s, outs: t}).write()
				if v.wide() && k == 3 && s == 1 {
					(&dw{asm: a, isa: v, kw: k, stride: s, outs: t, pair: true}).write()
				}
			}
		}
	}
	(&dwSeven{dw: dw{asm: a, isa: v}}).write()
	for _, mode := range []string{"any", "Max", "Sum"} {
		(&dwAny{asm: a, isa: v, mode: mode}).write()
	}
}

// dw is one kernel. Vectors: 0..3 outputs, 4..8 weights of a kernel row, the rest input columns. Registers: RBX the
// arguments, RAX the channel's byte offset, RCX channels left, RSI and R11 the input and weights of the kernel row.
type dw struct {
	*asm
	isa
	kw, stride, outs int
	pair             bool // two rows of outputs at once, from kw+1 rows of input; takes the registers of AVX-512
	in, out, tiles   operand.Mem
	rowLoop
}

// rowLoop goes over rows of outputs that all take the same taps: so many rows a call, as a call costs more than a short row.
type rowLoop struct {
	rowIn, rowOut, rows operand.Mem
	again               string
}

// start opens the loop; RDX holds the address of the first row's input.
func (r *rowLoop) start(a *asm, local, in, out, tiles operand.Mem, t, s reg.Register) {
	r.rowIn, r.rowOut, r.rows = local, local.Offset(8), local.Offset(16)
	a.MOVQ(s, r.rowIn)
	a.MOVQ(mem(t, dwOut), s)
	a.MOVQ(s, r.rowOut)
	a.MOVQ(mem(t, dwOutRows), s)
	a.MOVQ(s, r.rows)
	r.again = a.label("outrow")
	a.Label(r.again)
	a.MOVQ(r.rowIn, s)
	a.MOVQ(s, in)
	a.ADDQ(mem(t, dwInRow), s)
	a.MOVQ(s, r.rowIn)
	a.MOVQ(r.rowOut, s)
	a.MOVQ(s, out)
	a.ADDQ(mem(t, dwOutRow), s)
	a.MOVQ(s, r.rowOut)
	a.MOVQ(mem(t, dwTiles), s)
	a.MOVQ(s, tiles)
}

// end closes it.
func (r *rowLoop) end(a *asm) {
	a.DECQ(r.rows)
	a.JNZ(operand.LabelRef(r.again))
}

func (d *dw) cols() int { return (d.outs-1)*d.stride + d.kw }

func (d *dw) write() {
	name, body := fmt.Sprintf("dwF32w%ds%dx%d%s", d.kw, d.stride, d.outs, d.suffix), d.body
	if d.pair {
		name, body = fmt.Sprintf("dwF32w%ds%dx%dx2%s", d.kw, d.stride, d.outs, d.suffix), d.pairBody
	}
	d.fn(name, "DWF32Args.runGeneric")
	local := d.AllocLocal(48)
	d.in, d.out, d.tiles = local, local.Offset(8), local.Offset(16)
	t := d.arg(reg.RBX)
	s := reg.RDX
	p := reg.RDI
	d.MOVQ(mem(t, dwColStride), p)
	d.LEAQ(memx(p, p, 2, 0), reg.R8)       // 3 columns
	d.LEAQ(memx(p, p, 4, 0), reg.R9)       // 5 columns
	d.LEAQ(memx(reg.R8, p, 4, 0), reg.R10) // 7 columns
	d.LEAQ(memx(p, p, 8, 0), reg.R15)      // 9 columns
	d.MOVQ(mem(t, dwWTap), reg.R12)
	d.LEAQ(memx(reg.R12, reg.R12, 2, 0), reg.R13)
	d.MOVQ(mem(t, dwIn), s)
	d.SUBQ(mem(t, dwBack), s)
	d.rowLoop.start(d.asm, local.Offset(24), d.in, d.out, d.tiles, t, s)

	tile, channels, tail, next := d.label("tile"), d.label("channels"), d.label("tail"), d.label("next")
	d.Label(tile)
	d.XORQ(reg.RAX, reg.RAX)
	d.MOVQ(mem(t, dwChannels), reg.RCX)
	d.CMPQ(reg.RCX, imm(d.lanes))
	d.JLT(operand.LabelRef(tail))
	d.Label(channels)
	body(false)
	d.ADDQ(imm(d.bytes()), reg.RAX)
	d.SUBQ(imm(d.lanes), reg.RCX)
	d.CMPQ(reg.RCX, imm(d.lanes))
	d.JGE(operand.LabelRef(channels))
	d.Label(tail)
	d.TESTQ(reg.RCX, reg.RCX)
	d.JZ(operand.LabelRef(next))
	d.setMask(d.isa, reg.RCX)
	body(true)
	d.Label(next)
	d.nextTile(t, s, d.in, d.out, d.tiles, tile)
	d.rowLoop.end(d.asm)
	d.VZEROUPPER()
	d.RET()
}

// nextTile goes on, in the struct that t points to, with the next tile of outputs, or ends; s is free for it.
func (a *asm) nextTile(t, s reg.Register, in, out, tiles operand.Mem, tile string) {
	a.MOVQ(mem(t, dwInStep), s)
	a.ADDQ(s, in)
	a.MOVQ(mem(t, dwOutStep), s)
	a.ADDQ(s, out)
	a.DECQ(tiles)
	a.JNZ(operand.LabelRef(tile))
}

// column is the address of input column c of the current kernel row.
func (d *dw) column(c int) operand.Mem {
	b, p := reg.RSI, reg.RDI
	switch c {
	case 0:
		return mem(b, 0)
	case 1, 2, 4, 8:
		return memx(b, p, uint8(c), 0)
	case 3, 6:
		return memx(b, reg.R8, uint8(c/3), 0)
	case 5, 10:
		return memx(b, reg.R9, uint8(c/5), 0)
	case 7:
		return memx(b, reg.R10, 1, 0)
	case 9:
		return memx(b, reg.R15, 1, 0)
	}
	panic("column out of reach")
}

func (d *dw) weight(c int) operand.Mem {
	switch c {
	case 0:
		return mem(reg.R11, 0)
	case 3:
		return memx(reg.R11, reg.R13, 1, 0)
	}
	return memx(reg.R11, reg.R12, uint8(c), 0)
}

// body computes one vector of channels of the tile.
func (d *dw) body(masked bool) {
	t, ky, s := reg.RBX, reg.R14, reg.RDX
	d.biasStart(d.isa, t, reg.RAX, d.outs, masked)
	d.MOVQ(mem(t, dwRows), ky)
	d.MOVQ(d.in, reg.RSI)
	d.ADDQ(reg.RAX, reg.RSI)
	d.MOVQ(mem(t, dwW), reg.R11)
	d.ADDQ(reg.RAX, reg.R11)
	row := d.label("row")
	d.Label(row)
	for k := range d.kw {
		d.load(d.isa, d.weight(k), d.reg(4+k), masked)
	}
	d.columns(func(c int) {
		x := d.reg(9 + c%5)
		d.load(d.isa, d.column(c), x, masked)
		for j := range d.outs {
			if k := c - j*d.stride; k >= 0 && k < d.kw {
				d.VFMADD231PS(x, d.reg(4+k), d.reg(j))
			}
		}
	})
	d.ADDQ(mem(t, dwRowStride), reg.RSI)
	d.ADDQ(mem(t, dwWRow), reg.R11)
	d.DECQ(ky)
	d.JNZ(operand.LabelRef(row))
	d.clamp(d.isa, t, dwMin, dwMax, d.outs, d.reg(9), d.reg(10))
	d.MOVQ(d.out, reg.RSI)
	d.ADDQ(reg.RAX, reg.RSI)
	d.MOVQ(mem(t, dwOutStride), s)
	for j := range d.outs {
		d.store(d.isa, d.reg(j), mem(reg.RSI, 0), masked)
		if j < d.outs-1 {
			d.ADDQ(s, reg.RSI)
		}
	}
}

// pairBody computes one vector of channels of the tile in two rows. Vectors: outputs of the first row, then of the second,
// all weights, and input columns.
func (d *dw) pairBody(masked bool) {
	t, w, x := reg.RBX, 2*d.outs, 2*d.outs+d.kw*d.kw
	d.biasStart(d.isa, t, reg.RAX, 2*d.outs, masked)
	d.MOVQ(mem(t, dwW), reg.R11)
	d.ADDQ(reg.RAX, reg.R11)
	for ky := range d.kw {
		for k := range d.kw {
			d.load(d.isa, d.weight(k), d.reg(w+ky*d.kw+k), masked)
		}
		if ky < d.kw-1 {
			d.ADDQ(mem(t, dwWRow), reg.R11)
		}
	}
	d.MOVQ(d.in, reg.RSI)
	d.ADDQ(reg.RAX, reg.RSI)
	for row := range d.kw + 1 {
		d.columns(func(c int) {
			r := d.reg(x + c%6)
			d.load(d.isa, d.column(c), r, masked)
			for out := range 2 {
				for j := range d.outs {
					if k, ky := c-j*d.stride, row-out; k >= 0 && k < d.kw && ky >= 0 && ky < d.kw {
						d.VFMADD231PS(r, d.reg(w+ky*d.kw+k), d.reg(out*d.outs+j))
					}
				}
			}
		})
		if row < d.kw {
			d.ADDQ(mem(t, dwRowStride), reg.RSI)
		}
	}
	d.clamp(d.isa, t, dwMin, dwMax, 2*d.outs, d.reg(x), d.reg(x+1))
	for out := range 2 {
		d.MOVQ(d.out, reg.RSI)
		d.ADDQ(reg.RAX, reg.RSI)
		if out == 1 {
			d.ADDQ(mem(t, dwPair), reg.RSI)
		}
		for j := range d.outs {
			d.store(d.isa, d.reg(out*d.outs+j), mem(reg.RSI, 0), masked)
			if j < d.outs-1 {
				d.ADDQ(mem(t, dwOutStride), reg.RSI)
			}
		}
	}
}

// columns goes over the input columns of a tile that some output reads. Those at either end may lie in the padding, where
// the arguments say how many to leave out.
func (d *dw) columns(f func(c int)) {
	n := d.cols()
	for c := range n {
		read := false
		for j := range d.outs {
			k := c - j*d.stride
			read = read || k >= 0 && k < d.kw
		}
		if !read {
			continue
		}
		skip := d.label("skip")
		end, count := 0, 0
		switch {
		case c < d.kw/2:
			end, count = dwLeft, c+1
		case c >= n-d.kw/2:
			end, count = dwRight, n-c
		}
		if end != 0 {
			d.CMPQ(mem(reg.RBX, end), imm(count))
			d.JGE(operand.LabelRef(skip))
		}
		f(c)
		if end != 0 {
			d.Label(skip)
		}
	}
}

// biasStart sets registers 0..n-1 to the same vector of the bias (or zero).
func (a *asm) biasStart(v isa, t, off reg.GPPhysical, n int, masked bool) {
	none, done := a.label("nobias"), a.label("started")
	a.MOVQ(mem(t, dwBias), reg.RDX)
	a.TESTQ(reg.RDX, reg.RDX)
	a.JZ(operand.LabelRef(none))
	a.load(v, memx(reg.RDX, off, 1, 0), v.reg(0), masked)
	a.JMP(operand.LabelRef(done))
	a.Label(none)
	a.clear(v, v.reg(0))
	a.Label(done)
	for j := 1; j < n; j++ {
		a.VMOVAPS(v.reg(0), v.reg(j))
	}
}
