package kern

// Depthwise convolution 7 wide at stride 1, the layers of ConvNeXt: tiles of seven outputs share columns as narrower ones do,
// and with AVX-512 two rows of outputs share the rows they read. Each vector of channels goes down all rows before the next.

// sevenOuts is the outputs of a tile.
const sevenOuts = 7

// seven reports whether there is a kernel: it takes the last tile and the last vector of channels whole, so there must be
// as many, and leaves out at most three columns at either side; each row of outputs has some row of input.
func (a *DWF32Args) seven() bool {
	lanes := 16
	switch {
	case useDWAVX512:
	case useDWAVX2:
		lanes = 8
	default:
		return false
	}
	return a.KW == 7 && a.SH == 1 && a.SW == 1 && a.DH == 1 && a.DW == 1 && a.C >= lanes && a.OW >= sevenOuts &&
		a.PL <= 3 && a.OW-a.PL+3 <= a.W && a.PT < a.KH && a.OH-a.PT <= a.H
}

// sevenRows is a row of outputs, or two, by rows of input: from row top and weights ky0 on the first alone takes first, both
// take both, and the second alone takes last.
type sevenRows struct {
	ky0, first, both, last int
}

func (a *DWF32Args) sevenRows(y, n int) sevenRows {
	lo, hi := tapRange(y-a.PT, a.KH, 1, a.H)
	if n == 1 {
		return sevenRows{ky0: lo, first: hi - lo}
	}
	lo1, hi1 := tapRange(y+1-a.PT, a.KH, 1, a.H) // as rows of input from y - PT on: 1 more
	return sevenRows{ky0: lo, first: lo1 + 1 - lo, both: hi - lo1 - 1, last: hi1 + 1 - hi}
}

func (a *DWF32Args) walkSeven(y0, y1 int, p *DWPlan) {
	s := span{kw: a.KW, stride: 1, dilation: 1, pad: a.PL, width: a.W, out: a.OW}
	for y := y0; y < y1; {
		n := 1
		if useDWAVX512 {
			n = min(2, y1-y)
		}
		rows, count := a.sevenRows(y, n), 1
		for y+n*(count+1) <= y1 && a.sevenRows(y+n*count, n) == rows {
			count++
		}
		for x := 0; x < a.OW; {
			x = min(x, a.OW-sevenOuts)
			x += sevenOuts * a.sevenTiles(p, &s, y, x, n, count, &rows)
		}
		y += n * count
	}
}

// sevenTiles computes tiles from x on, in count times n rows from y, and returns how many: as many as have no padding, or one.
func (a *DWF32Args) sevenTiles(p *DWPlan, s *span, y, x, n, count int, rows *sevenRows) int {
	left, right := s.reach(x, sevenOuts)
	tiles := s.alike(x, sevenOuts)
	c := dwCall{form: dwFormSeven}
	a.tile(&c, y, x, rows.ky0, a.KH, left, a.KW)
	t := &c.tile
	t.w = &a.Weights[rows.ky0*a.KW*a.C]
	t.rows, t.both, t.last = rows.first, rows.both, rows.last
	t.tiles, t.inStep, t.outStep = tiles, 4*sevenOuts*a.Pixel, 4*sevenOuts*a.OutPixel
	t.left, t.right, t.back = left, right, 4*left*a.Pixel
	t.outRows, t.inRow, t.outRow = count, 4*n*a.W*a.Pixel, 4*n*a.OW*a.OutPixel
	if n == 2 {
		t.pair = 4 * a.OW * a.OutPixel
	}
	a.call(p, &c)
	return tiles
}
