package kern

// Depthwise convolution of 3x3 by AVX2: tiles of some neighbouring outputs go down some rows, a vector of channels at a time,
// whose weights stay in registers. With floats and stride 1 each row of input is read once for the three rows of outputs that
// it is part of.

// downBytes of input are few, and downRows of outputs are what passes of more before the next tile: what two tiles read should
// stay in the first-level cache.
const downBytes, downRows = 96 << 10, 8

// down is what such a convolution is cut by.
type down struct {
	h, w, oh, ow, s, pt, pl int
	c, lanes                int  // channels, and those of a vector
	pixel                   int  // bytes from one to the next
	floats                  bool // else bytes: a row that lacks one of the kernel's is a call of its own
	outs                    int  // outputs of a tile
}

func (d *down) top(y int) bool    { return y*d.s < d.pt }
func (d *down) bottom(y int) bool { return y*d.s-d.pt+3 > d.h }

// fits chooses a tile for so many rows, or reports that there is no kernel: one leaves out a row or a column at most at each
// end, and takes the last tile and the last vector of channels whole.
func (d *down) fits(rows int) bool {
	d.outs = 3
	switch {
	case d.s > 1:
	case d.floats && rows > 1 && d.ow != 3:
		d.outs = 2 // the ones that go on with three rows
	case !d.floats && (d.ow+3)/4*4 <= (d.ow+2)/3*3:
		d.outs = 4
	}
	return d.s <= 2 && d.c >= d.lanes && d.ow >= d.outs && max(d.pt, d.pl) <= 1 &&
		d.pixel%2048 != 0 && // else all lines of a tile are of few sets
		(d.oh-1)*d.s-d.pt+2 <= d.h && (d.ow-1)*d.s-d.pl+2 <= d.w
}

// most is the rows of a call.
func (d *down) most() int {
	switch line := d.w * d.pixel; {
	case d.h*line <= downBytes:
		return d.oh
	case line%2048 == 0:
		return downRows / 2
	}
	return downRows
}

// rows is how many of the rows from y, below end, are one call.
func (d *down) rows(y, end int) int {
	n := min(d.most(), end-y)
	switch {
	case d.floats && d.s == 1 && end-y == n+1:
		n++ // no row alone
	case d.floats:
	case d.top(y):
		n = 1
	case n > 1 && d.bottom(y+n-1):
		n--
	}
	return n
}

// downRun is one call of a kernel: tiles neighbours from x on, in so many rows from y on.
type downRun struct {
	y, rows     int
	x, tiles    int
	left, right int // columns outside
	top         int // a row outside, above the first
	bottom      bool
}

// start is before the first call for rows from y on.
func (d *down) start(y int) downRun { return downRun{y: y, x: d.ow} }

// next goes on to the next call for rows below end, or reports that there is none.
func (d *down) next(r *downRun, end int) bool {
	if r.x += d.outs * r.tiles; r.x >= d.ow {
		if r.y += r.rows; r.y >= end {
			return false
		}
		r.x, r.rows, r.top = 0, d.rows(r.y, end), 0
		if d.top(r.y) {
			r.top = 1
		}
		r.bottom = d.bottom(r.y + r.rows - 1)
	}
	s := span{kw: 3, stride: d.s, dilation: 1, pad: d.pl, width: d.w, out: d.ow}
	r.x = min(r.x, d.ow-d.outs)
	r.left, r.right = s.reach(r.x, d.outs)
	r.tiles = s.alike(r.x, d.outs)
	return true
}

// down is how so many rows of a are cut; false where they are not.
func (a *DWF32Args) down(rows int) (d down, ok bool) {
	if useDWAVX512 || !useDWAVX2 || a.KH != 3 || a.KW != 3 || a.SH != a.SW || a.DH != 1 || a.DW != 1 {
		return d, false
	}
	d = down{h: a.H, w: a.W, oh: a.OH, ow: a.OW, s: a.SW, pt: a.PT, pl: a.PL, c: a.C, lanes: 8, pixel: 4 * a.Pixel, floats: true}
	return d, d.fits(rows)
}

func (a *DWF32Args) walkDown(d *down, y0, y1 int, p *DWPlan) {
	line := a.W * a.Pixel
	for r := d.start(y0); d.next(&r, y1); {
		c := dwCall{form: dwFormDown, sw: a.SW, n: d.outs}
		a.tile(&c, r.y, r.x, r.top, 3, r.left, 3)
		t := &c.tile
		t.w = &a.Weights[0]
		t.tiles, t.inStep, t.outStep = r.tiles, 4*d.outs*a.SW*a.Pixel, 4*d.outs*a.OutPixel
		t.left, t.right, t.back = r.left, r.right, 4*(r.left*a.Pixel+r.top*line)
		t.outRows, t.inRow, t.outRow = r.rows, 4*a.SH*line, 4*a.OW*a.OutPixel
		t.top = r.top * r.rows
		if r.bottom {
			t.bottom = 1
		}
		a.call(p, &c)
	}
}

// down is how so many rows of a are cut; false where they are not.
func (a *DWI8Args) down(rows int) (d down, ok bool) {
	if len(a.Weights.pairs) == 0 || useDWI8VNNI || !useDWI8AVX2 || a.KH != 3 || a.KW != 3 || a.SH != a.SW || a.DH != 1 || a.DW != 1 ||
		max(a.InZero, -a.InZero) > 255 {
		return d, false
	}
	d = down{h: a.H, w: a.W, oh: a.OH, ow: a.OW, s: a.SW, pt: a.PT, pl: a.PL, c: a.C, lanes: 8, pixel: a.Pixel}
	return d, d.fits(rows)
}

func (a *DWI8Args) runDown(d *down, y0, y1 int) {
	line := a.W * a.Pixel
	for r := d.start(y0); d.next(&r, y1); {
		t := a.tile(r.y, r.x, r.top, 3, r.left, 3, a.C)
		t.w = &a.Weights.pairs[0]
		t.tiles, t.inStep, t.outStep = r.tiles, d.outs*a.SW*a.Pixel, d.outs*a.OutPixel
		t.left, t.right, t.back = r.left, r.right, r.left*a.Pixel
		t.outRows, t.inRow, t.outRow = r.rows, a.SH*line, a.OW*a.OutPixel
		t.second, t.third, t.pairMask, t.thirdMask = line, 2*line, 0xffffffff, 0xffffffff
		if r.top > 0 { // what has no weight may be any row
			t.second, t.third, t.pairMask = 0, line, 0xffff0000
		}
		if r.bottom {
			t.third, t.thirdMask = t.second, 0
		}
		t.inZeros, t.outZeros = twice(a.InZero), twice(a.OutZero)
		dwI8Down(&t, a.InSigned, a.SW, d.outs)
	}
}

// twice is 16 bits in both halves of 32.
func twice(v int32) uint32 { return uint32(uint16(v)) * 0x10001 }
