package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// A convolution with few channels reads each byte for many outputs, and its taps are so short that to widen the rows of every
// tile takes longer than their products. So it widens lines of its input once, and a row lies in them: a run of 16-bit numbers
// for each row of the kernel, the same way from one to the next for all. Rows of a tile are pixels beside each other.

var useGemmI8Lines = cpu.AVX2 && haveAsm

func init() { cpu.Register("gemmi8lines/avx2", &useGemmI8Lines) }

var gemmI8Lines = GemmI8{Name: gemmI8AVX2.Name, MR: 6, NR: 16, Half: 8, Group: 2, lines: true, isa: isaAVX2}

// Lines is the form of g whose A is lines of 16-bit numbers, or nil. Weights must have no zero points.
func (g *GemmI8) Lines() *GemmI8 {
	if g.wide && useGemmI8Lines {
		return &gemmI8Lines
	}
	return nil
}

// Lines is where the rows of a product are in lines.
type Lines struct {
	Width int // rows that lie in the same lines, one beside the other
	Pixel int // bytes from a row to the next
	Step  int // bytes from a tap of it to the next
	Next  int // bytes from the first of Width rows to the first behind them
}

// tile is where row m is, and how many of mr rows are beside it.
func (l *Lines) tile(a []byte, m, mr int) (*byte, int) {
	y := m / l.Width
	x := m - y*l.Width
	return &a[y*l.Next+x*l.Pixel], min(mr, l.Width-x)
}

func (l *Lines) check(a *GemmI8Args, g *GemmI8, m1 int) {
	if l.Width <= 0 || l.Pixel < 0 || l.Step < 0 || l.Next < 0 || a.Cols.zero != nil {
		panic("kern: BUG: gemmi8: lines of no width, or weights with zero points")
	}
	if last := (m1-1)/l.Width*l.Next + (min(m1, l.Width)-1)*l.Pixel + (a.Taps-1)*l.Step; len(a.A) < last+2*g.depth(a.KC) {
		panic("kern: BUG: gemmi8: lines do not reach as far as the rows")
	}
}

// lineSlack is what a line has behind it: a last vector may be written whole.
const lineSlack = 32

// WidenLine makes 16-bit numbers, as Lines' form wants them, of the first n bytes of src. It may write lineSlack bytes more.
func WidenLine(dst, src []byte, n int, signed bool) {
	if n <= 0 {
		return
	}
	_, _ = dst[2*n+lineSlack-1], src[n-1]
	var first int32
	t := tileI8{a: &src[0], rows: &first, taps: 1, kc: n, mr: 1, wide: &dst[0]}
	if len(src) >= 16 {
		t.last = &src[len(src)-16]
	}
	if signed {
		t.flip = 0x80808080
	}
	gemmI8AVX2.widenRows(&t)
}

// LinesSize is the bytes of n numbers in lines.
func LinesSize(n int) int { return 2*n + lineSlack }

// joinBelow is the depth from which rows are not widened as one: in longer ones they would share sets of the cache.
const joinBelow = 256

// joined says that rows lie one behind the other, and a tile of them is widened as if it were one.
func (a *GemmI8Args) joined() bool { return a.Rows == nil && a.LDA == a.KC && a.KC < joinBelow }

// pairs says how a tile's 16-bit numbers lie, which all tiles have in common.
func (g *GemmI8) pairs(a *GemmI8Args, t *tileI8) {
	switch {
	case g.lines:
		depth := g.depth(a.KC)
		t.runs, t.pairs, t.runStep, t.stride = a.Taps, depth/2, a.Lines.Step-2*depth, a.Lines.Pixel
	case g.wide:
		t.runs, t.pairs, t.stride = 1, g.depth(a.Taps*a.KC)/2, g.wideStride(a.Taps, a.KC)
		if a.joined() {
			t.stride = 2 * a.KC
		}
	}
}

// widen makes 16-bit numbers of a tile's rows.
func (g *GemmI8) widen(a *GemmI8Args, t *tileI8) {
	if t.last = nil; len(a.A) >= 16 {
		t.last = &a.A[len(a.A)-16]
	}
	if a.joined() {
		mr := t.mr
		t.mr, t.kc = 1, mr*a.KC
		g.widenRows(t)
		t.mr, t.kc = mr, a.KC
		return
	}
	g.widenRows(t)
}
