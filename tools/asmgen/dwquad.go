package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.dwQuadTile; its four row pointers come first.
const (
	dwqStep, dwqTap, dwqOut, dwqOutRow, dwqOutStep, dwqSteps = 32, 40, 48, 56, 64, 72
	dwqChannels, dwqW, dwqCols, dwqMask                      = 80, 88, 96, 104
	dwqZero, dwqLo, dwqHi, dwqXor                            = 112, 116, 120, 124
)

// dwQuads writes the 3x3 depthwise kernels over quads (see kern.DWI8Quads): for two rows of outputs, which share four
// rows of input, and for one; and the copy of an input row.
func dwQuads(a *asm) {
	q := &dwQuad{asm: a}
	// Bytes of two registers, each two rows of 32 channels, to four rows of 4 channels in each 128 bits, so that packing to
	// 16 bits puts 8 neighbours there.
	for h := range 2 {
		q.quads[h] = q.table(fmt.Sprintf("quads%d", h), func(i int) byte {
			return byte(32*(i%4) + 8*(i/16) + 4*h + i%16/4)
		})
	}
	q.split = q.table("quadRows", func(i int) byte { // 64-bit elements: the first row's, then the second's
		if i%8 != 0 {
			return 0
		}
		return byte(i/8%4*2 + i/32)
	})
	q.write(2)
	q.write(1)
	q.along(2, 1)
	q.along(1, 2)
	q.copyRow()
}

type dwQuad struct {
	*asm
	quads [2]operand.Mem
	split operand.Mem
}

// table is 64 bytes of constants.
func (q *dwQuad) table(name string, f func(int) byte) operand.Mem {
	m := q.StaticGlobal(name)
	q.DataAttributes(build.RODATA | build.NOPTR)
	for i := 0; i < 64; i += 8 {
		var v uint64
		for j := range 8 {
			v |= uint64(f(i+j)) << (8 * j)
		}
		q.AddDatum(i, operand.U64(v))
	}
	return m
}

// write is the kernel for that many rows of outputs. Vectors: 0..3 sums, two a row; 4..9 weights of the taps of a kernel
// row, 10..15 those for the second row; 16, 17 bias; 18, 19 scales; 20 to 26 constants; from 27 what is read.
func (q *dwQuad) write(rows int) {
	q.fn(fmt.Sprintf("dwQuads%dAVX512", rows), "DWI8Args.pixel")
	t := q.arg(reg.RBX)
	r := []reg.GPPhysical{reg.RSI, reg.RDI, reg.R8, reg.R9}
	step, tap, out, outRow, outStep, n := reg.R10, reg.R11, reg.R12, reg.R13, reg.R14, reg.R15
	block, w, cols := reg.RAX, reg.RCX, reg.RDX // block counts channels; what is left comes from memory
	quads, split, limits := zs[20:22], zs[26], [4]operand.Op{zs[22], zs[23], zs[24], zs[25]}
	q.constants(t, quads, split, limits)
	q.MOVQ(mem(t, dwqW), w)
	q.MOVQ(mem(t, dwqCols), cols)
	q.MOVQ(mem(t, dwqTap), tap)
	q.MOVQ(mem(t, dwqStep), step)
	q.MOVQ(mem(t, dwqOutRow), outRow)
	q.MOVQ(mem(t, dwqOutStep), outStep)
	q.XORQ(block, block)

	loop, pixel := q.label("block"), q.label("pixel")
	q.Label(loop)
	for i := range 6 * rows {
		q.VMOVDQU64(mem(w, 64*i), zs[4+i])
	}
	for i := range 4 {
		q.VMOVDQU64(mem(cols, 64*i), zs[16+i])
	}
	q.pointers(t, r, out, n, block)

	q.Label(pixel)
	for i := range rows {
		q.VMOVDQA64(zs[16], zs[2*i])
		q.VMOVDQA64(zs[17], zs[2*i+1])
	}
	for k := range 3 {
		at := func(p reg.GPPhysical) operand.Mem {
			if k == 0 {
				return mem(p, 0)
			}
			return memx(p, tap, uint8(k), 0)
		}
		x, y, z := zs[27], zs[28], zs[29]
		q.VMOVDQU64(at(r[0]), reg.Y27)
		q.VINSERTI64X4(operand.U8(1), at(r[1]), x, x)
		q.VMOVDQU64(at(r[2]), reg.Y28)
		q.VINSERTI64X4(operand.U8(1), at(r[3]), y, y)
		q.VMOVDQA64(x, z)
		q.VPERMT2B(y, quads[0], x)
		q.VPERMT2B(y, quads[1], z)
		for i := range rows {
			q.VPDPBUSD(zs[4+6*i+2*k], x, zs[2*i])
			q.VPDPBUSD(zs[5+6*i+2*k], z, zs[2*i+1])
		}
	}
	for _, p := range r {
		q.ADDQ(step, p)
	}
	q.finish(rows, zs[18:20], limits, split, out, outRow)
	q.ADDQ(outStep, out)
	q.DECQ(n)
	q.JNZ(operand.LabelRef(pixel))

	q.ADDQ(imm(64*12), w)
	q.ADDQ(imm(64*4), cols)
	q.CMPQ(block, mem(t, dwqChannels))
	q.JLT(operand.LabelRef(loop))
	q.VZEROUPPER()
	q.RET()
}

