package kern

import (
	"unsafe"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Integer depthwise convolution, NHWC, one filter a channel:
//
//	acc          = bias[c] + Σ_ky Σ_kx (In[..][..][c] - za) · (W[ky][kx][c] - zb[c])       int32; taps in the padding left out
//	Out[y][x][c] = clamp(roundHalfEven(float32(acc) · scale[c]) + zc, lo, hi)               scale in float32
//
// Every path gives the same bits.

var (
	useDWI8VNNI = cpu.VNNI && haveAsm
	useDWI8AVX2 = cpu.AVX2 && haveAsm
	useDWI8VBMI = cpu.VBMI && haveAsm // quads
	useDWI8NEON = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("dwi8/vnni", &useDWI8VNNI)
	cpu.Register("dwi8/avx2", &useDWI8AVX2)
	cpu.Register("dwi8/vbmi", &useDWI8VBMI)
	cpu.Register("dwi8/neon", &useDWI8NEON)
}

// DWI8Weights are the prepared columns of a depthwise convolution, padded to whole vectors of channels.
type DWI8Weights struct {
	w     []int32 // [KH][KW][padded C], 16-bit numbers with the zero point taken off
	bias  []int32
	scale []float32

	half  []int16 // w again, without gaps, as NEON wants it
	pairs []int32 // w of nine taps again, [2][3][padded C]: the first two rows' 16 bits side by side, and the third's
}

// padC is the channels rounded up to the widest vector.
func padC(c int) int { return (c + 15) / 16 * 16 }

// PackDWI8 prepares weights [taps][C], int8 or uint8 as signed says. zero holds their zero points (none, one or C), bias C
// or nil, scale one or C.
func PackDWI8(w []byte, taps, c int, signed bool, zero, bias []int32, scale []float32) *DWI8Weights {
	p := padC(c)
	d := &DWI8Weights{w: make([]int32, taps*p), bias: make([]int32, p), scale: make([]float32, p)}
	for i := range c {
		if bias != nil {
			d.bias[i] = bias[i]
		}
		d.scale[i] = scale[min(i, len(scale)-1)]
		for t := range taps {
			v := int32(w[t*c+i])
			if signed {
				v = int32(int8(w[t*c+i]))
			}
			d.w[t*p+i] = int32(uint16(v - zeroAt(zero, i)))
		}
	}
	if useDWI8NEON {
		d.half = make([]int16, len(d.w))
		for i, v := range d.w {
			d.half[i] = int16(v)
		}
	}
	if useDWI8AVX2 && taps == 9 {
		d.pairs = make([]int32, 6*p)
		for i := range 3 * p {
			d.pairs[i], d.pairs[3*p+i] = d.w[i]|d.w[3*p+i]<<16, d.w[6*p+i]
		}
	}
	return d
}

// DWI8Args is one convolution over one image. Run reads it only, so that workers may share it.
type DWI8Args struct {
	In       []byte // [H][W] pixels of C channels
	InSigned bool   // they are int8
	InZero   int32
	H, W, C  int
	Pixel    int // bytes from one input pixel to the next, at least C
	Weights  *DWI8Weights
	Quads    *DWI8Quads // or nil; see NewQuads
	Scratch  []byte     // ScratchSize bytes, each worker's own; needed with Quads
	KH, KW   int
	SH, SW   int // stride
	DH, DW   int // dilation
	PT, PL   int // padding above and to the left
	Out      []byte
	OH, OW   int
	OutPixel int   // bytes from one output pixel to the next, at least C
	OutZero  int32 // zero point, and limits after adding it: within -128..127 or 0..255 as the output's type is
	Lo, Hi   int32
}

// Run computes output rows y0 to y1. Ranges that do not overlap may run at the same time.
func (a *DWI8Args) Run(y0, y1 int) {
	if y0 >= y1 || a.OW <= 0 || a.C <= 0 {
		return
	}
	switch {
	case y0 < 0 || y1 > a.OH || a.Pixel < a.C || a.OutPixel < a.C || a.KH <= 0 || a.KW <= 0 || a.H <= 0 || a.W <= 0,
		a.SH <= 0 || a.SW <= 0 || a.DH <= 0 || a.DW <= 0 || a.PT < 0 || a.PL < 0,
		len(a.In) < (a.H*a.W-1)*a.Pixel+a.C,
		a.Weights == nil || len(a.Weights.w) < a.KH*a.KW*padC(a.C) || len(a.Weights.bias) < padC(a.C) || len(a.Weights.scale) < padC(a.C),
		len(a.Out) < (y1*a.OW-1)*a.OutPixel+a.C:
		panic("kern: BUG: integer depthwise: range or slice does not match the sizes")
	}
	if a.Quads != nil {
		a.runQuads(y0, y1)
		return
	}
	if d, ok := a.down(y1 - y0); ok {
		a.runDown(&d, y0, y1)
		return
	}
	s := span{noThree: useDWI8AVX2 && !useDWI8VNNI, kw: a.KW, stride: a.SW, dilation: a.DW, pad: a.PL, width: a.W, out: a.OW}
	vector := a.vectorChannels()
	for y := y0; y < y1; y++ {
		ky0, ky1 := tapRange(y*a.SH-a.PT, a.KH, a.DH, a.H)
		for r := s.first(); r.n > 0; r = s.next(r) {
			from := 0
			if vector > 0 && ky0 < ky1 && r.kx0 < r.kx1 {
				a.run(y, ky0, ky1, &r, vector)
				from = vector
			}
			for x := r.x; x < r.x+r.n*r.count && from < a.C; x++ {
				kx0, kx1 := tapRange(x*a.SW-a.PL, a.KW, a.DW, a.W)
				a.pixel(y, x, ky0, ky1, kx0, kx1, from)
			}
		}
	}
}

// vectorChannels is how many channels assembly does: whole vectors only but for AVX-512.
func (a *DWI8Args) vectorChannels() int {
	switch {
	case useDWI8VNNI:
		return a.C
	case useDWI8AVX2, useDWI8NEON && len(a.Weights.half) > 0 && a.InZero == valueI8(byte(a.InZero), a.InSigned):
		return a.C &^ 7
	}
	return 0
}

// dwTileI8 is what a kernel is handed; assembly knows the offsets (see TestDWI8Layout). The first fields are dwTile's.
type dwTileI8 struct {
	in        *byte
	rowStride int
	rows      int
	cols      int
	colStride int
	w         *int32
	wRow      int
	wTap      int
	out       *byte
	outStride int
	bias      *int32
	channels  int
	tiles     int
	inStep    int
	outStep   int
	min, max  float32 // limits before the zero point is added
	scale     *float32
	inZero    int32
	outZero   int32
	left      int
	right     int
	back      int
	outRows   int // kernels that go down: rows of outputs, as in dwTile
	inRow     int
	outRow    int
	second    int // from a row of input to the one that the second weights are for, and to the third
	third     int
	pairMask  uint32 // which bits of the weights count
	thirdMask uint32
	inZeros   uint32 // zero points in 16 bits, twice
	outZeros  uint32
}

func (a *DWI8Args) tile(y, x, ky0, ky1, kx0, kx1, channels int) dwTileI8 {
	p := padC(a.C)
	return dwTileI8{
		in:        &a.In[((y*a.SH-a.PT+ky0*a.DH)*a.W+x*a.SW-a.PL+kx0*a.DW)*a.Pixel],
		rowStride: a.DH * a.W * a.Pixel,
		rows:      ky1 - ky0,
		cols:      kx1 - kx0,
		colStride: a.DW * a.Pixel,
		wRow:      4 * a.KW * p,
		wTap:      4 * p,
		out:       &a.Out[(y*a.OW+x)*a.OutPixel],
		outStride: a.OutPixel,
		bias:      &a.Weights.bias[0],
		channels:  channels,
		tiles:     1,
		min:       float32(a.Lo - a.OutZero),
		max:       float32(a.Hi - a.OutZero),
		scale:     &a.Weights.scale[0],
		inZero:    a.InZero,
		outZero:   a.OutZero,
	}
}

// run computes some outputs of row y, channels below that number.
func (a *DWI8Args) run(y, ky0, ky1 int, r *tiles, channels int) {
	t := a.tile(y, r.x, ky0, ky1, r.kx0, r.kx1, channels)
	t.tiles = r.count
	t.inStep, t.outStep = r.n*a.SW*a.Pixel, r.n*a.OutPixel
	kx := r.kx0
	if r.shared {
		kx = 0
		t.left, t.right, t.back = r.left, r.right, r.left*a.Pixel
	}
	at := (ky0*a.KW + kx) * padC(a.C)
	t.w = &a.Weights.w[at]
	if useDWI8NEON {
		t.w = (*int32)(unsafe.Pointer(&a.Weights.half[at]))
		t.wRow, t.wTap = t.wRow/2, t.wTap/2
	}
	if !r.shared {
		dwI8Any(&t, a.InSigned)
		return
	}
	dwI8Shared(&t, a.InSigned, a.KW, a.SW, r.n)
}

// pixel is the definition: channels from c0 of one output pixel, from kernel rows [ky0, ky1) and columns [kx0, kx1).
func (a *DWI8Args) pixel(y, x, ky0, ky1, kx0, kx1, c0 int) {
	p := padC(a.C)
	for c := c0; c < a.C; c++ {
		acc := a.Weights.bias[c]
		for ky := ky0; ky < ky1; ky++ {
			line := (y*a.SH - a.PT + ky*a.DH) * a.W
			for kx := kx0; kx < kx1; kx++ {
				b := a.In[(line+x*a.SW-a.PL+kx*a.DW)*a.Pixel+c]
				v := int32(b)
				if a.InSigned {
					v = int32(int8(b))
				}
				acc += (v - a.InZero) * int32(int16(a.Weights.w[(ky*a.KW+kx)*p+c]))
			}
		}
		a.Out[(y*a.OW+x)*a.OutPixel+c] = requantI8(acc, a.Weights.scale[c], a.OutZero, a.Lo, a.Hi)
	}
}
