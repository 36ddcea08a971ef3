package kern

import (
	"unsafe"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// The integer product, indirect like GemmF32's:
//
//	acc     = bias[n] + Σ_t Σ_k (A[row(m,t) + k] - za) · (B[t·kc + k][n] - zb[n])         int32, wrapping
//	C[m][n] = clamp(roundHalfEven(float32(acc) · scale[n]) + zc, lo, hi)                   scale in float32
//
// the requantisation of XNNPACK. Every path gives the same bits.
//
// Activations count as unsigned inside: signed ones have their top bit flipped (128 added). What that, za and zb add is
// taken off by the bias (Columns) and, where zb is not 128 for unsigned or 0 for signed weights, by a row's sum.

var (
	useGemmI8VNNI    = cpu.VNNI && haveAsm
	useGemmI8AVXVNNI = cpu.AVXVNNI && haveAsm
	useGemmI8AVX2    = cpu.AVX2 && haveAsm
	useGemmI8MMLA    = cpu.I8MM && haveNEON
	useGemmI8SDOT    = cpu.DotProd && haveNEON
	useGemmI8NEON    = cpu.NEON && haveNEON

	// Weights are asked for before they are needed.
	useGemmI8Ahead = cpu.VNNI && haveAsm
	// Flipping the sign of activations costs multiplications.
	useGemmI8Unsigned = cpu.VNNI && haveAsm
)

func init() {
	cpu.Register("gemmi8/vnni", &useGemmI8VNNI)
	cpu.Register("gemmi8/avxvnni", &useGemmI8AVXVNNI)
	cpu.Register("gemmi8/avx2", &useGemmI8AVX2)
	cpu.Register("gemmi8/mmla", &useGemmI8MMLA)
	cpu.Register("gemmi8/sdot", &useGemmI8SDOT)
	cpu.Register("gemmi8/neon", &useGemmI8NEON)
	cpu.RegisterFor("gemmi8ahead/vnni", &useGemmI8Ahead, cpu.Intel)
	cpu.RegisterFor("gemmi8unsigned/vnni", &useGemmI8Unsigned, cpu.Intel)
}

// GemmI8 is a chosen form of the integer product; packing depends on it.
type GemmI8 struct {
	Name  string
	MR    int // rows of a tile: the stride of offset tables
	NR    int // columns of a panel
	Half  int // width of a last, narrow panel; 0 when there is none
	Group int // depth that is packed together; a tap is rounded up to it with zeros
	// signed says that activations count as signed inside, for an instruction that wants them so; else as unsigned.
	signed bool
	wide   bool // rows are widened to 16-bit numbers, and weights packed by twos of all taps' depth together (gemmi8_wide.go)
	lines  bool // rows are 16-bit numbers already, in lines, and weights packed by twos of each tap's depth (gemmi8_lines.go)
	isa    isa
}

var (
	gemmI8VNNI    = GemmI8{Name: "i8-12x32-vnni", MR: 12, NR: 32, Half: 16, Group: 4, isa: isaAVX512}
	gemmI8AVXVNNI = GemmI8{Name: "i8-6x16-avxvnni", MR: 6, NR: 16, Half: 8, Group: 4, isa: isaAVX2}
	gemmI8AVX2    = GemmI8{Name: "i8-6x16-avx2", MR: 6, NR: 16, Half: 8, Group: 4, wide: true, isa: isaAVX2}
	gemmI8MMLA    = GemmI8{Name: "i8-8x8-mmla", MR: 8, NR: 8, Group: 8, signed: true, isa: isaNEON}
	gemmI8SDOT    = GemmI8{Name: "i8-8x8-sdot", MR: 8, NR: 8, Group: 4, signed: true, isa: isaNEON}
	gemmI8NEON    = GemmI8{Name: "i8-8x8-neon", MR: 8, NR: 8, Group: 1, signed: true, isa: isaNEON}
	gemmI8Generic = GemmI8{Name: "i8-4x4-generic", MR: 4, NR: 4, Group: 1}
)

// SelectGemmI8 returns the best form that is switched on. The object is shared and immutable.
//
//go:noinline
func SelectGemmI8() *GemmI8 {
	switch {
	case useGemmI8VNNI:
		return &gemmI8VNNI
	case useGemmI8AVXVNNI:
		return &gemmI8AVXVNNI
	case useGemmI8AVX2:
		return &gemmI8AVX2
	case useGemmI8MMLA:
		return &gemmI8MMLA
	case useGemmI8SDOT:
		return &gemmI8SDOT
	case useGemmI8NEON:
		return &gemmI8NEON
	}
	return &gemmI8Generic
}

// Widens says that bytes are widened to be multiplied, which then takes about as long as with floats.
func (g *GemmI8) Widens() bool { return g.wide }

// UnsignedI8 says that the best form is faster on unsigned activations.
func UnsignedI8() bool { return useGemmI8VNNI && useGemmI8Unsigned }

// GemmI8Args is one product. Run reads it only, so that workers may share it.
type GemmI8Args struct {
	A       []byte
	ASigned bool    // the bytes of A are int8
	Lines   Lines   // where rows are in a form of lines, in place of what follows to LDA
	Rows    []int32 // RowsSize entries [tile][tap][MR]: offsets into A, negative for Zero; nil: see LDA
	Cut     Tiles   // of Rows, as FillRows got it; one that is not zero is of exactly the rows 0 to m1 of a run
	Zero    []byte  // KC bytes of A's zero point, which padding reads; needed with Rows
	Inside  bool    // none of Rows is negative
	LDA     int     // with Rows nil and Taps 1: row m starts at A[m*LDA]
	Taps    int
	KC      int    // bytes of a tap
	B       []byte // PackedSize(N, Taps, KC) bytes from Pack
	Wide    []byte // WideSize(m1-m0, Taps, KC) bytes of scratch, of this run alone
	Next    []byte // what is likely to be multiplied by after that, or nil: what lies behind
	N       int    // columns in all
	Cols    *GemmI8Columns
	Bias    []int32 // in place of Cols', or nil
	C       []byte  // output, row m at C[m*LDC]
	LDC     int
	CZero   int32 // zero point, and limits after adding it: within -128..127 or 0..255 as the output's type is
	Lo, Hi  int32

	Sum *GemmI8Sum // or nil: what is added to the result
	Res []byte     // with Sum: the other operand, row m at Res[m*LDR]; not C
	LDR int
}

// GemmI8Columns is what a column's sum meets: made by Columns.
type GemmI8Columns struct {
	bias  []int32
	zero  []int32 // weight zero points that are left; nil: none
	scale []float32
	wild  bool // a scaled sum may be beyond 32 bits
}

// aheadBytes is how much of B all rows of a range pass over while the next as much is asked for.
const aheadBytes = 128 << 10

// fewAhead is how far ahead a product of one or two rows, which reads weights once, asks for them.
const fewAhead = 8 << 10

// Run computes rows m0 to m1 and columns n0 to n1; see GemmF32.Run for what ranges may be.
func (g *GemmI8) Run(a *GemmI8Args, m0, m1, n0, n1 int) {
	if m0 >= m1 || n0 >= n1 {
		return
	}
	a.check(g, m0, m1, n0, n1)
	bytes := g.isa.blockBytes()
	if useGemmI8Ahead {
		bytes = aheadBytes
	}
	block := max(1, bytes/g.panelBytes(a.Taps, a.KC, g.NR)) * g.NR
	for nn := n0; nn < n1; nn += block {
		end := min(nn+block, n1)
		if g.isa == isaGeneric {
			if a.runGeneric(m0, m1, nn, end); a.Sum != nil {
				a.addRows(m0, m1, nn, end)
			}
			continue
		}
		var next []byte
		if nn+block >= n1 {
			next = a.Next
		}
		switch n := g.wideSize(m1-m0, a.Taps, a.KC); {
		case n == 0 || n > wideOnStack:
			g.runBlock(a, m0, m1, nn, end, next, a.Wide)
		case n > wideFew:
			g.runOnStack(a, m0, m1, nn, end, next)
		default:
			g.runOnLittle(a, m0, m1, nn, end, next)
		}
	}
}

// runBlock asks for next, or for what lies behind the block. wide is wideSize bytes of scratch.
func (g *GemmI8) runBlock(a *GemmI8Args, m0, m1, n0, n1 int, next, wide []byte) {
	var direct, sums [16]int32
	t := tileI8{taps: a.Taps, kc: a.KC, ldc: a.LDC, zeroPoint: a.CZero, sums: &sums[0],
		min: float32(a.Lo - a.CZero), max: float32(a.Hi - a.CZero)}
	if a.ASigned != g.signed {
		t.flip = 0x80808080
	}
	many := g.isa == isaAVX512 || g.isa == isaAVX2 // kernels go over many panels
	if many {
		t.limits(a)
	}
	if g.pairs(a, &t); g.wide {
		t.wide = &wide[0]
	}
	if a.Rows == nil || a.Inside {
		t.inside = 1
	}
	if a.Rows == nil {
		for i := range g.MR {
			direct[i] = int32(i * a.LDA)
		}
		t.rows = &direct[0]
	} else {
		t.a, t.zero = &a.A[0], &a.Zero[0]
	}
	perColumn, bias := g.panelBytes(a.Taps, a.KC, 1), a.bias()
	then := uintptr(unsafe.Pointer(&a.B[n0*perColumn])) + uintptr((n1-n0)*perColumn)
	if len(next) > 0 {
		then = uintptr(unsafe.Pointer(&next[0]))
	}
	cut := a.Cut
	if a.Rows == nil {
		cut = g.Even(m1 - m0)
	}
	for i, m, mr := 0, m0, 0; m < m1; i, m = i+1, m+mr {
		mr = cut.height(i, g.MR, m1-m)
		switch {
		case g.lines:
			t.wide, mr = a.Lines.tile(a.A, m, mr)
		case a.Rows == nil:
			t.a = &a.A[m*a.LDA]
		default:
			t.rows = &a.Rows[(m0+i*g.MR)*a.Taps]
		}
		t.mr = mr
		if a.Cols.zero != nil {
			g.rowSums(&t)
		}
		if g.wide {
			g.widen(a, &t)
		}
		for n, end := n0, 0; n < n1; n = end {
			nr := min(g.NR, n1-n)
			t.panels, end = 1, n+nr
			if many && nr == g.NR {
				t.panels = (n1 - n) / nr
				end = n + nr*t.panels
			}
			t.b = &a.B[n*perColumn]
			if t.ahead = uintptr(unsafe.Pointer(t.b)); useGemmI8Ahead && m1-m0 <= 2 {
				t.ahead += fewAhead
			} else if useGemmI8Ahead && i < 4 { // a quarter of the next block each
				t.ahead = then + uintptr(((n1-n0)*i+n-n0)*perColumn/4)
			}
			t.c = &a.C[m*a.LDC+n]
			t.bias = &bias[n]
			t.scale = &a.Cols.scale[n]
			if a.Cols.zero != nil {
				t.wzero = &a.Cols.zero[n]
			}
			t.n = nr
			if g.tile(&t, mr, nr <= g.Half); a.Sum != nil {
				a.addRows(m, m+mr, n, end)
			}
		}
	}
}

// bias is what the columns' sums start at.
func (a *GemmI8Args) bias() []int32 {
	if a.Bias != nil {
		return a.Bias
	}
	return a.Cols.bias
}

// row returns the KC bytes that row m+i sees through tap t; m is the first row of a tile of mr.
func (a *GemmI8Args) row(mr, m, t, i int) []byte {
	if a.Rows == nil {
		return a.A[(m+i)*a.LDA:][:a.KC]
	}
	if o := a.Rows[m*a.Taps+mr*t+i]; o >= 0 {
		return a.A[o:][:a.KC]
	}
	return a.Zero[:a.KC]
}

func (a *GemmI8Args) check(g *GemmI8, m0, m1, n0, n1 int) {
	cols := packedColumns(a.N, g.NR, g.Half)
	switch {
	case m0 < 0 || n0 < 0 || n1 > a.N || a.Taps <= 0 || a.KC <= 0 || a.Cols == nil,
		n0%g.NR != 0 || n1%g.NR != 0 && n1 != a.N,
		len(a.B) < g.PackedSize(a.N, a.Taps, a.KC),
		len(a.bias()) < cols || len(a.Cols.scale) < cols || a.Cols.zero != nil && len(a.Cols.zero) < cols,
		len(a.C) < (m1-1)*a.LDC+n1:
		panic("kern: BUG: gemmi8: range or slice does not match the sizes")
	case a.Sum != nil && len(a.Res) < (m1-1)*a.LDR+n1:
		panic("kern: BUG: gemmi8: the other operand of the sum is too short")
	case g.lines:
		a.Lines.check(a, g, m1)
	case a.Rows == nil && (a.Taps != 1 || len(a.A) < (m1-1)*a.LDA+a.KC || a.LDA > 1<<31/16):
		panic("kern: BUG: gemmi8: rows of A outside the slice")
	case len(a.Wide) < g.WideSize(m1-m0, a.Taps, a.KC):
		panic("kern: BUG: gemmi8: not enough scratch")
	case a.Rows != nil && (m0%g.MR != 0 || a.Cut.h != 0 && (m0 != 0 || m1 != a.Cut.rows) || len(a.Rows) < RowsSize(g.MR, m1, a.Taps) || len(a.A) == 0 || len(a.Zero) < a.KC):
		panic("kern: BUG: gemmi8: offset table or zero row does not match the sizes")
	}
}

// tileI8 is what a tile kernel is handed; assembly knows the offsets (see TestTileLayout).
type tileI8 struct {
	a         *byte
	zero      *byte
	rows      *int32
	taps      int
	kc        int
	b         *byte
	bias      *int32
	wzero     *int32 // or nil
	sums      *int32
	c         *byte
	ldc       int
	n         int
	scale     *float32
	min, max  float32 // limits before the zero point is added
	zeroPoint int32
	flip      uint32
	mr        int // rows of the tile
	panels    int // how many whole ones follow each other; x86 only, as what is below

	words          uint32 // the zero point, as an unsigned number, in 16 bits, twice
	lo, hi, outXor uint32 // limits of unsigned results, and what makes them signed again, four times
	wild           uint32
	end            uint32  // 1: neither limits nor sign change a result; 2: nor does the zero point
	ahead          uintptr // what to ask for ahead, or weights of this tile
	inside         int     // 1: no offset is negative

	wide   *byte // AVX2: where widenRows puts the rows, or nil
	stride int   // bytes between those
	last   *byte // where A's last 16 bytes are, or nil

	runs, pairs, runStep int // a wide row's: runs of so many pairs, and bytes from the end of one to the next
}

// limits is how x86 kernels want zero point and limits.
func (t *tileI8) limits(a *GemmI8Args) {
	t.words, t.lo, t.hi, t.outXor = limitsI8(a.CZero, a.Lo, a.Hi)
	if a.Cols.wild {
		t.wild = 1
	}
	if t.lo == 0 && t.hi == ^uint32(0) && t.outXor == 0 {
		if t.end = 1; t.words == 0 {
			t.end = 2
		}
	}
}

// limitsI8 is a zero point, as an unsigned number, in 16 bits, twice; limits of unsigned results and what makes them signed
// again, four times.
func limitsI8(zero, lo, hi int32) (words, least, most, outXor uint32) {
	var up int32
	if lo < 0 || zero < 0 {
		up, outXor = 128, 0x80808080
	}
	return uint32(zero+up) * 0x00010001, uint32(lo+up) * 0x01010101, uint32(hi+up) * 0x01010101, outXor
}
