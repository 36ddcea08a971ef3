package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// The workhorse: an indirect matrix product in fp32.
//
//	C[m][n] = clamp(bias[n] + Σ_t Σ_k A[row(m,t) + k] · B[t·kc + k][n] + res[m][n])    m < M, n < N, t < taps, k < kc
//
// A row of A is gathered tap by tap through a table of offsets, so a convolution of any kernel, stride, dilation and
// padding needs no im2col copy; one tap is an ordinary product (1x1 convolution, dense, MatMul). Neighbouring taps that
// are contiguous in memory may be fused by the caller: without horizontal padding a kernel row of kw taps at dilation 1
// is one tap of kw·ic floats, which is how a first layer of three channels avoids taps of three.
//
// Rounding: an element starts at its bias (or zero) and takes its products one by one, k innermost, taps outermost, each
// by one fused multiply-add in every assembly path; the residual is added last. So the bits do not depend on how M and N
// are cut into ranges or tiles, and AVX-512, AVX2 and NEON agree. The portable path may round products separately.

// isa names the set of instructions a kernel object is bound to.
type isa uint8

const (
	isaGeneric isa = iota
	isaAVX2
	isaAVX512
	isaNEON
)

// MaxTap is the largest kc of a table that holds padding. A longer tap is split into several: B does not change.
const MaxTap = 1 << 14

// zeroRow is what a padded tap reads: never written, so it costs address space only.
var zeroRow [MaxTap]float32

// GemmF32 is a chosen form of the product: packing depends on it, so choose once and keep it with the packed weights.
type GemmF32 struct {
	Name string
	MR   int // rows of a tile: the stride of offset tables
	NR   int // columns of a panel
	Half int // width of a last, narrow panel; 0 when there is none
	isa  isa
}

var (
	useGemmAVX512 = cpu.AVX512 && haveAsm
	useGemmAVX2   = cpu.AVX2 && haveAsm
	useGemmNEON   = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("gemm/avx512", &useGemmAVX512)
	cpu.Register("gemm/avx2", &useGemmAVX2)
	cpu.Register("gemm/neon", &useGemmNEON)
}

var (
	gemmF32AVX512  = GemmF32{Name: "f32-12x32-avx512", MR: 12, NR: 32, Half: 16, isa: isaAVX512}
	gemmF32AVX2    = GemmF32{Name: "f32-6x16-avx2", MR: 6, NR: 16, Half: 8, isa: isaAVX2}
	gemmF32NEON    = GemmF32{Name: "f32-8x8-neon", MR: 8, NR: 8, isa: isaNEON}
	gemmF32Generic = GemmF32{Name: "f32-4x4-generic", MR: 4, NR: 4}
)

// SelectGemmF32 returns the best form that is switched on. The object is shared and immutable.
//
//go:noinline
func SelectGemmF32() *GemmF32 {
	switch {
	case useGemmAVX512:
		return &gemmF32AVX512
	case useGemmAVX2:
		return &gemmF32AVX2
	case useGemmNEON:
		return &gemmF32NEON
	}
	return &gemmF32Generic
}

// SelectGemmF32Narrow returns the form of narrower panels, where there are two.
func SelectGemmF32Narrow() *GemmF32 {
	if useGemmAVX2 {
		return &gemmF32AVX2
	}
	return SelectGemmF32()
}

// SelectGemmF32For is SelectGemmF32 for products of n columns: with few of them narrower panels can leave fewer lanes idle,
// which pays where a processor takes twice as long for vectors twice as wide (AMD Zen 4). Bits are the same either way.
func SelectGemmF32For(n int) *GemmF32 {
	g := SelectGemmF32()
	if g.isa != isaAVX512 || !useGemmAVX2 || n <= gemmF32AVX2.Half || n > 3*g.NR {
		return g
	}
	narrow := &gemmF32AVX2
	if idle := g.packedColumns(n) - narrow.packedColumns(n); idle*8 > n && halfRate512() {
		return narrow
	}
	return g
}

// GemmF32Args is one product. Run reads it only, so that workers may share it.
type GemmF32Args struct {
	A    []float32 // activations, from the element that offset 0 names
	Rows []int32   // RowsSize entries [tile][tap][MR]: element offsets into A, negative for a row of zeros; nil: see LDA
	Cut  Tiles     // of Rows, as FillRows got it; one that is not zero is of exactly the rows 0 to m1 of a run
	LDA  int       // with Rows nil and Taps 1: row m starts at A[m*LDA]
	Taps int
	KC   int       // floats a tap; K = Taps*KC
	B    []float32 // PackedSize(N, K) floats from Pack
	Hot  bool      // B lies in a cache of this core
	Next []float32 // what is likely to be multiplied by after that, or nil
	N    int       // columns in all
	Bias []float32 // N, or nil
	Res  []float32 // residual added before the clamp, or nil; may be C itself, to accumulate
	LDR  int       // row stride of Res
	C    []float32 // output, row m at C[m*LDC]
	LDC  int
	Min  float32 // clamp: -Inf and +Inf for none, 0 and +Inf for Relu, 0 and 6 for Relu6. NaN passes
	Max  float32
}

