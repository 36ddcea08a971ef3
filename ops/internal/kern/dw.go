package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// Depthwise convolution in fp32, NHWC, one filter a channel:
//
//	Out[y][x][c] = clamp(Bias[c] + Σ_ky Σ_kx In[y·SH - PT + ky·DH][x·SW - PL + kx·DW][c] · W[ky][kx][c])
//
// Taps in the padding are left out. Vectors run over channels; neighbouring outputs of a row share the columns they read.
// Rounding: bias first, then the taps in order, each by one fused multiply-add, in every assembly path.

var (
	useDWAVX512 = cpu.AVX512 && haveAsm
	useDWAVX2   = cpu.AVX2 && haveAsm
	useDWNEON   = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("dw/avx512", &useDWAVX512)
	cpu.Register("dw/avx2", &useDWAVX2)
	cpu.Register("dw/neon", &useDWNEON)
}

// DWBackPays says that a gradient by the input goes faster by the kernels of the way forward than tap after tap: measured by
// AVX2 alone.
func DWBackPays() bool { return useDWAVX2 && !useDWAVX512 }

func dwAsm() bool { return useDWAVX512 || useDWAVX2 || useDWNEON }

// DWF32Args is one depthwise convolution over one image. Run reads it only, so that workers may share it.
type DWF32Args struct {
	In       []float32 // [H][W] pixels of C channels
	H, W, C  int
	Pixel    int       // floats from one input pixel to the next, at least C
	Weights  []float32 // [KH][KW][C]
	Bias     []float32 // C, or nil
	KH, KW   int
	SH, SW   int // stride
	DH, DW   int // dilation
	PT, PL   int // padding above and to the left
	Out      []float32
	OH, OW   int
	OutPixel int // floats from one output pixel to the next, at least C
	Min, Max float32
}

// Run computes output rows y0 to y1. Ranges that do not overlap may run at the same time.
func (a *DWF32Args) Run(y0, y1 int) {
	if y0 >= y1 || a.OW <= 0 || a.C <= 0 {
		return
	}
	a.check(y0, y1)
	if !dwAsm() {
		a.runGeneric(y0, y1)
		return
	}
	a.walk(y0, y1, nil)
}

// Plan is what Run does with rows y0 to y1, to be done many times on other In and Out: on small images finding it out takes
// as long as a third of the work. It is nil where there is nothing to plan.
func (a *DWF32Args) Plan(y0, y1 int) *DWPlan {
	if y0 < 0 || y0 >= y1 || y1 > a.OH || a.OW <= 0 || a.C <= 0 || !dwAsm() {
		return nil
	}
	p := &DWPlan{in: (a.H*a.W-1)*a.Pixel + a.C, out: (y1*a.OW-1)*a.OutPixel + a.C}
	a.walk(y0, y1, p)
	if p.pixels {
		return nil
	}
	return p
}

// DWPlan is the calls of kernels of a depthwise convolution. It is immutable.
type DWPlan struct {
	calls   []dwCall
	in, out int  // lengths that the calls need
	pixels  bool // some outputs are no kernel's
}

// dwCall is a call of a kernel for n neighbours of a kernel kw wide at stride sw, on floats in of In and out of Out.
type dwCall struct {
	form      dwForm
	kw, sw, n int
	in, out   int
	tile      dwTile
}

// dwForm is which of the families of kernels a call is for.
type dwForm uint8

const (
	dwFormAny dwForm = iota
	dwFormShared
	dwFormPairs
	dwFormSeven
	dwFormDown
)

func (c *dwCall) run() {
	switch c.form {
	case dwFormAny:
		dwAny(&c.tile)
	case dwFormShared:
		dwShared(&c.tile, c.kw, c.sw, c.n)
	case dwFormPairs:
		dwPairs(&c.tile, c.n)
	case dwFormSeven:
		dwSeven(&c.tile)
	case dwFormDown:
		dwDown(&c.tile, c.sw, c.n)
	}
}

// Run does the plan.
func (p *DWPlan) Run(in, out []float32) {
	in, out = in[:p.in], out[:p.out]
	for i := range p.calls {
		c := p.calls[i]
		c.tile.in, c.tile.out = &in[c.in], &out[c.out]
		c.run()
	}
}

// call does a call, or adds it to a plan.
func (a *DWF32Args) call(p *DWPlan, c *dwCall) {
	if p != nil {
		p.calls = append(p.calls, *c)
		return
	}
	c.tile.in, c.tile.out = &a.In[c.in], &a.Out[c.out]
	c.run()
}

