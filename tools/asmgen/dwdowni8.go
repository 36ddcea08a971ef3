package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Last offsets of kern.dwTileI8: the second and the third row of input, what of the weights counts, and numbers twice.
const dwSecond, dwThird, dwPairMask, dwThirdMask, dwInZeros, dwOutZeros = 192, 200, 208, 212, 216, 220

// dwDownInt is dwDown for bytes: two rows of input side by side as 16-bit numbers make one product of two taps, the third row
// one more. Padding has no weights. Vectors: 0..3 outputs, 4..6 weights of two rows, 7..9 those of the third, 10 the input's
// zero point, 11 and 12 inputs, 13 products, 14 and 15 the bounds. RAX counts channels; R12 scales and R13 bias.
type dwDownInt struct {
	dwDown
	signed bool
}

func dwDownI8(a *asm, v isa) {
	for _, sign := range []string{"I8", "U8"} {
		for _, k := range dwDownTiles {
			d := &dwDownInt{signed: sign == "I8"}
			d.dw = dw{asm: a, isa: v, kw: 3, stride: k[0], outs: k[1]}
			d.body, d.dwDown.setup, d.size = d.row, d.weights, 1
			d.fn(fmt.Sprintf("dw%sdown%dx%d%s", sign, d.stride, d.outs, d.suffix), "DWI8Args.pixel")
			d.write()
		}
	}
}

// weights loads a vector's, and what is the same for all.
func (d *dwDownInt) weights() {
	t, w := reg.RBX, reg.RSI
	for _, f := range [][2]int{{dwPairMask, 11}, {dwThirdMask, 12}, {dwInZeros, 10}} {
		d.VPBROADCASTD(mem(t, f[0]), d.reg(f[1]))
	}
	d.VBROADCASTSS(mem(t, dwMin), d.reg(14))
	d.VBROADCASTSS(mem(t, dwMax), d.reg(15))
	for _, f := range []struct {
		from int
		to   reg.GPPhysical
	}{{dwBias, reg.R13}, {dwI8Scale, reg.R12}, {dwW, w}} {
		d.MOVQ(mem(t, f.from), f.to)
		d.LEAQ(memx(f.to, reg.RAX, 4, 0), f.to)
	}
	for i := range 6 {
		d.VPAND(mem(w, 0), d.reg(11+i/3), d.reg(4+i))
		if i < 5 {
			d.ADDQ(mem(t, dwWTap), w)
		}
	}
}

func (d *dwDownInt) row() {
	t, second, third := reg.RBX, reg.RDX, reg.R15
	x, y, product := d.reg(11), d.reg(12), d.reg(13)
	for j := range d.outs {
		d.VMOVUPS(mem(reg.R13, 0), d.reg(j))
	}
	d.MOVQ(mem(t, dwSecond), second)
	d.ADDQ(reg.RSI, second)
	d.MOVQ(mem(t, dwThird), third)
	d.ADDQ(reg.RSI, third)
	d.columns(func(c int) {
		d.VMOVQ(d.at(reg.RSI, c), xs[11])
		d.VMOVQ(d.at(second, c), xs[12])
		d.VPUNPCKLBW(xs[12], xs[11], xs[11])
		if d.signed {
			d.VPMOVSXBW(xs[11], x)
			d.VPMOVSXBD(d.at(third, c), y)
		} else {
			d.VPMOVZXBW(xs[11], x)
			d.VPMOVZXBD(d.at(third, c), y)
		}
		for i, v := range []reg.VecPhysical{x, y} {
			d.VPSUBW(d.reg(10), v, v)
			for j := range d.outs {
				if k := c - j*d.stride; k >= 0 && k < 3 {
					d.VPMADDWD(d.reg(4+3*i+k), v, product)
					d.VPADDD(product, d.reg(j), d.reg(j))
				}
			}
		}
	})
	d.requantise()
}

// requantise stores the outputs: a bound is the second source, which VMAXPS returns for a NaN.
func (d *dwDownInt) requantise() {
	t, out := reg.RBX, reg.RDX
	for j := range d.outs {
		r := d.reg(j)
		d.VCVTDQ2PS(r, r)
		d.VMULPS(mem(reg.R12, 0), r, r)
		d.VMAXPS(d.reg(14), r, r)
		d.VMINPS(d.reg(15), r, r)
		d.VCVTPS2DQ(r, r)
	}
	d.VPBROADCASTD(mem(t, dwOutZeros), d.reg(11))
	d.VPCMPEQD(d.reg(12), d.reg(12), d.reg(12))
	d.VPSRLW(operand.U8(8), d.reg(12), d.reg(12))
	for j := 0; j < d.outs; j += 2 { // pairs of outputs in 16 bits, without the sign
		d.VPACKSSDW(d.reg(min(j+1, d.outs-1)), d.reg(j), d.reg(j))
		d.VPADDW(d.reg(11), d.reg(j), d.reg(j))
		d.VPAND(d.reg(12), d.reg(j), d.reg(j))
	}
	d.VPACKUSWB(d.reg(2), d.reg(0), d.reg(0)) // four channels of each output, then the other four
	d.VEXTRACTI128(operand.U8(1), reg.Y0, reg.X1)
	d.VPUNPCKLDQ(reg.X1, reg.X0, reg.X2)
	d.VPUNPCKHDQ(reg.X1, reg.X0, reg.X3)
	d.MOVQ(reg.R11, out)
	for j := range d.outs {
		if r := xs[2+j/2]; j%2 == 0 {
			d.VMOVQ(r, mem(out, 0))
		} else {
			d.VMOVHPS(r, mem(out, 0))
		}
		d.ADDQ(mem(t, dwOutStride), out)
	}
}