// blockBytes is how much of B is kept in the second-level cache while all rows of a range pass over it.
const blockBytes = 512 << 10

// blockBytes is that for a kernel: processors that run NEON or plain Go have 128 to 512 KB, some for several cores.
func (i isa) blockBytes() int {
	if i == isaNEON || i == isaGeneric {
		return blockBytes / 4
	}
	return blockBytes
}

// blockBudget is the share of B, of block bytes at most, when the rows of A take that many bytes (a convolution's taps overlap: one is counted):
// where A can stay in the second-level cache too, B leaves it room; where it cannot, it streams by as rarely as can be.
func blockBudget(block, rows int) int {
	if rows > block {
		return block
	}
	return min(block, block*3/2-rows)
}

// Run computes rows m0 to m1 and columns n0 to n1. m0 must be a multiple of MR when there is a table; n0 must be a
// multiple of NR, and n1 too unless it is N. Ranges that do not overlap may run at the same time, except that Res must
// not be another range's C.
//
// Order: columns in blocks whose weights fit the second-level cache; within a block row tiles outermost, so that a tile's
// activations stay in the first level over all its panels. A range is therefore best cut along rows when weights are
// small, along columns (multiples of NR) when M is small and weights are large. runAhead has another order.
func (g *GemmF32) Run(a *GemmF32Args, m0, m1, n0, n1 int) {
	if m0 >= m1 || n0 >= n1 {
		return
	}
	a.check(g, m0, m1, n0, n1)
	k := a.Taps * a.KC
	if g.asksAhead(a, m1-m0, n1-n0) {
		g.runAhead(a, m0, m1, n0, n1)
		return
	}
	block := max(1, blockBudget(g.isa.blockBytes(), 4*(m1-m0)*a.KC)/(4*k*g.NR)) * g.NR
	for nn := n0; nn < n1; nn += block {
		if end := min(nn+block, n1); g.isa == isaGeneric {
			a.runGeneric(m0, m1, nn, end)
		} else {
			g.runBlock(a, m0, m1, nn, end)
		}
	}
}

// rowPanels is how many panels a kernel of a single row takes at once.
const rowPanels = 4

// Rows a multiple of 4 KiB apart (aliasing floats) all fall into one set of a first-level cache, which holds eight lines of
// it (ways): taller tiles would evict their own rows.
const aliasing, ways = 1024, 8

func (g *GemmF32) runBlock(a *GemmF32Args, m0, m1, n0, n1 int) {
	var direct [16]int32
	t := a.tile(g, &direct)
	if a.Rows != nil {
		t.a = &a.A[0]
	}
	if g.asksRows(a, m1-m0, n1-n0) {
		var far rowsAhead
		g.tiles(a, &t, &far, m0, m1, n0, n1)
		return
	}
	g.tiles(a, &t, nil, m0, m1, n0, n1)
}

// tile is what all tiles of a product have in common.
func (a *GemmF32Args) tile(g *GemmF32, direct *[16]int32) tileF32 {
	k := a.Taps * a.KC
	t := tileF32{zero: &zeroRow[0], taps: a.Taps, kc: a.KC, ldr: 4 * a.LDR, ldc: 4 * a.LDC, min: a.Min, max: a.Max, panels: 4 * k * g.NR}
	if a.Rows == nil {
		for i := range g.MR {
			direct[i] = int32(i * a.LDA)
		}
		t.rows = &direct[0]
	}
	return t
}

// tiles asks for the next rows by far, unless that is nil.
func (g *GemmF32) tiles(a *GemmF32Args, t *tileF32, far *rowsAhead, m0, m1, n0, n1 int) {
	k := a.Taps * a.KC
	mr, cut := g.MR, a.Cut
	if a.Rows == nil {
		if a.LDA%aliasing == 0 {
			mr = min(mr, ways)
		}
		cut = evenTiles(mr, m1-m0)
	}
	t.by = stepsF32{b: t.panels, c: 4 * g.NR}
	if a.Bias != nil {
		t.by.bias = 4 * g.NR
	}
	if a.Res != nil {
		t.by.res = 4 * g.NR
	}
	mt := 0
	for i, m := 0, m0; m < m1; i, m = i+1, m+mt {
		if a.Rows == nil {
			t.a = &a.A[m*a.LDA]
		} else {
			t.rows = &a.Rows[(m0+i*g.MR)*a.Taps]
		}
		mt = cut.height(i, mr, m1-m)
		if rest := m1 - m - mt; far != nil && rest >= mr {
			far.next(a, m+mt, m0+(i+1)*g.MR, cut.height(i+1, mr, rest), n0, n1, (n1-n0+g.NR-1)/g.NR)
		}
		for n := n0; n < n1; n += t.count * g.NR {
			t.n, t.count = min(g.NR, n1-n), g.together(max(1, (n1-n)/g.NR))
			t.b = &a.B[n*k]
			t.c = &a.C[m*a.LDC+n]
			if a.Bias != nil {
				t.bias = &a.Bias[n]
			}
			if a.Res != nil {
				t.res = &a.Res[m*a.LDR+n]
			}
			if mt == 1 && n1-n >= rowPanels*g.NR && g.isa != isaNEON {
				t.count = rowPanels
				g.row(t)
				continue
			}
			if far != nil {
				t.count = min(t.count, far.ask(t, (n-n0)/g.NR))
			}
			g.each(t, mt)
		}
	}
}

