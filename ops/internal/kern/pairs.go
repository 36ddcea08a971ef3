package kern

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Products by pairs (Winograd 1968): two multiply-adds become two additions, one multiply-add and what depends on a row or
// a column alone,
//
//	x1·y1 + x2·y2 = (x1 + y2)·(x2 + y1) - x1·x2 - y1·y2
//
// which pays on processors that add beside multiplying and would not otherwise (AMD since Zen). Of three steps of depth two
// are taken as a pair and one directly, so that both kinds of unit are busy: two instructions a cycle in place of one. A tap's
// kc elements are n = ceil(kc/3) of x1, n of x2, and the rest d; zeros fill up the last.
//
// Rounding: every row, and every column of weights, is first scaled by a power of two to a largest magnitude in [2, 4), so an
// error is at most a small multiple of that of a plain sum times the row's and the column's norm, whatever their sizes. Signs
// alternate from pair to pair (x1 and y1 negated), so the sums of x1·x2 do not pile up where all are positive. Infinities in
// a row make NaN of the row. An element's bits depend on its row, its column and the sizes alone.

var usePairsAVX512 = cpu.AVX512 && haveAsm

func init() { cpu.RegisterFor("pairs/avx512", &usePairsAVX512, cpu.Zen4, cpu.Zen5) }

const (
	pairMR    = 12 // rows of a tile: the stride of offset tables, as in GemmF32
	pairNR    = 32
	pairInfo  = 4 * pairMR * 4         // floats of what there is to know of rows: magnitude, scale, way back, start
	pairSteps = 16                     // of a group of A
	pairGroup = pairMR * 3 * pairSteps // floats of a group: rows of x1, x2, d
)

// PairF32 is a product by pairs of one depth, prepared once. It is immutable.
type PairF32 struct {
	taps, kc int
	n        int // steps a tap
	groups   int
	whole    int      // groups that are all there
	masks    []uint16 // the others' existing x1 and x2, and d
}

// NewPairF32 is nil where a plain product of that size is as good: taps of kc elements, columns columns.
func NewPairF32(taps, kc, columns int) *PairF32 {
	n := (kc + 2) / 3
	idle := packedColumns(columns, pairNR, pairNR/2) - columns
	// A third of the time is won on whole steps and columns; bringing a row into form costs as much as some columns.
	if !usePairsAVX512 || 10*n*3*(columns+idle+12) > 13*kc*columns {
		return nil
	}
	return newPairF32(taps, kc)
}

// newPairF32 is for any kc from 2: then all of x2 is there.
func newPairF32(taps, kc int) *PairF32 {
	p := &PairF32{taps: taps, kc: kc, n: (kc + 2) / 3}
	p.groups = (p.n + pairSteps - 1) / pairSteps
	p.masks = make([]uint16, 0, 4)
	p.whole = (kc - 2*p.n) / pairSteps
	for g := p.whole; g < p.groups; g++ {
		p.masks = append(p.masks, firstBits(p.n-g*pairSteps), firstBits(kc-2*p.n-g*pairSteps))
	}
	return p
}

func firstBits(n int) uint16 { return uint16(1<<max(0, min(16, n)) - 1) }

// Fits says that tables and ranges of g's tiles are good for p.
func (p *PairF32) Fits(g *GemmF32) bool { return g.MR == pairMR && g.NR == pairNR }

// PackedSize is the length of packed weights in floats for n columns.
//
//go:noinline
func (p *PairF32) PackedSize(n int) int { return packedColumns(n, pairNR, pairNR/2) * p.perColumn() }

// perColumn is the floats of a packed column: its start, its scale, its steps.
//
//go:noinline
func (p *PairF32) perColumn() int { return 2 + 3*p.n*p.taps }

// ScratchSize is the floats that Run had best have for itself, for at most rows rows and n columns; it makes do with those of
// one row.
//
//go:noinline
func (p *PairF32) ScratchSize(rows, n int) int {
	return p.held(rows, n) * (pairInfo + p.tileFloats())
}

// tileFloats is the room of a tile's rows in their form.
func (p *PairF32) tileFloats() int { return pairGroup * p.groups * p.taps }

// Rows in their form take heldBytes at most, and weights of smallBytes need no care.
const heldBytes, smallBytes = 384 << 10, 48 << 10

// held is how many tiles are brought into form before their products. Small weights stay in a cache while tile after tile
// passes. Others had better come from memory panel by panel, each while all tiles take the one before.
func (p *PairF32) held(rows, n int) int {
	if 4*p.PackedSize(n) <= smallBytes {
		return 1
	}
	return max(1, min((rows+pairMR-1)/pairMR, heldBytes/(4*p.tileFloats())))
}

