package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

var useWinoPoolAVX512 = cpu.AVX512 && haveAsm

func init() { cpu.Register("winopool/avx512", &useWinoPoolAVX512) }

// winoStrip is tiles beside each other that AVX-512 transforms in one go, either way; assembly knows the offsets (see
// TestWinogradLayout). Distances are in bytes.
type winoStrip struct {
	base     *float32 // the image, at the first tile
	spare    *float32 // zeros
	planes   *float32 // of the first tile
	stride   int      // from one plane to the next
	channels int
	count    int       // tiles
	step     int       // from one tile to the next
	pixel    int       // from one pixel to the next
	rows     [6]int    // from base to a tile's rows; winoOutside
	columns  [6]uint16 // all ones, or 0 for a column of pixels outside
	min, max float32
	res      *float32 // of a residual, or nil
	resStep  int
	resPixel int
	resRows  [4]int
	pitch    int // of tiles in a plane
}

// winoOutside marks a row, whose distance would else be a multiple of 4.
const winoOutside = 1

// winoRow is the distance to pixel (y, x) of an image of h rows.
func winoRow(y, x, h, width, pixel int) int {
	if uint(y) >= uint(h) {
		return winoOutside
	}
	return 4 * (y*width + x) * pixel
}

// mask marks which of n columns from x lie in an image; where all do, tiles that follow may join the strip.
func (t *winoStrip) mask(n, x, width int) (whole bool) {
	whole = true
	for j := range n {
		t.columns[j] = 0xffff
		if uint(x+j) >= uint(width) {
			t.columns[j], whole = 0, false
		}
	}
	return whole
}

// inputStrips is Input by AVX-512.
func (w *WinogradF32) inputStrips(a *WinogradArgs, scratch []float32, b, i0, i1 int) {
	n := w.n()
	t := winoStrip{spare: &zeroRow[0], stride: 4 * w.stride(w.IC), channels: w.IC, pitch: 4 * w.IC, step: 4 * w.M * w.InPixel, pixel: 4 * w.InPixel}
	v, chunk := scratch[w.inputs():], 0 // chunk: floats from the channels of a call to the next; 0: all at once
	if w.Fly {
		chunk, t.channels, t.pitch, t.stride = w.flyChunk(), flyDepth, 4*flyDepth, 4*w.flyPlane()
	}
	img, ty, tx := w.place(b*w.Tiles + i0)
	for i := i0; i < i1; {
		y, x := ty*w.M-w.PT, tx*w.M-w.PL
		t.count = 1
		for r := range n {
			t.rows[r] = winoRow(y+r, x, w.H, w.W, w.InPixel)
		}
		if t.mask(n, x, w.W) {
			t.count = min(i1-i, w.tilesX-tx, (w.W-n-x)/w.M+1)
		}
		for c, to := 0, i*t.channels; c < w.IC; c, to = c+t.channels, to+chunk {
			t.base, t.planes = &a.In[img*w.H*w.W*w.InPixel+c], &v[to]
			winoInputStrip(w.M, &t)
		}
		i += t.count
		tx += t.count - 1
		img, ty, tx = w.following(img, ty, tx)
	}
}

// outputStrips is Output of channels n0 to n1 by AVX-512; m is planes from n0 on.
func (w *WinogradF32) outputStrips(a *WinogradArgs, m []float32, b, i0, i1, n0, n1 int) {
	side := 1 // results that one is stored of, along one side
	if w.Pooled {
		side = 2
	}
	k, oh, ow := w.M/side, w.OH/side, w.OW/side
	t := winoStrip{stride: 4 * w.stride(w.OC), channels: n1 - n0, pitch: 4 * w.OC, step: 4 * k * w.OutPixel, pixel: 4 * w.OutPixel,
		resStep: 4 * k * w.ResPixel, resPixel: 4 * w.ResPixel, min: a.Min, max: a.Max}
	if w.Fly {
		t.pitch, t.stride = 4*w.flyPanel(), 4*w.flySums()
	}
	img, ty, tx := w.place(b*w.Tiles + i0)
	for i := i0; i < i1; {
		y, x := ty*k, tx*k
		t.base, t.planes, t.count = &a.Out[img*oh*ow*w.OutPixel+n0], &m[i*t.pitch/4], 1
		if a.Res != nil {
			t.res = &a.Res[img*oh*ow*w.ResPixel+n0]
		}
		for r := range k {
			t.rows[r] = winoRow(y+r, x, oh, ow, w.OutPixel)
			t.resRows[r] = winoRow(y+r, x, oh, ow, w.ResPixel)
		}
		if t.mask(k, x, ow) {
			t.count = min(i1-i, w.tilesX-tx, (ow-k-x)/k+1)
		}
		if w.Pooled {
			winoOutputPooled(&t)
		} else {
			winoOutputStrip(w.M, &t)
		}
		i += t.count
		tx += t.count - 1
		img, ty, tx = w.following(img, ty, tx)
	}
}