func (a *DWF32Args) walk(y0, y1 int, p *DWPlan) {
	if a.seven() {
		a.walkSeven(y0, y1, p)
		return
	}
	if d, ok := a.down(y1 - y0); ok {
		a.walkDown(&d, y0, y1, p)
		return
	}
	s := span{noThree: useDWAVX2 && !useDWAVX512, kw: a.KW, stride: a.SW, dilation: a.DW, pad: a.PL, width: a.W, out: a.OW}
	most := max(2, rowsBytes/(4*a.SH*a.W*a.Pixel))
	for y := y0; y < y1; {
		ky0, ky1 := tapRange(y*a.SH-a.PT, a.KH, a.DH, a.H)
		rows := sameTaps(y, min(y1, y+most), a.SH, a.PT, a.KH, a.DH, a.H)
		for r := s.first(); r.n > 0; r = s.next(r) {
			a.run(p, y, rows, ky0, ky1, &r)
		}
		y += rows
	}
}

// rowsBytes of input pass before the next tiles of the same rows: they find their lines in the first-level cache.
const rowsBytes = 16 << 10

// sameTaps counts the rows from y, below end, that take the same taps of n as row y.
func sameTaps(y, end, stride, pad, n, dilation, size int) int {
	lo, hi := tapRange(y*stride-pad, n, dilation, size)
	rows := 1
	for y+rows < end {
		if l, h := tapRange((y+rows)*stride-pad, n, dilation, size); l != lo || h != hi {
			break
		}
		rows++
	}
	return rows
}

// run computes some outputs of rows y to y+rows, which take the same taps, or adds to p what does.
func (a *DWF32Args) run(p *DWPlan, y, rows, ky0, ky1 int, r *tiles) {
	c := dwCall{kw: a.KW, sw: a.SW, n: r.n}
	if !a.tile(&c, y, r.x, ky0, ky1, r.kx0, r.kx1) {
		if p != nil {
			p.pixels = true
			return
		}
		for i := range rows * r.n * r.count {
			row, x := i/(r.n*r.count), i%(r.n*r.count)
			a.pixel(y+row, r.x+x, ky0, ky1, r.kx0, r.kx1)
		}
		return
	}
	t := &c.tile
	t.tiles = r.count
	t.outRows, t.inRow, t.outRow = rows, 4*a.SH*a.W*a.Pixel, 4*a.OW*a.OutPixel
	t.inStep, t.outStep = 4*r.n*a.SW*a.Pixel, 4*r.n*a.OutPixel
	if !r.shared {
		a.call(p, &c)
		return
	}
	c.form = dwFormShared
	t.w = &a.Weights[ky0*a.KW*a.C]
	t.left, t.right, t.back = r.left, r.right, 4*r.left*a.Pixel
	if rows > 1 && ky1-ky0 == 3 && a.KW == 3 && a.SH == 1 && a.SW == 1 && a.DH == 1 && useDWAVX512 {
		pairs := c
		pairs.form = dwFormPairs
		pairs.tile.outRows, pairs.tile.inRow, pairs.tile.outRow, pairs.tile.pair = rows/2, 2*t.inRow, 2*t.outRow, t.outRow
		a.call(p, &pairs)
		if rows%2 == 0 {
			return
		}
		c.in += (rows - 1) * a.SH * a.W * a.Pixel
		c.out += (rows - 1) * a.OW * a.OutPixel
		t.outRows = 1
	}
	a.call(p, &c)
}

func (a *DWF32Args) check(y0, y1 int) {
	switch {
	case y0 < 0 || y1 > a.OH || a.Pixel < a.C || a.OutPixel < a.C || a.KH <= 0 || a.KW <= 0 || a.H <= 0 || a.W <= 0,
		a.SH <= 0 || a.SW <= 0 || a.DH <= 0 || a.DW <= 0 || a.PT < 0 || a.PL < 0,
		len(a.In) < (a.H*a.W-1)*a.Pixel+a.C,
		len(a.Weights) < a.KH*a.KW*a.C,
		a.Bias != nil && len(a.Bias) < a.C,
		len(a.Out) < (y1*a.OW-1)*a.OutPixel+a.C:
		panic("kern: BUG: depthwise: range or slice does not match the sizes")
	}
}

// tapRange returns the taps [lo, hi) of n, dilation apart from start, that fall into [0, size).
//
//go:noinline
func tapRange(start, n, dilation, size int) (lo, hi int) {
	if start < 0 {
		lo = (-start + dilation - 1) / dilation
	}
	if start < size {
		hi = (size-1-start)/dilation + 1
	}
	return lo, min(n, hi)
}