// Pack lays weights out: panels of 32 columns (the last of 16 when that suffices), each [start][scale] and for every step
// [y2][y1][d]. w holds column j at w[j*ld:], its elements in the order of the taps.
func (p *PairF32) Pack(dst, w []float32, n, ld int) {
	dst = dst[:p.PackedSize(n)]
	for j := 0; j < n; j += pairNR {
		width := min(pairNR, packedColumns(n, pairNR, pairNR/2)-j)
		p.packPanel(dst[j*p.perColumn():], w[j*ld:], width, min(width, n-j), ld)
	}
}

func (p *PairF32) packPanel(dst, w []float32, width, have, ld int) {
	start, back, steps := dst[:width], dst[width:2*width], dst[2*width:][:3*p.n*p.taps*width]
	clear(dst[:2*width])
	if have < width {
		clear(steps)
	}
	// Two steps' [y2][y1][d] are scaled at once, the second y1 by the opposite.
	var up [6 * pairNR]float32
	for c := range have {
		var s float32
		s, back[c] = pairScale(mostOf(w[c*ld:][:p.taps*p.kc]))
		for i := range 6 {
			up[i*width+c] = s
		}
		up[4*width+c] = -s
	}
	for t := range p.taps {
		tap, at := w[t*p.kc:], steps[t*p.n*3*width:][:p.n*3*width]
		packColumns(at[width:], tap, 3*width, have, p.n, ld)
		packColumns(at, tap[p.n:], 3*width, have, p.n, ld)
		packColumns(at[2*width:], tap[2*p.n:], 3*width, have, p.kc-2*p.n, ld)
		for i := p.kc - 2*p.n; i < p.n; i++ {
			clear(at[(3*i+2)*width:][:width])
		}
		for ; len(at) > 0; at = at[min(6*width, len(at)):] {
			two := at[:min(6*width, len(at))]
			BinaryF32(Mul, two, two, up[:len(two)], float32(math.Inf(-1)), float32(math.Inf(1)))
			for c := range start {
				start[c] -= two[c] * two[width+c]
			}
			if len(two) == 6*width {
				for c := range start {
					start[c] -= two[3*width+c] * two[4*width+c]
				}
			}
		}
	}
}

// mostOf is the largest magnitude of x; floats without sign compare like integers.
func mostOf(x []float32) float32 {
	var a, b, c, d uint32
	const abs = 1<<31 - 1
	for ; len(x) >= 4; x = x[4:] {
		a, b = max(a, math.Float32bits(x[0])&abs), max(b, math.Float32bits(x[1])&abs)
		c, d = max(c, math.Float32bits(x[2])&abs), max(d, math.Float32bits(x[3])&abs)
	}
	for _, v := range x {
		a = max(a, math.Float32bits(v)&abs)
	}
	return math.Float32frombits(max(a, b, c, d))
}

// pairScale is the power of two that brings most into [2, 4) and the way back: 0 for 0.
func pairScale(most float32) (up, back float32) {
	const low, high = 27 << 23, 227 << 23 // beyond which there is no way back
	e := min(max(math.Float32bits(most)&0x7f800000, low), high)
	if most != 0 {
		back = math.Float32frombits(e - 1<<23)
	}
	return math.Float32frombits(255<<23 - e), back
}

// Run is GemmF32.Run with weights from Pack.
func (p *PairF32) Run(a *GemmF32Args, scratch []float32, m0, m1, n0, n1 int) {
	if m0 >= m1 || n0 >= n1 {
		return
	}
	p.check(a, scratch, m0, m1, n0, n1)
	var direct [pairMR]int32
	r := pairRows{zero: &zeroRow[0], taps: p.taps, full: p.kc / 16, tail: int(firstBits(p.kc % 16)), whole: p.whole, groups: p.groups - p.whole, masks: &p.masks[:1][0], n: 4 * p.n}
	t := pairTile{taps: p.taps, full: p.n / pairSteps, rest: p.n % pairSteps, ldr: 4 * a.LDR, ldc: 4 * a.LDC, min: a.Min, max: a.Max}
	step := pairMR
	if a.Rows == nil { // tiles of about one height
		tiles := (m1 - m0 + pairMR - 1) / pairMR
		step = (m1 - m0 + tiles - 1) / tiles
		for i := range direct {
			direct[i] = int32(i * a.LDA)
		}
		r.rows = &direct[0]
	} else {
		r.a = &a.A[0]
	}
	for held := min(p.held(m1-m0, n1-n0), len(scratch)/p.ScratchSize(1, 1)); m0 < m1; m0 += held * step {
		m := min(m1, m0+held*step)
		forms := scratch[held*pairInfo:]
		for i := m0; i < m; i += step {
			if a.Rows == nil {
				r.a = &a.A[i*a.LDA]
			} else {
				r.rows = &a.Rows[i*p.taps]
			}
			r.count = min(step, m-i)
			tile := (i - m0) / step
			r.info, r.dst = &scratch[tile*pairInfo], &forms[tile*p.tileFloats()]
			r.run()
		}
		for n := n0; n < n1; n += pairNR {
			p.panel(a, &t, scratch, forms, step, m0, m, n, n1)
		}
	}
}

