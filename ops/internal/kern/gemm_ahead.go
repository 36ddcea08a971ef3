package kern

import (
	"unsafe"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Weights that are in no cache of their core arrive, on Intel's processors and Zen 3, at half the rate that they could: what they are
// multiplied by leaves too few loads in flight. So panels are taken one by one, each by all tiles of rows, which ask between
// them for the panel that follows, evenly: a product of 49 rows goes from 55 to 90 % of the ceiling.

var (
	useAheadAVX512 = cpu.AVX512 && haveAsm
	useAheadAVX2   = cpu.AVX2 && haveAsm
)

func init() {
	cpu.RegisterFor("ahead/avx512", &useAheadAVX512, cpu.Intel)
	cpu.RegisterFor("ahead/avx2", &useAheadAVX2, cpu.Intel, cpu.Zen3)
}

// AheadPays says that weights which are in no cache of their core cost little here, as they are asked for ahead.
func (g *GemmF32) AheadPays() bool {
	return g.isa == isaAVX512 && useAheadAVX512 || g.isa == isaAVX2 && useAheadAVX2
}

// Rows of A take aheadRows bytes at most while a panel passes them; weights of nearBytes are soon in a cache, and so are
// rows of nearRows, to which any order suits.
const aheadRows, nearBytes, nearRows = 1 << 20, 256 << 10, 128 << 10

// aheadParts tiles at most share a panel, and a panel that nobody asked for is asked for ownAhead bytes ahead.
const aheadParts, ownAhead = 8, 8 << 10

// rowBytes is about what a row takes of A: taps overlap, but may be strided.
func (a *GemmF32Args) rowBytes() int { return 4 * a.KC * min(a.Taps, 4) }

// asksAhead says that runAhead is the way for that many rows and columns.
func (g *GemmF32) asksAhead(a *GemmF32Args, m, n int) bool {
	if !g.AheadPays() || m == 1 || a.Hot {
		return false
	}
	if a.Rows != nil && 4*n*a.KC <= blockBytes && g.asksRows(a, m, n) {
		return false
	}
	return m*a.rowBytes() <= nearRows || 4*n*a.Taps*a.KC > nearBytes
}

// runAhead is Run with panels outermost.
func (g *GemmF32) runAhead(a *GemmF32Args, m0, m1, n0, n1 int) {
	var direct [16]int32
	t := a.tile(g, &direct)
	if a.Rows != nil {
		t.a = &a.A[0]
	}
	cut := a.Cut
	if a.Rows == nil {
		cut = evenTiles(g.MR, m1-m0)
	}
	tiles := (m1 - m0 + g.MR - 1) / g.MR
	chunk := max(4, aheadRows/(g.MR*a.rowBytes()))
	parts := (tiles + chunk - 1) / chunk
	chunk = (tiles + parts - 1) / parts // alike
	for i, m := 0, m0; i < tiles; i += chunk {
		from, n := m, min(chunk, tiles-i)
		for j := range n {
			m += cut.height(i+j, g.MR, m1-m)
		}
		next := a.Next
		if m < m1 {
			next = a.B[n0*a.Taps*a.KC:]
		}
		g.panelsAhead(a, &t, &cut, i, n, m0+i*g.MR, from, m, n0, n1, next, false)
	}
}

// panelsAhead takes rows m0 to m1, which stay in a cache: tiles tiles of the cut from tile tile0, whose offsets are at row
// table of the table. next is what follows their last panel, or nil; asked says that the first was asked for.
func (g *GemmF32) panelsAhead(a *GemmF32Args, t *tileF32, cut *Tiles, tile0, tiles, table, m0, m1, n0, n1 int, next []float32, asked bool) {
	k := a.Taps * a.KC
	parts, part, step := 0, 0, 0 // tiles that ask, the bytes of each, and those of each tap's float
	for n := n0; n < n1; n += g.NR {
		t.n = min(g.NR, n1-n)
		t.b = &a.B[n*k]
		if a.Bias != nil {
			t.bias = &a.Bias[n]
		}
		own := uintptr(unsafe.Pointer(t.b)) + ownAhead
		then := uintptr(0)
		if n+g.NR < n1 {
			then = uintptr(unsafe.Pointer(&a.B[(n+g.NR)*k]))
		} else if len(next) > 0 {
			then = uintptr(unsafe.Pointer(&next[0]))
		} else if n1 == a.N { // the next layer's mostly lie behind
			then = uintptr(unsafe.Pointer(t.b)) + uintptr(4*k*g.packedColumns(t.n))
		}
		first := 0 // tile that asks for what follows
		if !asked && tiles > 1 {
			first = 1
		}
		if p := min(tiles-first, aheadParts); p != parts { // divisions are dear beside small tiles
			parts, part, step = p, 4*k*g.NR/p, (4*g.NR+p-1)/p
		}
		for m, i := m0, -first; m < m1; i += t.count {
			mt, same := cut.run(tile0+first+i, g.MR, m1-m)
			if a.Rows == nil {
				t.a = &a.A[m*a.LDA]
			} else {
				t.rows = &a.Rows[(table+(first+i)*g.MR)*a.Taps]
			}
			t.c = &a.C[m*a.LDC+n]
			if a.Res != nil {
				t.res = &a.Res[m*a.LDR+n]
			}
			t.ahead, t.step, t.count = 0, step, g.together(same)
			switch {
			case i < 0 || tiles == 1: // panels lie one after the other
				t.ahead, t.step, t.count = own, 4*g.NR, 1
			case i < parts && then != 0:
				t.ahead, t.count = then+uintptr(i*part), min(t.count, parts-i)
			}
			t.by = a.rowSteps(g, mt)
			if t.ahead != 0 {
				t.by.ahead = part
			}
			g.each(t, mt)
			m += t.count * mt
		}
		asked = then != 0
	}
}

// rowSteps are those from a tile of mt rows to that below.
func (a *GemmF32Args) rowSteps(g *GemmF32, mt int) (by stepsF32) {
	by.c = 4 * mt * a.LDC
	if a.Res != nil {
		by.res = 4 * mt * a.LDR
	}
	if a.Rows == nil {
		by.a = 4 * mt * a.LDA
	} else {
		by.rows = 4 * g.MR * a.Taps
	}
	return by
}

// rowsAhead is what a tile of rows, in the usual order, asks for in the next one's name: its lines of A, C and the residual,
// where they are contiguous: ResNet-50's 56x56 layers take 0.81 to 0.90 of the time. Of a table's rows each is asked for by a
// panel, where there are so many: its layer of 56x56 at stride 2 takes 0.89. The zero value asks for nothing.
type rowsAhead struct {
	at   [3]uintptr
	size [3]int
	end  [3]int // the panel behind those that ask for it
	k    int
	a    []float32
	rows []int32 // of a table: the first panels' parts
}

// farPanels is how many panels are left for C and the residual when each of the others asks for a row.
const farPanels = 4

// farRows is the bytes that rows of A, C and the residual take together when a second-level cache does not hold them.
const farRows = 3 << 19

// asksRows says that m rows are asked for ahead.
func (g *GemmF32) asksRows(a *GemmF32Args, m, n int) bool {
	return g.AheadPays() && a.Taps == 1 && 4*m*(a.KC+n) > farRows
}

// next prepares the asking of panels panels for rows m to m+rows, which are at row table of a table.
func (r *rowsAhead) next(a *GemmF32Args, m, table, rows, n0, n1, panels int) {
	*r = rowsAhead{k: a.Taps * a.KC}
	if a.Rows != nil {
		if panels >= rows+farPanels {
			r.a, r.rows = a.A, a.Rows[table:][:rows]
			panels -= rows
		}
	} else if a.LDA == a.KC {
		r.at[0], r.size[0] = uintptr(unsafe.Pointer(&a.A[m*a.LDA])), 4*rows*a.LDA
	}
	if a.LDC == n1-n0 {
		r.at[1], r.size[1] = uintptr(unsafe.Pointer(&a.C[m*a.LDC+n0])), 4*rows*a.LDC
	}
	if a.Res != nil && a.LDR == n1-n0 {
		r.at[2], r.size[2] = uintptr(unsafe.Pointer(&a.Res[m*a.LDR+n0])), 4*rows*a.LDR
	}
	sum, all := 0, max(1, r.size[0]+r.size[1]+r.size[2])
	for i, size := range r.size {
		sum += size
		r.end[i] = len(r.rows) + (sum*panels+all/2)/all
	}
}

// ask is panel i's part, and that of as many behind it as it says, which ask for what lies behind.
func (r *rowsAhead) ask(t *tileF32, i int) int {
	t.ahead, t.by.ahead = 0, 0
	from := len(r.rows)
	if i < from {
		if at := r.rows[i]; at >= 0 {
			t.ahead, t.step = uintptr(unsafe.Pointer(&r.a[at])), 4
		}
		return 1
	}
	for s, end := range r.end {
		if n := end - from; i < end {
			part := (r.size[s] + n - 1) / n
			t.ahead, t.by.ahead, t.step = r.at[s]+uintptr((i-from)*part), part, (part+r.k-1)/r.k
			return end - i
		}
		from = end
	}
	return 1
}