// along is the kernel for two rows at stride 1 or one at stride 2, whose quads serve some outputs one after the other: each
// column is read once. Vectors: 0..3 sums, 4..15 weights as in write, 16..21 the quads of three columns, then scales and constants.
func (q *dwQuad) along(rows, stride int) {
	q.fn(fmt.Sprintf("dwQuadsAlong%dAVX512", stride), "DWI8Args.pixel")
	t := q.arg(reg.RBX)
	r := []reg.GPPhysical{reg.RSI, reg.RDI, reg.R8, reg.R9}
	tap, out, outRow, outStep, n := reg.R11, reg.R12, reg.R13, reg.R14, reg.R15
	block, w, cols := reg.RAX, reg.RCX, reg.RDX
	scale, quads, split, limits := zs[22:24], zs[24:26], zs[26], [4]operand.Op{zs[27], zs[28], zs[29], zs[30]}
	q.constants(t, quads, split, limits)
	q.MOVQ(mem(t, dwqW), w)
	q.MOVQ(mem(t, dwqCols), cols)
	q.MOVQ(mem(t, dwqTap), tap)
	q.MOVQ(mem(t, dwqOutRow), outRow)
	q.MOVQ(mem(t, dwqOutStep), outStep)
	q.XORQ(block, block)

	loop, pixel, done := q.label("block"), q.label("pixel"), q.label("done")
	q.Label(loop)
	for i := range 6 * rows {
		q.VMOVDQU64(mem(w, 64*i), zs[4+i])
	}
	for i := range 2 {
		q.VMOVDQU64(mem(cols, 64*(2+i)), scale[i])
	}
	q.pointers(t, r, out, n, block)

	column := func(i int) { q.column(i, rows, r, tap, quads) }
	for i := range 3 - stride {
		column(i)
	}
	q.Label(pixel)
	for x := range 3 {
		first := x * stride
		for i := range stride {
			column(first + 3 - stride + i)
		}
		for i := range 2 {
			q.VMOVDQU64(mem(cols, 64*i), zs[i])
			if rows == 2 {
				q.VMOVDQA64(zs[i], zs[2+i])
			}
		}
		for k := range 3 {
			for i := range rows {
				for h := range 2 {
					q.VPDPBUSD(zs[4+6*i+2*k+h], zs[16+2*((first+k)%3)+h], zs[2*i+h])
				}
			}
		}
		q.finish(rows, scale, limits, split, out, outRow)
		q.ADDQ(outStep, out)
		q.DECQ(n)
		q.JZ(operand.LabelRef(done))
	}
	q.JMP(operand.LabelRef(pixel))
	q.Label(done)

	q.ADDQ(imm(64*12), w)
	q.ADDQ(imm(64*4), cols)
	q.CMPQ(block, mem(t, dwqChannels))
	q.JLT(operand.LabelRef(loop))
	q.VZEROUPPER()
	q.RET()
}

// constants loads what all pixels need.
func (q *dwQuad) constants(t reg.Register, quads []reg.VecPhysical, split reg.VecPhysical, limits [4]operand.Op) {
	q.VMOVDQU64(q.quads[0], quads[0])
	q.VMOVDQU64(q.quads[1], quads[1])
	q.VMOVDQU64(q.split, split)
	for i, from := range []int{dwqZero, dwqLo, dwqHi, dwqXor} {
		q.VPBROADCASTD(mem(t, from), limits[i])
	}
}