// panel runs the tiles of rows m0 to m1, which are in their form, over columns n to n+32.
func (p *PairF32) panel(a *GemmF32Args, t *pairTile, scratch, forms []float32, step, m0, m1, n, n1 int) {
	t.n = min(pairNR, n1-n)
	t.b = &a.B[n*p.perColumn()]
	next := a.B[min(n+pairNR, len(a.B)/p.perColumn()-1)*p.perColumn():]
	part := min(p.perColumn()*pairNR, len(next)) / aheadTiles // of the next panel that a tile asks for
	if a.Bias != nil {
		t.bias = &a.Bias[n]
	}
	for m := m0; m < m1; m += step {
		tile := (m - m0) / step
		info := scratch[tile*pairInfo:]
		t.a, t.start, t.back = &forms[tile*p.tileFloats()], &info[pairInfo/4*3], &info[pairInfo/4*2]
		t.mr = min(step, m1-m)
		t.c = &a.C[m*a.LDC+n]
		if a.Res != nil {
			t.res = &a.Res[m*a.LDR+n]
		}
		t.ahead = &next[part*min(tile, aheadTiles-1)]
		t.run()
	}
}

// aheadTiles tiles together ask for the whole of the next panel.
const aheadTiles = 2

// check panics where assembly would read or write outside the slices. Offsets themselves are not looked at.
func (p *PairF32) check(a *GemmF32Args, scratch []float32, m0, m1, n0, n1 int) {
	switch {
	case m0 < 0 || n0 < 0 || n1 > a.N || a.Taps != p.taps || a.KC != p.kc,
		n0%pairNR != 0 || n1%pairNR != 0 && n1 != a.N,
		len(a.B) < p.PackedSize(a.N), len(scratch) < p.ScratchSize(1, 1),
		a.Bias != nil && len(a.Bias) < a.N,
		len(a.C) < (m1-1)*a.LDC+n1,
		a.Res != nil && len(a.Res) < (m1-1)*a.LDR+n1:
		panic("kern: BUG: pairs: range or slice does not match the sizes")
	case a.Rows == nil && (a.Taps != 1 || len(a.A) < (m1-1)*a.LDA+a.KC || a.LDA > 1<<31/16):
		panic("kern: BUG: pairs: rows of A outside the slice")
	case a.Rows != nil && (m0%pairMR != 0 || len(a.Rows) < RowsSize(pairMR, m1, a.Taps) || a.KC > MaxTap || len(a.A) == 0):
		panic("kern: BUG: pairs: offset table does not match the sizes")
	}
}

// pairRows is what brings the rows of a tile into form; assembly knows the offsets (see TestPairLayout).
type pairRows struct {
	a      *float32 // base of A
	zero   *float32 // the row behind a negative offset
	rows   *int32   // [taps][pairMR] offsets
	taps   int
	count  int      // rows
	full   int      // vectors of a tap
	tail   int      // mask of what follows them
	groups int      // that are not all there
	masks  *uint16  // theirs
	n      int      // bytes from x1 to x2
	dst    *float32 // [taps][groups][pairMR][x1, x2, d][pairSteps]
	info   *float32 // [4][pairMR][4], of every row, four times: its magnitude, scale, way back, minus the sum of x1·x2
	whole  int      // groups that are, and come first
}

// pairTile is what a tile kernel is handed.
type pairTile struct {
	a     *float32 // pairRows.dst
	b     *float32 // the panel
	taps  int
	full  int // whole groups of a tap
	rest  int // steps of its last
	start *float32
	back  *float32
	bias  *float32 // or nil
	res   *float32 // or nil
	ldr   int      // bytes
	c     *float32
	ldc   int // bytes
	n     int // columns that exist, 1..pairNR
	mr    int // rows that exist, 1..pairMR
	min   float32
	max   float32
	ahead *float32 // what will be read soon: 64 bytes a step
}
