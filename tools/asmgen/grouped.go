package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.groupedTile.
const (
	grIn, grBack, grRowStride, grRows, grColStride, grW = 0, 8, 16, 24, 32, 40
	grOut, grOutStride, grBias, grOrder, grSteps        = 48, 56, 64, 72, 80
	grLeft, grRight, grMin, grMax                       = 88, 92, 96, 100
)

// groupedF32 writes the kernels of grouped convolution, three taps wide: a vector of output channels of some neighbouring
// outputs. Where groups are narrower than a vector, a permutation hands each lane its group's next input; where they are as
// wide, a broadcast does.
func groupedF32(a *asm, v isa) {
	for _, narrow := range []bool{true, false} {
		for stride := 1; stride <= 2; stride++ {
			g := grouped{asm: a, isa: v, narrow: narrow, stride: stride, outs: 7, w: 14, order: 17, x: 20, columns: 6}
			if !v.wide() {
				g.w, g.order, g.x, g.columns = 7, 10, 12, 4
			}
			g.write()
		}
	}
}

// grouped is one kernel. Vectors: from 0 on outputs, from w on weights of the three taps, from order on the permutation and
// what takes it to the next input, from x on input columns.
type grouped struct {
	*asm
	isa
	narrow               bool
	stride, outs         int
	w, order, x, columns int
}

func (g *grouped) write() {
	name := "groupedWide"
	if g.narrow {
		name = "groupedNarrow"
	}
	g.fn(fmt.Sprintf("%s%d%s", name, g.stride, g.suffix), "GroupedF32Args.runGeneric")
	t := g.arg(reg.RBX)
	order, next := g.isa.reg(g.order), g.isa.reg(g.order+1)
	row, p, w, ky, step, at := reg.RSI, reg.RDI, reg.R11, reg.R14, reg.R13, reg.RCX
	g.MOVQ(mem(t, grColStride), p)
	g.MOVQ(mem(t, grIn), row)
	g.SUBQ(mem(t, grBack), row)
	g.MOVQ(mem(t, grW), w)
	g.MOVQ(mem(t, grBias), reg.RDX)
	g.VMOVUPS(mem(reg.RDX, 0), g.isa.reg(0))
	for j := 1; j < g.outs; j++ {
		g.VMOVAPS(g.isa.reg(0), g.isa.reg(j))
	}
	if g.narrow {
		g.MOVQ(mem(t, grOrder), reg.R8)
		g.words(mem(reg.R8, 64), next)
	}
	g.MOVQ(mem(t, grRows), ky)
	rows, steps := g.label("rows"), g.label("steps")
	g.Label(rows)
	g.MOVQ(mem(t, grSteps), step)
	if g.narrow {
		g.words(mem(reg.R8, 0), order)
	} else {
		g.XORQ(at, at)
	}
	g.Label(steps)
	for k := range 3 {
		g.VMOVUPS(mem(w, g.bytes()*k), g.isa.reg(g.w+k))
	}
	g.MOVQ(row, reg.RDX)
	last := (g.outs-1)*g.stride + 2
	for c := range last + 1 {
		skip := ""
		if c == 0 || c == last {
			skip = g.label("skip")
			g.CMPL(mem(t, map[bool]int{true: grLeft, false: grRight}[c == 0]), imm(0))
			g.JNE(operand.LabelRef(skip))
		}
		x := g.isa.reg(g.x + c%g.columns)
		if g.narrow {
			g.VPERMPS(mem(reg.RDX, 0), order, x)
		} else {
			g.VBROADCASTSS(memx(reg.RDX, at, 1, 0), x)
		}
		for k := range 3 {
			if j := c - k; j >= 0 && j%g.stride == 0 && j/g.stride < g.outs {
				g.VFMADD231PS(x, g.isa.reg(g.w+k), g.isa.reg(j/g.stride))
			}
		}
		if skip != "" {
			g.Label(skip)
		}
		if c < last {
			g.ADDQ(p, reg.RDX)
		}
	}
	g.ADDQ(imm(3*g.bytes()), w)
	if g.narrow {
		g.VPADDD(next, order, order)
	} else {
		g.ADDQ(imm(4), at)
	}
	g.DECQ(step)
	g.JNZ(operand.LabelRef(steps))
	g.ADDQ(mem(t, grRowStride), row)
	g.DECQ(ky)
	g.JNZ(operand.LabelRef(rows))
	g.clamp(g.isa, t, grMin, grMax, g.outs, g.isa.reg(g.x), g.isa.reg(g.x+1))
	g.MOVQ(mem(t, grOut), reg.RDX)
	g.MOVQ(mem(t, grOutStride), p)
	for j := range g.outs {
		g.VMOVUPS(g.isa.reg(j), mem(reg.RDX, 0))
		if j < g.outs-1 {
			g.ADDQ(p, reg.RDX)
		}
	}
	g.VZEROUPPER()
	g.RET()
}

// words loads a vector of integers.
func (g *grouped) words(m operand.Mem, r reg.VecPhysical) {
	if g.wide() {
		g.VMOVDQU32(m, r)
	} else {
		g.VMOVDQU(m, r)
	}
}