// pointers begins a block of 32 channels: where its rows of inputs and its outputs are, how many outputs, and the mask of channels.
func (q *dwQuad) pointers(t reg.Register, rows []reg.GPPhysical, out, n, block reg.Register) {
	last := q.label("last")
	for i, p := range rows {
		q.MOVQ(mem(t, 8*i), p)
		q.ADDQ(block, p)
	}
	q.MOVQ(mem(t, dwqOut), out)
	q.ADDQ(block, out)
	q.MOVQ(mem(t, dwqSteps), n)
	q.KXNORD(ks[0], ks[0], ks[0])
	q.ADDQ(imm(32), block)
	q.CMPQ(block, mem(t, dwqChannels))
	q.JLT(operand.LabelRef(last))
	q.KMOVD(mem(t, dwqMask), ks[0])
	q.Label(last)
}

// column takes the quads of the next column of along, the i-th, apart.
func (q *dwQuad) column(i, rows int, r []reg.GPPhysical, tap reg.Register, quads []reg.VecPhysical) {
	x, y, z := 16+2*(i%3), reg.Z31, zs[17+2*(i%3)]
	q.VMOVDQU64(mem(r[0], 0), ys[x])
	q.VINSERTI64X4(operand.U8(1), mem(r[1], 0), zs[x], zs[x])
	q.VMOVDQU64(mem(r[2], 0), reg.Y31)
	if rows == 2 { // else the fourth row's weights are 0
		q.VINSERTI64X4(operand.U8(1), mem(r[3], 0), y, y)
	}
	q.VMOVDQA64(zs[x], z)
	q.VPERMT2B(y, quads[0], zs[x])
	q.VPERMT2B(y, quads[1], z)
	for _, p := range r[:2+rows] {
		q.ADDQ(tap, p)
	}
}

// finish requantises and stores sums 0..3, two a row of outputs.
func (q *dwQuad) finish(rows int, scale []reg.VecPhysical, limits [4]operand.Op, split reg.VecPhysical, out, outRow reg.GPPhysical) {
	for i := range 2 * rows {
		s := zs[i]
		q.VCVTDQ2PS(s, s)
		q.VMULPS(scale[i%2], s, s)
		q.VCVTPS2DQ(s, s) // half to even
	}
	for i := range rows {
		q.VPACKSSDW(zs[2*i+1], zs[2*i], zs[2*i])
		q.VPADDSW(limits[0], zs[2*i], zs[2*i])
	}
	q.VPACKUSWB(zs[2*rows-2], reg.Z0, reg.Z0)
	q.VPMAXUB(limits[1], reg.Z0, reg.Z0)
	q.VPMINUB(limits[2], reg.Z0, reg.Z0)
	q.VPXORD(limits[3], reg.Z0, reg.Z0)
	q.VPERMQ(reg.Z0, split, reg.Z0)
	q.VMOVDQU8(reg.Y0, ks[0], mem(out, 0))
	if rows == 2 {
		q.VEXTRACTI64X4(operand.U8(1), reg.Z0, reg.Y1)
		q.VMOVDQU8(reg.Y1, ks[0], memx(out, outRow, 1, 0))
	}
}

// copyRow copies bytes with some bits flipped: kern.dwRow is destination, source, length, bits.
func (q *dwQuad) copyRow() {
	q.fn("dwRowAVX512", "DWI8Quads.row")
	t, dst, src, n := q.arg(reg.RBX), reg.RDI, reg.RSI, reg.R8
	q.MOVQ(mem(t, 0), dst)
	q.MOVQ(mem(t, 8), src)
	q.MOVQ(mem(t, 16), n)
	q.VPBROADCASTD(mem(t, 24), reg.Z1)
	loop, tail, done := q.label("loop"), q.label("tail"), q.label("done")
	q.Label(loop)
	q.CMPQ(n, imm(64))
	q.JLT(operand.LabelRef(tail))
	q.VPXORD(mem(src, 0), reg.Z1, reg.Z0)
	q.VMOVDQU64(reg.Z0, mem(dst, 0))
	q.ADDQ(imm(64), src)
	q.ADDQ(imm(64), dst)
	q.SUBQ(imm(64), n)
	q.JMP(operand.LabelRef(loop))
	q.Label(tail)
	q.TESTQ(n, n)
	q.JZ(operand.LabelRef(done))
	q.MOVQ(n, reg.RCX)
	q.MOVQ(operand.I32(-1), reg.RDX)
	q.SHLQ(reg.CL, reg.RDX)
	q.NOTQ(reg.RDX)
	q.KMOVQ(reg.RDX, ks[0])
	q.VMOVDQU8_Z(mem(src, 0), ks[0], reg.Z0)
	q.VPXORD(reg.Z1, reg.Z0, reg.Z0)
	q.VMOVDQU8(reg.Z0, ks[0], mem(dst, 0))
	q.Label(done)
	q.VZEROUPPER()
	q.RET()
}
