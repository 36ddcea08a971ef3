package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.winoFly.
const (
	flyV, flyVPlane, flyWeights, flyM, flyMPlane = 0, 8, 16, 24, 32
	flyAhead, flyScale, flyG1                    = 40, 48, 56
	flyAdd, flyDepth                             = 64, 32
)

// winogradFly writes products of four tiles by sixteen output channels whose weights are transformed in registers, a column
// of six planes at a time: twenty-four accumulators, and of eight more the weights of one input channel after the other. In
// the outer columns G has one element that is not zero, so these take their taps as they are.
func winogradFly(a *asm) {
	f := &fly{asm: a}
	f.write("winoFly4InnerAVX512", true)
	f.write("winoFly4OuterAVX512", false)
}

type fly struct{ *asm }

func (f *fly) acc(plane, tile int) reg.VecPhysical { return zs[4*plane+tile] }

// constants are a row of G', which starts at offset g, and 4.
func (f *fly) constants(t reg.Register, g int, inner bool) {
	if inner {
		f.VBROADCASTSS(mem(t, g), zs[29])
		f.VBROADCASTSS(mem(t, g+4), zs[30])
	}
	f.MOVL(operand.U32(four), reg.ECX)
	f.VPBROADCASTD(reg.ECX, zs[31])
}

// planes hands on the transformed weights of an input channel, plane by plane. tap is where a tap of row y and column x lies.
func (f *fly) planes(inner bool, tap func(y, x int) operand.Mem, put func(i int, w reg.VecPhysical)) {
	t0, t1, t2, s, p := zs[24], zs[25], zs[26], zs[27], zs[28]
	for y, r := range []reg.VecPhysical{t0, t1, t2} {
		f.VMOVUPS(tap(y, 0), r)
		if inner {
			f.VFMADD231PS(tap(y, 2), zs[30], r)
			f.VFMADD231PS(tap(y, 1), zs[29], r)
		}
	}
	put(0, t0)
	f.VADDPS(t2, t0, s)
	f.VADDPS(t1, s, p)
	put(1, p)
	f.VSUBPS(t1, s, s)
	put(2, s)
	f.VFMADD231PS(t2, zs[31], t0) // t0 + 4 t2
	f.VADDPS(t1, t1, t1)
	f.VADDPS(t1, t0, p)
	put(3, p)
	f.VSUBPS(t1, t0, t0)
	put(4, t0)
	put(5, t2)
}

// write multiplies four tiles.
func (f *fly) write(name string, inner bool) {
	f.fn(name, "winoFly.generic")
	t := f.arg(reg.RBX)
	v := []reg.GPPhysical{reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11}
	plane, weights, n, ahead, next := reg.RAX, reg.RDX, reg.RCX, reg.R12, reg.R13
	// sums are what is done with an accumulator and its place in M.
	sums := func(do func(m operand.Mem, r reg.VecPhysical)) {
		f.MOVQ(mem(t, flyM), v[0])
		for i := range 6 {
			for j := range 4 {
				do(mem(v[0], 64*j), f.acc(i, j))
			}
			f.ADDQ(mem(t, flyMPlane), v[0])
		}
	}
	start, loop, plain := f.label("start"), f.label("loop"), f.label("plain")
	for i := range 24 {
		f.VPXORD(zs[i], zs[i], zs[i])
	}
	f.CMPQ(mem(t, flyAdd), imm(0))
	f.JEQ(operand.LabelRef(start))
	sums(func(m operand.Mem, r reg.VecPhysical) { f.VMOVUPS(m, r) })
	f.Label(start)
	f.constants(t, flyG1, inner)
	f.MOVQ(mem(t, flyV), v[0])
	f.MOVQ(mem(t, flyVPlane), plane)
	for i := range 5 {
		f.LEAQ(memx(v[i], plane, 1, 0), v[i+1])
	}
	f.LEAQ(memx(v[5], plane, 1, 0), next)
	f.MOVQ(mem(t, flyWeights), weights)
	f.MOVQ(mem(t, flyAhead), ahead)
	f.MOVQ(operand.I32(flyDepth/2), n)
	f.Label(loop)
	for i := range 3 {
		f.PREFETCHT1(mem(ahead, 64*i))
		f.PREFETCHT0(mem(next, 64*i))
	}
	for u := range 2 {
		tap := func(y, x int) operand.Mem { return mem(weights, 9*64*u+192*y+64*x) }
		f.planes(inner, tap, func(i int, w reg.VecPhysical) {
			for j := range 4 {
				f.VFMADD231PS_BCST(mem(v[i], 128*j+4*u), w, f.acc(i, j))
			}
		})
	}
	for i := range 6 {
		f.ADDQ(imm(8), v[i])
	}
	f.ADDQ(operand.I32(2*9*64), weights)
	f.ADDQ(operand.I32(192), ahead)
	f.ADDQ(operand.I32(192), next)
	f.DECQ(n)
	f.JNZ(operand.LabelRef(loop))
	scale := reg.RDI
	f.MOVQ(mem(t, flyScale), scale)
	f.TESTQ(scale, scale)
	f.JZ(operand.LabelRef(plain))
	for i := range 6 {
		f.VBROADCASTSS(mem(scale, 4*i), zs[24])
		for j := range 4 {
			f.VMULPS(zs[24], f.acc(i, j), f.acc(i, j))
		}
	}
	f.Label(plain)
	sums(func(m operand.Mem, r reg.VecPhysical) { f.VMOVUPS(r, m) })
	f.VZEROUPPER()
	f.RET()
}