// runSmall is Run for planes of products that all have a few rows and weights that fit the caches, the i-th from floats
// i*da of A, i*db of B and i*dc of C: what they share is set once. The bias is that of one of them. A network has used
// other weights since: the first rows ask for each plane's in the one before it.
func (g *GemmF32) runSmall(a *GemmF32Args, planes, biased, da, db, dc, rows, n0, n1 int) {
	var direct [16]int32
	t := a.tile(g, &direct)
	one := *a
	ahead, cut := 4*planes*db > nearBytes && g.asksAhead(a, rows, n1-n0), evenTiles(g.MR, rows)
	for p := range planes {
		one.A, one.B, one.C = a.A[p*da:], a.B[p*db:], a.C[p*dc:]
		if one.Bias, t.bias = nil, nil; p == biased {
			one.Bias = a.Bias
		}
		if p == 0 || p == biased || p == planes-1 { // the sizes are the same in between
			one.check(g, 0, rows, n0, n1)
		}
		if ahead { // together they are more than the cache has, or it has other things
			var next []float32
			if p+1 < planes {
				next = a.B[(p+1)*db+n0*a.KC:]
			}
			g.panelsAhead(&one, &t, &cut, 0, (rows+g.MR-1)/g.MR, 0, 0, rows, n0, n1, next, p > 0)
			continue
		}
		g.tiles(&one, &t, nil, 0, rows, n0, n1)
	}
}

// check panics where assembly would read or write outside the slices. Offsets themselves are not looked at.
func (a *GemmF32Args) check(g *GemmF32, m0, m1, n0, n1 int) {
	k := a.Taps * a.KC
	switch {
	case m0 < 0 || n0 < 0 || n1 > a.N || k <= 0,
		n0%g.NR != 0 || n1%g.NR != 0 && n1 != a.N,
		len(a.B) < g.PackedSize(a.N, k),
		a.Bias != nil && len(a.Bias) < a.N,
		len(a.C) < (m1-1)*a.LDC+n1,
		a.Res != nil && len(a.Res) < (m1-1)*a.LDR+n1:
		panic("kern: BUG: gemm: range or slice does not match the sizes")
	case a.Rows == nil && (a.Taps != 1 || len(a.A) < (m1-1)*a.LDA+k || a.LDA > 1<<31/16):
		panic("kern: BUG: gemm: rows of A outside the slice")
	case a.Rows != nil && (m0%g.MR != 0 || a.Cut.h != 0 && (m0 != 0 || m1 != a.Cut.rows) || len(a.Rows) < RowsSize(g.MR, m1, a.Taps) || a.KC > MaxTap || len(a.A) == 0):
		panic("kern: BUG: gemm: offset table does not match the sizes")
	}
}

// tileF32 is what a tile kernel is handed; assembly knows the offsets (see TestTileLayout).
type tileF32 struct {
	a    *float32 // base of A
	zero *float32 // the row behind a negative offset
	rows *int32   // [taps][MR] offsets
	taps int
	kc   int
	b    *float32 // the panel
	bias *float32 // or nil
	res  *float32 // or nil
	ldr  int      // bytes
	c    *float32
	ldc  int // bytes
	n    int // columns that exist, 1..NR; for row, the Narrow of b
	min  float32
	max  float32

	panels int // bytes from one panel to the next, for row

	ahead uintptr // what will be read soon, or 0
	step  int     // bytes of it a step of k

	left   int // tiles of this call, which ends with none
	kernel int // mr, and MR more for a panel of half the width
	by     stepsF32
	count  int // tiles of a call
}

// stepsF32 is bytes from what one tile is handed to what the next is.
type stepsF32 struct{ a, rows, b, bias, res, c, ahead int }

// each runs t.count tiles of mr rows. Go around every tile costs as much as four or five of depth, so by AVX2 the way from
// tile to tile is assembly's, too; other forms take one at a time.
func (g *GemmF32) each(t *tileF32, mr int) {
	if t.left = t.count; g.isa == isaAVX2 {
		if t.kernel = mr; t.n <= g.Half {
			t.kernel += g.MR
		}
		tilesAVX2(t)
		return
	}
	g.tile(t, mr, t.n <= g.Half)
}

// together is how many of n tiles each takes.
func (g *GemmF32) together(n int) int {
	if g.isa == isaAVX2 {
		return n
	}
	return 1
}
