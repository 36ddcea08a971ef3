package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.normArgs.
const (
	normX, normD, normDst, normMean, normScale, normShift = 0, 8, 16, 24, 32, 40
	normA, normB, normC, normSums, normCross              = 48, 56, 64, 72, 80
	normN, normLines, normPitch, normLo, normHi           = 88, 96, 104, 112, 116
)

// norm writes the loops of batch norm: over lines of some vectors, all lines of a few vectors at a time, whose sums and
// factors stay in registers meanwhile. Gradients by AVX2, which has few, go line after line: so memory gives them faster.
func normF32(a *asm, v isa) {
	g := &norm{asm: a, isa: v}
	most := 4
	if !v.wide() {
		most = 8 // a whole line of sums
	}
	g.loop("normSum", most, 1, 0, []int{normX}, nil, func(r *normRegs) {
		for i := range r.n {
			a.VADDPS(r.x(i), r.sum(i), r.sum(i))
		}
	})
	g.loop("normSquare", 4, 1, 0, []int{normX}, []int{normMean}, func(r *normRegs) {
		for i := range r.n {
			a.VSUBPS(r.factor(0, i), r.x(i), r.x(i))
			a.VFMADD231PS(r.x(i), r.x(i), r.sum(i))
		}
	})
	g.loop("normGradSums", 4, 2, 0, []int{normX, normD}, []int{normMean, normScale, normShift}, func(r *normRegs) {
		for i := range r.n {
			r.mask(i, 1, 2)
			a.VSUBPS(r.factor(0, i), r.x(i), r.x(i))
			a.VADDPS(r.d(i), r.sum(i), r.sum(i))
			a.VFMADD231PS(r.x(i), r.d(i), r.cross(i))
		}
	})
	for _, add := range []bool{false, true} {
		name, mode := "normGradSet", 1
		if add {
			name, mode = "normGradAdd", 2
		}
		g.loop(name, 4, 0, mode, []int{normX, normD}, []int{normA, normScale, normShift, normB, normC}, func(r *normRegs) {
			for i := range r.n {
				r.mask(i, 1, 2)
				a.VFMADD213PS(r.factor(4, i), r.factor(3, i), r.x(i)) // b·x + c
				a.VFMADD231PS(r.factor(0, i), r.d(i), r.x(i))
			}
		})
	}
}

type norm struct {
	*asm
	isa
}

// normRegs names the registers of a body that handles n vectors.
type normRegs struct {
	g       *norm
	n       int
	sums    int
	factors int
	inputs  int
}

func (r *normRegs) sum(i int) reg.VecPhysical       { return r.g.reg(i) }
func (r *normRegs) cross(i int) reg.VecPhysical     { return r.g.reg(r.n + i) }
func (r *normRegs) factor(k, i int) reg.VecPhysical { return r.g.reg((r.sums+k)*r.n + i) }
func (r *normRegs) x(i int) reg.VecPhysical         { return r.g.reg((r.sums+r.factors)*r.n + i) }
func (r *normRegs) d(i int) reg.VecPhysical         { return r.g.reg((r.sums+r.factors+1)*r.n + i) }

// bounds and temporaries are the last registers but AVX2's mask.
func (r *normRegs) last(i int) reg.VecPhysical {
	if r.g.wide() {
		return r.g.reg(31 - i)
	}
	return r.g.reg(14 - i)
}

// mask clears d where lo < x·scale + shift < hi is false.
func (r *normRegs) mask(i, scale, shift int) {
	z, t := r.last(2), r.last(3)
	r.g.VMOVAPS(r.x(i), z)
	r.g.VFMADD213PS(r.factor(shift, i), r.factor(scale, i), z)
	r.g.VSUBPS(z, r.last(0), t)
	r.g.VSUBPS(r.last(1), z, z)
	if r.g.wide() {
		r.g.VPANDD(t, z, z)
		r.g.VPSRAD(operand.U8(31), z, z)
		r.g.VPANDD(z, r.d(i), r.d(i))
		return
	}
	r.g.VANDPS(t, z, z)
	r.g.VPSRAD(operand.U8(31), z, z)
	r.g.VANDPS(z, r.d(i), r.d(i))
}

// loop writes a function: groups of vectors, then one vector at a time. mode 1 stores x to the result, 2 adds it.
func (g *norm) loop(name string, group, sums, mode int, inputs, factors []int, body func(r *normRegs)) {
	g.fn(name+g.suffix, "NormLines.runGeneric")
	t := g.arg(reg.RBX)
	if !g.wide() && len(inputs) > 1 {
		g.inOrder(t, &normRegs{g, 1, sums, len(factors), len(inputs)}, mode, inputs, factors, body)
		return
	}
	col, left := reg.RAX, reg.R8
	g.XORQ(col, col)
	g.MOVQ(mem(t, normN), left)
	g.columns(g.isa, group, func(n int, masked bool) {
		g.lines(t, &normRegs{g, n, sums, len(factors), len(inputs)}, mode, inputs, factors, masked, body)
	})
}