// dwTile is what a depthwise kernel is handed; assembly knows the offsets (see TestDWLayout).
type dwTile struct {
	in        *float32 // first row, first column of the first tile
	rowStride int      // bytes, of this and all below
	rows      int      // kernel rows inside the image, at least one
	cols      int      // kernel columns inside the image, at least one
	colStride int
	w         *float32 // first of those
	wRow      int
	wTap      int
	out       *float32
	outStride int // from one output of a tile to the next
	bias      *float32
	channels  int
	tiles     int
	inStep    int // from one tile to the next
	outStep   int
	min, max  float32
	_         [2]int // fields of dwTileI8
	left      int    // columns of the tile in the padding, which shared kernels leave out
	right     int
	back      int // from in to where the tile's first column would be
	outRows   int // rows of outputs, at least one
	inRow     int // from one of them to the next
	outRow    int
	pair      int // from the first of two rows computed at once to the second
	both      int // kernels 7 wide: rows of input for both, where rows are those for the first
	last      int // and for the second alone
	top       int // kernels that go down: rows left at the one that lacks the first row of the kernel, and the last
	bottom    int
}

// tile sets c to one output, or the first of a tile; false where it sees padding alone.
func (a *DWF32Args) tile(c *dwCall, y, x, ky0, ky1, kx0, kx1 int) bool {
	if ky0 >= ky1 || kx0 >= kx1 {
		return false
	}
	c.in = ((y*a.SH-a.PT+ky0*a.DH)*a.W + x*a.SW - a.PL + kx0*a.DW) * a.Pixel
	c.out = (y*a.OW + x) * a.OutPixel
	c.tile = dwTile{
		rowStride: 4 * a.DH * a.W * a.Pixel,
		rows:      ky1 - ky0,
		cols:      kx1 - kx0,
		colStride: 4 * a.DW * a.Pixel,
		w:         &a.Weights[(ky0*a.KW+kx0)*a.C],
		wRow:      4 * a.KW * a.C,
		wTap:      4 * a.C,
		outStride: 4 * a.OutPixel,
		channels:  a.C,
		tiles:     1,
		outRows:   1,
		min:       a.Min,
		max:       a.Max,
	}
	if a.Bias != nil {
		c.tile.bias = &a.Bias[0]
	}
	return true
}

// runGeneric is the definition.
func (a *DWF32Args) runGeneric(y0, y1 int) {
	for y := y0; y < y1; y++ {
		ky0, ky1 := tapRange(y*a.SH-a.PT, a.KH, a.DH, a.H)
		for x := range a.OW {
			kx0, kx1 := tapRange(x*a.SW-a.PL, a.KW, a.DW, a.W)
			a.pixel(y, x, ky0, ky1, kx0, kx1)
		}
	}
}

// pixel computes one output pixel from kernel rows [ky0, ky1) and columns [kx0, kx1), which lie inside the image.
func (a *DWF32Args) pixel(y, x, ky0, ky1, kx0, kx1 int) {
	out := a.Out[(y*a.OW+x)*a.OutPixel:][:a.C]
	if a.Bias != nil {
		copy(out, a.Bias)
	} else {
		clear(out)
	}
	for ky := ky0; ky < ky1 && kx0 < kx1; ky++ {
		line := (y*a.SH - a.PT + ky*a.DH) * a.W
		in, w := a.In[(line+x*a.SW-a.PL+kx0*a.DW)*a.Pixel:], a.Weights[(ky*a.KW+kx0)*a.C:]
		addTaps(out, in, w, kx1-kx0, a.DW*a.Pixel)
	}
	for c, v := range out {
		if v < a.Min {
			v = a.Min
		}
		if v > a.Max {
			v = a.Max
		}
		out[c] = v
	}
}

// addTaps adds n taps, step floats apart in the input, to a pixel: three at a time, so that out is loaded less often.
func addTaps(out, in, w []float32, n, step int) {
	c := len(out)
	k := 0
	for ; k+3 <= n; k += 3 {
		x0, x1, x2 := in[k*step:][:c], in[(k+1)*step:][:c], in[(k+2)*step:][:c]
		w0, w1, w2 := w[k*c:][:c], w[(k+1)*c:][:c], w[(k+2)*c:][:c]
		for i, v := range out {
			v += x0[i] * w0[i]
			v += x1[i] * w1[i]
			out[i] = v + x2[i]*w2[i]
		}
	}
	for ; k < n; k++ {
		x0, w0 := in[k*step:][:c], w[k*c:][:c]
		for i := range out {
			out[i] += x0[i] * w0[i]
		}
	}
}
