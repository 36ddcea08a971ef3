package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/buildtags"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// asm is one amd64 file being written, with the few helpers every kernel wants.
type asm struct {
	context
	labels int
	mask   operand.Mem
}

// avo wraps a generator of functions into a generator of a file.
func avo(gen func(*asm)) func() ([]byte, error) {
	return func() ([]byte, error) {
		a := &asm{context: build.NewContext()}
		a.Constraint(buildtags.Not("purego"))
		gen(a)
		f, err := a.Result()
		if err != nil {
			return nil, err
		}
		if err := pass.Compile.Execute(f); err != nil {
			return nil, err
		}
		text, err := printer.NewGoAsm(printer.Config{Name: "asmgen", Argv: []string{"asmgen"}}).Print(f)
		if err != nil {
			return nil, err
		}
		return joined(text), nil
	}
}

// fn starts a function of one pointer parameter named t.
func (a *asm) fn(name, twin string) {
	a.Function(name)
	a.Attributes(build.NOSPLIT)
	a.SignatureExpr("func(t *byte)")
	a.Doc(fmt.Sprintf("%s: see %s for what it computes.", name, twin))
}

// arg loads the parameter into a register.
func (a *asm) arg(r reg.GPPhysical) reg.GPPhysical {
	a.Load(a.Param("t"), r)
	return r
}

// label makes a name that is unique within the file.
func (a *asm) label(name string) string {
	a.labels++
	return fmt.Sprintf("%s%d", name, a.labels)
}

func mem(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

func memx(base, index reg.Register, scale uint8, disp int) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale, Disp: disp}
}

func imm(v int) operand.Op {
	if v >= -128 && v <= 127 {
		return operand.I8(int8(v))
	}
	return operand.I32(int32(v))
}

// isa is a vector width with its registers.
type isa struct {
	name   string
	suffix string
	lanes  int // float32 in a register
	rows   int // of the largest fp32 tile
	reg    func(i int) reg.VecPhysical
}

var (
	zmm = isa{"avx512", "AVX512", 16, 12, func(i int) reg.VecPhysical { return zs[i] }}
	ymm = isa{"avx2", "AVX2", 8, 6, func(i int) reg.VecPhysical { return ys[i] }}

	zs = []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12,
		reg.Z13, reg.Z14, reg.Z15, reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26,
		reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}
	ys = []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12,
		reg.Y13, reg.Y14, reg.Y15, reg.Y16, reg.Y17, reg.Y18, reg.Y19, reg.Y20, reg.Y21, reg.Y22, reg.Y23, reg.Y24, reg.Y25, reg.Y26,
		reg.Y27, reg.Y28, reg.Y29, reg.Y30, reg.Y31}
	xs = []reg.VecPhysical{reg.X0, reg.X1, reg.X2, reg.X3, reg.X4, reg.X5, reg.X6, reg.X7, reg.X8, reg.X9, reg.X10, reg.X11, reg.X12,
		reg.X13, reg.X14, reg.X15, reg.X16, reg.X17, reg.X18, reg.X19, reg.X20, reg.X21, reg.X22, reg.X23, reg.X24, reg.X25, reg.X26,
		reg.X27, reg.X28, reg.X29, reg.X30, reg.X31}
	gps = []reg.GPPhysical{reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13, reg.R14, reg.R15, reg.RBX, reg.RDX}
	ks  = []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3, reg.K4}
)

func (i isa) wide() bool { return i.lanes == 16 }
func (i isa) bytes() int { return 4 * i.lanes }

// maskTable is 16 words of ones, then 16 of zeros; defined once a file.
func (a *asm) maskTable() operand.Mem {
	if a.mask.Base != nil || a.mask.Symbol.Name != "" {
		return a.mask
	}
	a.mask = a.StaticGlobal("tailMask")
	a.DataAttributes(build.RODATA | build.NOPTR)
	for i := range 32 {
		v := uint32(0)
		if i < 16 {
			v = 0xffffffff
		}
		a.AddDatum(4*i, operand.U32(v))
	}
	return a.mask
}
