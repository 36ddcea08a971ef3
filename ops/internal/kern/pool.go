package kern

import "math"

// PoolF32Args is maximum or average pooling over one image, NHWC. Taps in the padding are left out. A global average is
// a kernel of the image's size without padding. The depthwise switches ("dw/...") govern it.
type PoolF32Args struct {
	In       []float32 // [H][W] pixels of C channels
	H, W, C  int
	Pixel    int  // floats from one input pixel to the next, at least C
	Average  bool // else maximum
	CountPad bool // an average divides by KH·KW rather than by the taps inside the image
	KH, KW   int
	SH, SW   int // stride
	DH, DW   int // dilation
	PT, PL   int // padding above and to the left
	Out      []float32
	OH, OW   int
	OutPixel int // floats from one output pixel to the next, at least C
}

// Run computes output rows y0 to y1. Ranges that do not overlap may run at the same time. An output whose taps are all in
// the padding is -Inf or 0. A NaN wins a maximum unless a later tap follows it.
func (a *PoolF32Args) Run(y0, y1 int) {
	if y0 >= y1 || a.OW <= 0 || a.C <= 0 {
		return
	}
	switch {
	case y0 < 0 || y1 > a.OH || a.Pixel < a.C || a.OutPixel < a.C || a.KH <= 0 || a.KW <= 0 || a.H <= 0 || a.W <= 0,
		a.SH <= 0 || a.SW <= 0 || a.DH <= 0 || a.DW <= 0 || a.PT < 0 || a.PL < 0,
		len(a.In) < (a.H*a.W-1)*a.Pixel+a.C,
		len(a.Out) < (y1*a.OW-1)*a.OutPixel+a.C:
		panic("kern: BUG: pool: range or slice does not match the sizes")
	}
	asm := dwAsm()
	for y := y0; y < y1; y++ {
		ky0, ky1 := tapRange(y*a.SH-a.PT, a.KH, a.DH, a.H)
		for x := 0; x < a.OW; {
			kx0, kx1 := tapRange(x*a.SW-a.PL, a.KW, a.DW, a.W)
			n := 1
			for kx0 == 0 && kx1 == a.KW && x+n < a.OW && (x+n)*a.SW-a.PL+(a.KW-1)*a.DW < a.W {
				n++ // the next output sees no padding either
			}
			if asm && ky0 < ky1 && kx0 < kx1 {
				a.tiles(y, x, n, ky0, ky1, kx0, kx1)
			} else {
				for i := range n {
					a.pixel(y, x+i, ky0, ky1, kx0, kx1)
				}
			}
			x += n
		}
	}
}

// scale is what a sum over that many taps is multiplied by.
func (a *PoolF32Args) scale(taps int) float32 {
	if a.CountPad {
		taps = a.KH * a.KW
	}
	return 1 / float32(max(1, taps))
}

func (a *PoolF32Args) tiles(y, x, n, ky0, ky1, kx0, kx1 int) {
	t := dwTile{
		in:        &a.In[((y*a.SH-a.PT+ky0*a.DH)*a.W+x*a.SW-a.PL+kx0*a.DW)*a.Pixel],
		rowStride: 4 * a.DH * a.W * a.Pixel,
		rows:      ky1 - ky0,
		cols:      kx1 - kx0,
		colStride: 4 * a.DW * a.Pixel,
		out:       &a.Out[(y*a.OW+x)*a.OutPixel],
		channels:  a.C,
		tiles:     n,
		outRows:   1,
		inStep:    4 * a.SW * a.Pixel,
		outStep:   4 * a.OutPixel,
		min:       float32(math.Inf(-1)),
	}
	if a.Average {
		t.min = a.scale((ky1 - ky0) * (kx1 - kx0))
	}
	poolTile(&t, a.Average)
}

// pixel is the definition: taps in order, the sum multiplied by the reciprocal of the count.
func (a *PoolF32Args) pixel(y, x, ky0, ky1, kx0, kx1 int) {
	out := a.Out[(y*a.OW+x)*a.OutPixel:][:a.C]
	start := float32(math.Inf(-1))
	if a.Average {
		start = 0
	}
	for c := range out {
		out[c] = start
	}
	taps := 0
	for ky := ky0; ky < ky1; ky++ {
		line := (y*a.SH - a.PT + ky*a.DH) * a.W
		for kx := kx0; kx < kx1; kx++ {
			in := a.In[(line+x*a.SW-a.PL+kx*a.DW)*a.Pixel:][:len(out)]
			taps++
			if a.Average {
				for c, v := range in {
					out[c] += v
				}
				continue
			}
			for c, v := range in {
				if !(out[c] > v) {
					out[c] = v
				}
			}
		}
	}
	if a.Average {
		s := a.scale(taps)
		for c := range out {
			out[c] *= s
		}
	}
}
