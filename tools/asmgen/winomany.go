package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.winoMany.
const (
	manyV, manyTile, manyNextV, manyWeights, manyColumn = 0, 8, 16, 24, 32
	manyDepth, manyU, manyM, manyNextM, manyGroups      = 40, 48, 56, 64, 72
	manyAhead, manyStep, manyNear, manyNearColumn       = 80, 88, 96, 104
	manyNearStep, manyScale, manyAdd, manyG             = 112, 120, 128, 136
	manyPlane, manyChannel                              = 128, 6 * 128 // of transformed weights
	manyRows                                            = 8            // tiles of a group
)

// winogradMany writes the transform of a column of weights for thirty-two output channels, and products of groups of tiles
// with it.
func winogradMany(a *asm) {
	f := &fly{asm: a}
	f.transform("winoManyInnerAVX512", true)
	f.transform("winoManyOuterAVX512", false)
	f.rows("winoManyRows")
}

// transform writes the six planes of an input channel beside each other.
func (f *fly) transform(name string, inner bool) {
	f.fn(name, "winoMany.transformGeneric")
	t := f.arg(reg.RBX)
	to, weights, column, n := reg.RDI, reg.RSI, reg.RDX, reg.RCX
	f.constants(t, manyG, inner)
	f.MOVQ(mem(t, manyU), to)
	f.MOVQ(mem(t, manyWeights), weights)
	f.MOVQ(mem(t, manyColumn), column)
	f.MOVQ(mem(t, manyDepth), n)
	loop := f.label("loop")
	f.Label(loop)
	for i := range 2 {
		tap := func(y, x int) operand.Mem {
			if x == 0 {
				return mem(weights, 128*y+64*i)
			}
			return memx(weights, column, uint8(x), 128*y+64*i)
		}
		f.planes(inner, tap, func(p int, w reg.VecPhysical) { f.VMOVUPS(w, mem(to, manyPlane*p+64*i)) })
	}
	f.ADDQ(operand.I32(3*128), weights)
	f.ADDQ(operand.I32(manyChannel), to)
	f.DECQ(n)
	f.JNZ(operand.LabelRef(loop))
	f.VZEROUPPER()
	f.RET()
}

// many is the registers of rows.
type many struct {
	*asm
	t, a, a5, tile, tile3 reg.Register // the group of tiles, and from its sixth on; once and three times the way to the next
	u, ahead, near, third reg.Register
}

func (f *many) acc(i, half int) reg.VecPhysical { return zs[2*i+half] }

// element is channel k of tile i.
func (f *many) element(i, k int) operand.Mem {
	base := f.a
	if i >= 5 {
		base, i = f.a5, i-5
	}
	switch i {
	case 0:
		return mem(base, 4*k)
	case 3:
		return memx(base, f.tile3, 1, 4*k)
	}
	return memx(base, f.tile, uint8(i), 4*k)
}

// ask asks for what two channels of a group have to, and weights loads those of channel k.
func (f *many) ask() {
	f.PREFETCHT1(mem(f.ahead, 0))
	f.ADDQ(mem(f.t, manyStep), f.ahead)
	f.PREFETCHT0(mem(f.near, 0))
	f.PREFETCHT0(memx(f.near, f.third, 1, 0))
	f.PREFETCHT0(memx(f.near, f.third, 2, 0))
	f.ADDQ(mem(f.t, manyNearStep), f.near)
}

func (f *many) weights(k int, w [2]reg.VecPhysical) {
	f.VMOVUPS(mem(f.u, manyChannel*k), w[0])
	f.VMOVUPS(mem(f.u, manyChannel*k+64), w[1])
}

// product is tile i's of channel k, through x.
func (f *many) product(i, k int, x reg.VecPhysical, w [2]reg.VecPhysical) {
	f.VBROADCASTSS(f.element(i, k), x)
	f.VFMADD231PS(w[0], x, f.acc(i, 0))
	f.VFMADD231PS(w[1], x, f.acc(i, 1))
}

