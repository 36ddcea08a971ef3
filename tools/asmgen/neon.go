package main

import (
	"bytes"
	"fmt"
)

// neon writes arm64 assembly. Go's assembler lacks most vector arithmetic; such instructions are numbers, each beside its
// text, which TestEncodings gives to LLVM's assembler.
type neon struct{ bytes.Buffer }

func (w *neon) line(format string, a ...any) { fmt.Fprintf(w, format+"\n", a...) }
func (w *neon) op(format string, a ...any)   { w.line("\t"+format, a...) }
func (w *neon) word(v int, text string, a ...any) {
	w.op("WORD $0x%08x // "+text, append([]any{v}, a...)...)
}

// fmla is FMLA Vd.4S, Vn.4S, Vm.S[e].
func (w *neon) fmla(d, n, m, e int) {
	w.byElement(0x4f801000, "FMLA", d, n, m, e)
}

// byElement is an instruction whose second source is an element of a register, for all lanes.
func (w *neon) byElement(base int, name string, d, n, m, e int) {
	w.word(base|(e&1)<<21|(m>>4)<<20|(m&15)<<16|(e>>1)<<11|n<<5|d, "%s V%d.4S, V%d.4S, V%d.S[%d]", name, d, n, m, e)
}

// vfmla and vfmls add and take off products of whole vectors: d += n·m.
func (w *neon) vfmla(d, n, m int) { w.op("VFMLA V%d.S4, V%d.S4, V%d.S4", m, n, d) }
func (w *neon) vfmls(d, n, m int) { w.op("VFMLS V%d.S4, V%d.S4, V%d.S4", m, n, d) }

func (w *neon) three(base int, name string, d, n, m int) {
	w.word(base|m<<16|n<<5|d, "%s V%d.4S, V%d.4S, V%d.4S", name, d, n, m)
}

// two is an instruction of one source, from lanes named from to lanes named to.
func (w *neon) two(base int, name, to, from string, d, n int) {
	w.word(base|n<<5|d, "%s V%d.%s, V%d.%s", name, d, to, n, from)
}

// threeAs is three for sources of other lanes than 4S, and results of others again.
func (w *neon) threeAs(base int, name, to, from string, d, n, m int) {
	w.word(base|m<<16|n<<5|d, "%s V%d.%s, V%d.%s, V%d.%s", name, d, to, n, from, m, from)
}

// wide is an instruction whose result and first source are 4S and whose second has narrower lanes.
func (w *neon) wide(base int, name, second string, d, n, m int) {
	w.word(base|m<<16|n<<5|d, "%s V%d.4S, V%d.4S, V%d.%s", name, d, n, m, second)
}

// bound clamps v to a lower and an upper bound; FMAX would make 0 of -0 where the bound is 0. tmp is spent. A NaN stays.
func (w *neon) bound(v, lo, hi, tmp int) {
	w.three(0x6ea0e400, "FCMGT", tmp, lo, v)
	w.threeAs(0x6ea01c00, "BIT", "16B", "16B", v, lo, tmp)
	w.three(0x4ea0f400, "FMIN", v, v, hi)
}

// bounds loads what requantize needs beside scales to v and the two after it, through a register, from where R0 says.
func (w *neon) bounds(through, v, least, most, zero int) {
	for i, off := range []int{least, most, zero} {
		w.op("ADD  $%d, R0, R%d", off, through)
		w.op("VLD1R (R%d), [V%d.S4]", through, v+i)
	}
	w.two(0x4e21a800, "FCVTNS", "4S", "4S", v+1, v+1)
	for i := 1; i < 3; i++ {
		w.two(0x0e612800, "XTN", "4H", "4S", v+i, v+i)
		w.op("VDUP V%d.D[0], V%d.D2", v+i, v+i)
	}
}

// requantize turns sums v and the next into the eight bytes of v. FMAXNM gives the bound for a NaN; what is beyond 32 bits
// is the largest number there, and in 16 bits.
func (w *neon) requantize(v, scale, bounds int) {
	for i := range 2 {
		w.two(0x4e21d800, "SCVTF", "4S", "4S", v+i, v+i)
		w.three(0x6e20dc00, "FMUL", v+i, v+i, scale+i)
	}
	w.round(v, bounds)
}

// round is requantize for floats that are scaled already.
func (w *neon) round(v, bounds int) {
	for i := range 2 {
		w.three(0x4e20c400, "FMAXNM", v+i, v+i, bounds)
		w.two(0x4e21a800, "FCVTNS", "4S", "4S", v+i, v+i)
	}
	w.two(0x0e614800, "SQXTN", "4H", "4S", v, v)
	w.two(0x4e614800, "SQXTN2", "8H", "4S", v, v+1)
	w.threeAs(0x4e606c00, "SMIN", "8H", "8H", v, v, bounds+1)
	w.op("VADD V%d.H8, V%d.H8, V%d.H8", bounds+2, v, v)
	w.two(0x0e212800, "XTN", "8B", "8H", v, v)
}