// inOrder goes over lines one after the other, a vector at a time, for gradients.
func (g *norm) inOrder(t reg.Register, r *normRegs, mode int, inputs, factors []int, body func(r *normRegs)) {
	col, left, lines, pitch := reg.RAX, reg.R8, reg.R10, reg.R11
	if mode > 0 {
		inputs = append(inputs[:len(inputs):len(inputs)], normDst)
	}
	ptrs := []reg.GPPhysical{reg.RSI, reg.RDI, reg.R12}
	kept := append([]int{normSums, normCross}[:r.sums:r.sums], factors...) // in the order of normRegs
	keptPtrs := []reg.GPPhysical{reg.R9, reg.R13, reg.R14, reg.R15, reg.RCX}
	for i, in := range inputs {
		g.MOVQ(mem(t, in), ptrs[i])
	}
	for i, k := range kept {
		g.MOVQ(mem(t, k), keptPtrs[i])
	}
	g.VBROADCASTSS(mem(t, normLo), r.last(0))
	g.VBROADCASTSS(mem(t, normHi), r.last(1))
	g.MOVQ(mem(t, normLines), lines)
	g.MOVQ(mem(t, normPitch), pitch)
	vector := func(masked bool) {
		for i := range kept {
			g.load(g.isa, memx(keptPtrs[i], col, 1, 0), g.reg(i), masked)
		}
		for i := range r.inputs {
			g.load(g.isa, memx(ptrs[i], col, 1, 0), g.reg(len(kept)+i), masked)
		}
		body(r)
		for i := range r.sums {
			g.store(g.isa, g.reg(i), memx(keptPtrs[i], col, 1, 0), masked)
		}
		if mode == 2 {
			g.load(g.isa, memx(ptrs[2], col, 1, 0), r.d(0), masked)
			g.VADDPS(r.d(0), r.x(0), r.x(0))
		}
		if mode > 0 {
			g.store(g.isa, r.x(0), memx(ptrs[2], col, 1, 0), masked)
		}
	}
	line, many, tail, next := g.label("line"), g.label("many"), g.label("tail"), g.label("next")
	g.Label(line)
	g.XORQ(col, col)
	g.MOVQ(mem(t, normN), left)
	g.Label(many)
	g.CMPQ(left, imm(g.lanes))
	g.JLT(operand.LabelRef(tail))
	vector(false)
	g.ADDQ(imm(g.bytes()), col)
	g.SUBQ(imm(g.lanes), left)
	g.JMP(operand.LabelRef(many))
	g.Label(tail)
	g.TESTQ(left, left)
	g.JZ(operand.LabelRef(next))
	g.setMask(g.isa, left)
	vector(true)
	g.Label(next)
	for i := range inputs {
		g.ADDQ(pitch, ptrs[i])
	}
	g.DECQ(lines)
	g.JNZ(operand.LabelRef(line))
	g.VZEROUPPER()
	g.RET()
}

func (g *norm) lines(t reg.Register, r *normRegs, mode int, inputs, factors []int, masked bool, body func(r *normRegs)) {
	col, p, lines, pitch := reg.RAX, reg.R9, reg.R10, reg.R11
	ptrs := []reg.GPPhysical{reg.RSI, reg.RDI, reg.R12}
	each := func(from int, to func(i int) reg.VecPhysical) {
		g.MOVQ(mem(t, from), p)
		for i := range r.n {
			g.load(g.isa, memx(p, col, 1, i*g.bytes()), to(i), masked)
		}
	}
	if r.sums > 0 {
		each(normSums, r.sum)
	}
	if r.sums > 1 {
		each(normCross, r.cross)
	}
	for k, f := range factors {
		each(f, func(i int) reg.VecPhysical { return r.factor(k, i) })
	}
	if len(inputs) > 1 {
		g.VBROADCASTSS(mem(t, normLo), r.last(0))
		g.VBROADCASTSS(mem(t, normHi), r.last(1))
	}
	if mode > 0 {
		inputs = append(inputs[:len(inputs):len(inputs)], normDst)
	}
	for i, in := range inputs {
		g.MOVQ(mem(t, in), ptrs[i])
		g.ADDQ(col, ptrs[i])
	}
	g.MOVQ(mem(t, normLines), lines)
	g.MOVQ(mem(t, normPitch), pitch)
	loop := g.label("line")
	g.Label(loop)
	for i := range r.n {
		g.load(g.isa, mem(ptrs[0], i*g.bytes()), r.x(i), masked)
	}
	if r.inputs > 1 {
		for i := range r.n {
			g.load(g.isa, mem(ptrs[1], i*g.bytes()), r.d(i), masked)
		}
	}
	body(r)
	for i := range r.n {
		if mode == 0 {
			break
		}
		if mode == 2 {
			g.load(g.isa, mem(ptrs[2], i*g.bytes()), r.d(i), masked)
			g.VADDPS(r.d(i), r.x(i), r.x(i))
		}
		g.store(g.isa, r.x(i), mem(ptrs[2], i*g.bytes()), masked)
	}
	for i := range inputs {
		g.ADDQ(pitch, ptrs[i])
	}
	g.DECQ(lines)
	g.JNZ(operand.LabelRef(loop))
	if r.sums > 0 {
		g.MOVQ(mem(t, normSums), p)
		for i := range r.n {
			g.store(g.isa, r.sum(i), memx(p, col, 1, i*g.bytes()), masked)
		}
	}
	if r.sums > 1 {
		g.MOVQ(mem(t, normCross), p)
		for i := range r.n {
			g.store(g.isa, r.cross(i), memx(p, col, 1, i*g.bytes()), masked)
		}
	}
}
