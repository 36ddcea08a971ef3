package dataset

import (
	"math"
	"math/rand/v2"

	"github.com/teff-ml/teff/tools/imageio"
)

// Augment says how images are changed at random for training. The zero value
// changes nothing.
type Augment struct {
	Flip   bool    // mirrored, half of the time
	Shift  int     // moved by up to so many pixels each way; edges repeat
	Zoom   float64 // a part of at least this share of the area, of 3:4 to 4:3; 0: off
	Colour float64 // brightness, contrast and saturation changed by up to this share
	Erase  float64 // probability that a rectangle of 2 to 33 % becomes noise (Zhong et al. 2017)
}

// IsZero reports an Augment that changes nothing.
func (a Augment) IsZero() bool { return a == Augment{} }

// Apply makes a w x h picture of m: its middle, changed as rng decides and a
// allows. Equal states of rng give equal pictures. dst's memory is used again
// where it is large enough; dst may be nil.
func (a Augment) Apply(dst, m *imageio.RGB, w, h int, rng *rand.Rand) (*imageio.RGB, error) {
	if dst == nil || cap(dst.Pix) < 3*w*h {
		dst = &imageio.RGB{Pix: make([]uint8, 3*w*h)}
	}
	dst.W, dst.H, dst.Pix = w, h, dst.Pix[:3*w*h]
	if a.Zoom > 0 && a.Zoom < 1 {
		part, err := a.part(m, rng).Resize(w, h, imageio.Antialias)
		if err != nil {
			return nil, err
		}
		m = part
	}
	dx, dy := (m.W-w)/2, (m.H-h)/2
	if a.Shift > 0 {
		dx += rng.IntN(2*a.Shift+1) - a.Shift
		dy += rng.IntN(2*a.Shift+1) - a.Shift
	}
	mirror := a.Flip && rng.IntN(2) == 1
	for y := range h {
		sy := min(max(y+dy, 0), m.H-1)
		row, from := dst.Pix[3*w*y:3*w*(y+1)], m.Pix[3*m.W*sy:3*m.W*(sy+1)]
		for x := range w {
			sx := x + dx
			if mirror {
				sx = w - 1 - x + dx
			}
			sx = min(max(sx, 0), m.W-1)
			row[3*x], row[3*x+1], row[3*x+2] = from[3*sx], from[3*sx+1], from[3*sx+2]
		}
	}
	if a.Colour > 0 {
		a.recolour(dst, rng)
	}
	if a.Erase > 0 && rng.Float64() < a.Erase {
		erase(dst, rng)
	}
	return dst, nil
}

// part cuts a rectangle of random area, shape and place out.
func (a Augment) part(m *imageio.RGB, rng *rand.Rand) *imageio.RGB {
	area := (a.Zoom + (1-a.Zoom)*rng.Float64()) * float64(m.W*m.H)
	shape := math.Exp((2*rng.Float64() - 1) * math.Log(4.0/3))
	w := min(m.W, max(1, int(math.Sqrt(area*shape)+0.5)))
	h := min(m.H, max(1, int(math.Sqrt(area/shape)+0.5)))
	x0, y0 := rng.IntN(m.W-w+1), rng.IntN(m.H-h+1)
	p := &imageio.RGB{W: w, H: h, Pix: make([]uint8, 3*w*h)}
	for y := range h {
		copy(p.Pix[3*w*y:3*w*(y+1)], m.Pix[3*((y0+y)*m.W+x0):])
	}
	return p
}

// recolour multiplies brightness, distance from the mean gray, and distance
// from each pixel's gray.
func (a Augment) recolour(m *imageio.RGB, rng *rand.Rand) {
	factor := func() float32 { return float32(1 + a.Colour*(2*rng.Float64()-1)) }
	bright, contrast, saturation := factor(), factor(), factor()
	gray := func(p []uint8) float32 {
		return 0.299*float32(p[0]) + 0.587*float32(p[1]) + 0.114*float32(p[2])
	}
	mean := 0.0
	for i := 0; i < len(m.Pix); i += 3 {
		mean += float64(gray(m.Pix[i:]))
	}
	middle := float32(mean) / float32(m.W*m.H)
	for i := 0; i < len(m.Pix); i += 3 {
		g := gray(m.Pix[i:])
		for c := range 3 {
			v := g + saturation*(float32(m.Pix[i+c])-g)
			v = bright * (middle + contrast*(v-middle))
			m.Pix[i+c] = uint8(min(max(v+0.5, 0), 255))
		}
	}
}

// erase fills a rectangle with noise.
func erase(m *imageio.RGB, rng *rand.Rand) {
	area := (0.02 + 0.31*rng.Float64()) * float64(m.W*m.H)
	shape := math.Exp((2*rng.Float64() - 1) * math.Log(3.3))
	w := min(m.W, max(1, int(math.Sqrt(area*shape)+0.5)))
	h := min(m.H, max(1, int(math.Sqrt(area/shape)+0.5)))
	x0, y0 := rng.IntN(m.W-w+1), rng.IntN(m.H-h+1)
	for y := y0; y < y0+h; y++ {
		row := m.Pix[3*(y*m.W+x0) : 3*(y*m.W+x0+w)]
		for i := range row {
			row[i] = uint8(rng.Uint32())
		}
	}
}
