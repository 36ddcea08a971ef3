package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets of kern.tileTN.
const (
	tnA, tnLDA, tnB, tnRows, tnLDB     = 0, 8, 16, 24, 32
	tnK, tnC, tnLDC, tnN, tnAccumulate = 40, 48, 56, 64, 72
)

// gemmTN writes the kernels of Aᵀ·B, where both operands are walked along their rows and nothing is packed. AVX2 does
// whole vectors of columns only.
func gemmTN(a *asm, v isa) {
	for nv := 2; nv >= 1; nv-- {
		for mr := v.rows; mr >= 1; mr-- {
			(&tn{gemm{asm: a, isa: v, mr: mr, nv: nv}}).write()
		}
	}
}

type tn struct{ gemm }

func (g *tn) write() {
	g.fn(fmt.Sprintf("gemmTNx%dx%d%s", g.mr, g.nv*g.lanes, g.suffix), "GemmTNArgs.runGeneric")
	t := g.arg(reg.RBX)
	if g.wide() {
		n, m := reg.RCX, reg.RDX
		g.MOVQ(mem(t, tnN), n)
		g.MOVQ(operand.I32(-1), m)
		g.SHLQ(reg.CL, m)
		g.NOTQ(m)
		g.KMOVW(m.As32(), ks[0])
		g.SHRQ(operand.U8(16), m)
		g.KMOVW(m.As32(), ks[1])
	}
	c, ldc := reg.R8, reg.R9
	fresh, start := g.label("fresh"), g.label("start")
	g.CMPQ(mem(t, tnAccumulate), imm(0))
	g.JEQ(operand.LabelRef(fresh))
	g.MOVQ(mem(t, tnC), c)
	g.MOVQ(mem(t, tnLDC), ldc)
	for i := range g.mr {
		for j := range g.nv {
			g.column(mem(c, j*g.bytes()), g.acc(i, j), j, g.wide())
		}
		g.ADDQ(ldc, c)
	}
	g.JMP(operand.LabelRef(start))
	g.Label(fresh)
	for i := range g.mr {
		for j := range g.nv {
			g.zeroVec(g.acc(i, j))
		}
	}
	g.Label(start)
	pa, lda, pb, ldb, rows, k, row := reg.RSI, reg.RDI, reg.R10, reg.R11, reg.R12, reg.RCX, reg.RAX
	g.MOVQ(mem(t, tnA), pa)
	g.MOVQ(mem(t, tnLDA), lda)
	g.MOVQ(mem(t, tnB), pb)
	g.MOVQ(mem(t, tnLDB), ldb)
	g.MOVQ(mem(t, tnRows), rows)
	g.MOVQ(mem(t, tnK), k)
	done := g.label("done")
	loops := func(masked bool) {
		strided, table, skip := g.label("strided"), g.label("table"), g.label("skip")
		g.TESTQ(rows, rows)
		g.JZ(operand.LabelRef(strided))
		g.Label(table)
		g.MOVLQSX(mem(rows, 0), row)
		g.ADDQ(imm(4), rows)
		g.TESTQ(row, row)
		g.JLT(operand.LabelRef(skip))
		g.LEAQ(memx(pb, row, 4, 0), row)
		g.products(pa, row, masked)
		g.Label(skip)
		g.ADDQ(lda, pa)
		g.DECQ(k)
		g.JNZ(operand.LabelRef(table))
		g.JMP(operand.LabelRef(done))
		g.Label(strided)
		g.products(pa, pb, masked)
		g.ADDQ(lda, pa)
		g.ADDQ(ldb, pb)
		g.DECQ(k)
		g.JNZ(operand.LabelRef(strided))
	}
	if g.wide() {
		full := g.label("full")
		g.CMPQ(mem(t, tnN), imm(g.nv*g.lanes))
		g.JEQ(operand.LabelRef(full))
		loops(true)
		g.JMP(operand.LabelRef(done))
		g.Label(full)
	}
	loops(false)
	g.Label(done)
	g.MOVQ(mem(t, tnC), c)
	g.MOVQ(mem(t, tnLDC), ldc)
	for i := range g.mr {
		for j := range g.nv {
			if g.wide() {
				g.VMOVUPS(g.acc(i, j), ks[j], mem(c, j*g.bytes()))
			} else {
				g.VMOVUPS(g.acc(i, j), mem(c, j*g.bytes()))
			}
		}
		g.ADDQ(ldc, c)
	}
	g.VZEROUPPER()
	g.RET()
}

// column loads a vector of columns. Intel's processors mask a load in a unit that multiplies, so the loops over full vectors
// do without.
func (g *tn) column(m operand.Mem, r reg.VecPhysical, j int, masked bool) {
	if masked {
		g.VMOVUPS_Z(m, ks[j], r)
	} else {
		g.VMOVUPS(m, r)
	}
}

func (g *tn) products(pa, pb reg.Register, masked bool) {
	for j := range g.nv {
		g.column(mem(pb, j*g.bytes()), g.b(j), j, masked)
	}
	for i := range g.mr {
		x := g.tmp(i)
		g.VBROADCASTSS(mem(pa, 4*i), x)
		for j := range g.nv {
			g.VFMADD231PS(x, g.b(j), g.acc(i, j))
		}
	}
}