// rows multiplies groups of rows tiles by what transform wrote, plane after plane. The last four channels of a group are
// taken tile by tile: more than a few stores one after the other hold up the products.
func (f *fly) rows(name string) {
	const rows = manyRows
	f.fn(name, "winoMany.rowsGeneric")
	t := f.arg(reg.RBX)
	g := &many{f.asm, t, reg.RAX, reg.R10, reg.R8, reg.R9, reg.RDX, reg.R12, reg.R15, reg.R14}
	v, m, n, planes, groups := reg.RSI, reg.RDI, reg.RCX, reg.R13, reg.R11
	for _, x := range []struct {
		from int
		to   reg.Register
	}{{manyV, v}, {manyM, m}, {manyTile, g.tile}, {manyAhead, g.ahead}, {manyNear, g.near}, {manyNearColumn, g.third}} {
		f.MOVQ(mem(t, x.from), x.to)
	}
	f.LEAQ(memx(g.tile, g.tile, 2, 0), g.tile3)
	f.XORQ(planes, planes)
	plane, group, loop := f.label("plane"), f.label("group"), f.label("loop")
	f.Label(plane)
	f.MOVQ(mem(t, manyGroups), groups)
	f.Label(group)
	g.start(m)
	f.MOVQ(v, g.a)
	f.LEAQ(memx(v, g.tile, 4, 0), g.a5)
	f.ADDQ(g.tile, g.a5)
	f.MOVQ(planes, g.u)
	f.SHLQ(imm(7), g.u)
	f.ADDQ(mem(t, manyU), g.u)
	f.MOVQ(mem(t, manyDepth), n)
	f.SUBQ(imm(4), n)
	f.Label(loop)
	g.ask()
	for k := range 2 {
		w := [2]reg.VecPhysical{zs[30], zs[31]}
		g.weights(k, w)
		for i := range rows {
			g.product(i, k, zs[2*rows+i%(30-2*rows)], w)
		}
	}
	f.ADDQ(imm(8), g.a)
	f.ADDQ(imm(8), g.a5)
	f.ADDQ(operand.I32(2*manyChannel), g.u)
	f.SUBQ(imm(2), n)
	f.JNZ(operand.LabelRef(loop))
	g.last(m)
	f.ADDQ(operand.I32(128*rows), m)
	f.LEAQ(memx(v, g.tile, 8, 0), v)
	f.DECQ(groups)
	f.JNZ(operand.LabelRef(group))
	f.ADDQ(mem(t, manyNextV), v)
	f.ADDQ(mem(t, manyNextM), m)
	f.INCQ(planes)
	f.CMPQ(planes, imm(6))
	f.JNE(operand.LabelRef(plane))
	g.scale(m, n, groups, planes)
	f.VZEROUPPER()
	f.RET()
}

// start takes a group's sums as they are at m, or zeros.
func (f *many) start(m reg.Register) {
	start, zero := f.label("start"), f.label("zero")
	f.CMPQ(mem(f.t, manyAdd), imm(0))
	f.JEQ(operand.LabelRef(zero))
	for i := range 2 * manyRows {
		f.VMOVUPS(mem(m, 64*i), zs[i])
	}
	f.JMP(operand.LabelRef(start))
	f.Label(zero)
	for i := range 2 * manyRows {
		f.VPXORD(zs[i], zs[i], zs[i])
	}
	f.Label(start)
}

// last takes the last four channels of a group, tile by tile, and stores its sums at m.
func (f *many) last(m reg.Register) {
	const rows = manyRows
	f.ask()
	f.ask()
	w := func(k int) [2]reg.VecPhysical { return [2]reg.VecPhysical{zs[24+2*k], zs[25+2*k]} }
	for k := range 4 {
		f.weights(k, w(k))
	}
	for i := range rows {
		for k := range 4 {
			f.product(i, k, zs[2*rows+(4*i+k)%(24-2*rows)], w(k))
		}
		for half := range 2 {
			f.VMOVUPS(f.acc(i, half), mem(m, 128*i+64*half))
		}
	}
}

// scale multiplies each plane's sums by its factor, where there are some. planes is how many.
func (f *many) scale(m, n, groups, planes reg.Register) {
	done, scales, scale := f.label("done"), f.label("scales"), f.label("scale")
	f.MOVQ(mem(f.t, manyScale), n)
	f.TESTQ(n, n)
	f.JZ(operand.LabelRef(done))
	f.MOVQ(mem(f.t, manyM), m)
	f.Label(scales)
	f.VBROADCASTSS(mem(n, 0), zs[31])
	f.MOVQ(mem(f.t, manyGroups), groups)
	f.Label(scale)
	for i := range 2 * manyRows {
		f.VMULPS(mem(m, 64*i), zs[31], zs[i])
		f.VMOVUPS(zs[i], mem(m, 64*i))
	}
	f.ADDQ(operand.I32(128*manyRows), m)
	f.DECQ(groups)
	f.JNZ(operand.LabelRef(scale))
	f.ADDQ(mem(f.t, manyNextM), m)
	f.ADDQ(imm(4), n)
	f.DECQ(planes)
	f.JNZ(operand.LabelRef(scales))
	f.Label(done)
}
