package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vecOps is the loops that dispatch chooses from, in the order of kern.vecOp, from that many two-operand ones on; the
// same with a scalar follow those.
const vecOps, vecBinary = 38, 8

// dispatch begins the function of all loops: entry i is what kern.vecOp i asks for.
func (g *vec) dispatch() {
	g.Function("vecRun" + g.suffix)
	g.Attributes(build.NOSPLIT)
	g.SignatureExpr("func(op uint64, t *byte)")
	g.Doc("vecRun" + g.suffix + " runs one loop; BinaryF32 and its neighbours say what each computes.")
	g.AllocLocal(4 * g.bytes())
	g.Load(g.Param("op"), reg.RDX)
	g.operands()
	g.MOVQ(operand.I32(int32(g.bytes())), reg.R11)
	choose := g.label("choose")
	g.CMPQ(reg.RDX, imm(vecBinary))
	g.JLT(operand.LabelRef(choose))
	g.SUBQ(imm(vecBinary), reg.RDX)
	g.CMPQ(reg.RDX, imm(vecBinary))
	g.JGE(operand.LabelRef(choose))
	for u := range 4 { // a scalar is an operand that does not move
		g.VMOVUPS(g.reg(8), mem(reg.StackPointer, u*g.bytes()))
	}
	g.LEAQ(mem(reg.StackPointer, 0), reg.RDI)
	g.XORQ(reg.R11, reg.R11)
	g.Label(choose)
	g.split(0, vecOps)
}

// split jumps to entry RDX of those from lo on before hi.
func (g *vec) split(lo, hi int) {
	if hi-lo == 1 {
		g.JMP(operand.LabelRef(fmt.Sprintf("entry%d", lo)))
		return
	}
	mid, right := (lo+hi)/2, g.label("choose")
	g.CMPQ(reg.RDX, imm(mid))
	g.JGE(operand.LabelRef(right))
	g.split(lo, mid)
	g.Label(right)
	g.split(mid, hi)
}

// entry begins the next loop.
func (g *vec) entry() {
	g.Label(fmt.Sprintf("entry%d", g.entries))
	g.entries++
}

// start begins a function of one loop.
func (g *vec) start(name, twin string) {
	g.fn(name+"F32"+g.suffix, twin)
	g.operands()
	g.MOVQ(operand.I32(int32(g.bytes())), reg.R11)
}

// operands loads what loops begin with: t in RBX, x, y, z and dst in RSI, RDI, R8 and R9, n in RCX, and 0 in RAX and R10,
// the offsets of x and y; p0, p1, the bounds, and the mask of the last vector.
func (g *vec) operands() {
	t := g.arg(reg.RBX)
	g.MOVQ(mem(t, vecX), reg.RSI)
	g.MOVQ(mem(t, vecY), reg.RDI)
	g.MOVQ(mem(t, vecOut), reg.R8)
	g.MOVQ(mem(t, vecDst), reg.R9)
	g.MOVQ(mem(t, vecN), reg.RAX)
	g.MOVQ(reg.RAX, reg.RCX)
	g.ANDQ(imm(g.lanes-1), reg.RCX)
	if g.wide() {
		g.MOVL(operand.U32(math.MaxUint32), reg.R10L)
		g.SHLL(reg.CL, reg.R10L)
		g.NOTL(reg.R10L)
		g.KMOVW(reg.R10L, ks[3])
	} else {
		g.NEGQ(reg.RCX)
		g.LEAQ(g.maskTable(), reg.R10)
		g.VMOVUPS(memx(reg.R10, reg.RCX, 4, 64), g.reg(15))
	}
	g.MOVQ(reg.RAX, reg.RCX)
	g.VBROADCASTSS(mem(t, vecLo), g.lo())
	g.VBROADCASTSS(mem(t, vecHi), g.hi())
	g.param(vecP0, 8)
	g.param(vecP1, 9)
	g.XORL(reg.EAX, reg.EAX)
	g.XORL(reg.R10L, reg.R10L)
}

// finish ends a function.
func (g *vec) finish() {
	g.Label(g.done())
	g.VZEROUPPER()
	g.RET()
	g.functions++
}

func (g *vec) done() string { return fmt.Sprintf("end%d", g.functions) }
