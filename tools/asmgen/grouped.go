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

// groupedF32 writes the kernels of grouped convolution, three taps wide: a vector of 16 output channels of some neighbouring
// outputs. Where groups are narrower than a vector, a permutation hands each lane its group's next input; where they are as
// wide, a broadcast does.
func groupedF32(a *asm) {
	for _, narrow := range []bool{true, false} {
		for stride := 1; stride <= 2; stride++ {
			(&grouped{asm: a, narrow: narrow, stride: stride, outs: 7}).write()
		}
	}
}

// grouped is one kernel. Vectors: from 0 on outputs, 14..16 weights of the three taps, 17 and 18 the permutation and what
// takes it to the next input, from 20 on input columns.
type grouped struct {
	*asm
	narrow       bool
	stride, outs int
}

func (g *grouped) write() {
	name := "groupedWide"
	if g.narrow {
		name = "groupedNarrow"
	}
	g.fn(fmt.Sprintf("%s%dAVX512", name, g.stride), "GroupedF32Args.runGeneric")
	t := g.arg(reg.RBX)
	row, p, w, ky, step, at := reg.RSI, reg.RDI, reg.R11, reg.R14, reg.R13, reg.RCX
	g.MOVQ(mem(t, grColStride), p)
	g.MOVQ(mem(t, grIn), row)
	g.SUBQ(mem(t, grBack), row)
	g.MOVQ(mem(t, grW), w)
	g.MOVQ(mem(t, grBias), reg.RDX)
	g.VMOVUPS(mem(reg.RDX, 0), zs[0])
	for j := 1; j < g.outs; j++ {
		g.VMOVAPS(zs[0], zs[j])
	}
	if g.narrow {
		g.MOVQ(mem(t, grOrder), reg.R8)
		g.VMOVDQU32(mem(reg.R8, 64), zs[18])
	}
	g.MOVQ(mem(t, grRows), ky)
	rows, steps := g.label("rows"), g.label("steps")
	g.Label(rows)
	g.MOVQ(mem(t, grSteps), step)
	if g.narrow {
		g.VMOVDQU32(mem(reg.R8, 0), zs[17])
	} else {
		g.XORQ(at, at)
	}
	g.Label(steps)
	for k := range 3 {
		g.VMOVUPS(mem(w, 64*k), zs[14+k])
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
		x := zs[20+c%6]
		if g.narrow {
			g.VPERMPS(mem(reg.RDX, 0), zs[17], x)
		} else {
			g.VBROADCASTSS(memx(reg.RDX, at, 1, 0), x)
		}
		for k := range 3 {
			if j := c - k; j >= 0 && j%g.stride == 0 && j/g.stride < g.outs {
				g.VFMADD231PS(x, zs[14+k], zs[j/g.stride])
			}
		}
		if skip != "" {
			g.Label(skip)
		}
		if c < last {
			g.ADDQ(p, reg.RDX)
		}
	}
	g.ADDQ(imm(192), w)
	if g.narrow {
		g.VPADDD(zs[18], zs[17], zs[17])
	} else {
		g.ADDQ(imm(4), at)
	}
	g.DECQ(step)
	g.JNZ(operand.LabelRef(steps))
	g.ADDQ(mem(t, grRowStride), row)
	g.DECQ(ky)
	g.JNZ(operand.LabelRef(rows))
	g.clamp(zmm, t, grMin, grMax, g.outs, zs[20], zs[21])
	g.MOVQ(mem(t, grOut), reg.RDX)
	g.MOVQ(mem(t, grOutStride), p)
	for j := range g.outs {
		g.VMOVUPS(zs[j], mem(reg.RDX, 0))
		if j < g.outs-1 {
			g.ADDQ(p, reg.RDX)
		}
	}
	g.VZEROUPPER()
	g.RET()
}
