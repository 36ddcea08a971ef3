// Package glyphs draws labelled images: the ten digits in Go's own fonts,
// moved, turned, stretched, unevenly lit and noisy. It is the data of the demo
// and of tests, so that the project needs nobody else's. Equal seeds give equal
// bytes on every machine: all arithmetic on pixels is in integers.
package glyphs

import (
	"image"
	"math/rand/v2"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Size is the side of an image, Classes the number of glyphs.
const (
	Size    = 28
	Classes = 10
	canvas  = 64 // glyphs are drawn large and sampled down
)

// Drawer holds the glyphs as large masks.
type Drawer struct{ masks [][]*image.Alpha } // [font][glyph]

// New renders the fonts once.
func New() (*Drawer, error) {
	d := &Drawer{}
	for _, ttf := range [][]byte{goregular.TTF, gobold.TTF, gomono.TTF} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			return nil, err
		}
		face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: 56, DPI: 72, Hinting: font.HintingNone})
		if err != nil {
			return nil, err
		}
		var set []*image.Alpha
		for c := range Classes {
			m := image.NewAlpha(image.Rect(0, 0, canvas, canvas))
			w := font.MeasureString(face, string(rune('0'+c)))
			dr := font.Drawer{Dst: m, Src: image.Opaque, Face: face, Dot: fixed.Point26_6{X: (fixed.I(canvas) - w) / 2, Y: fixed.I(canvas/2 + 20)}}
			dr.DrawString(string(rune('0' + c)))
			set = append(set, m)
		}
		d.masks = append(d.masks, set)
		if err := face.Close(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Sample draws image i of a seed into dst, Size x Size gray pixels, and returns
// its label.
func (d *Drawer) Sample(dst []uint8, seed uint64, i int) int {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	label := r.IntN(Classes)
	mask := d.masks[r.IntN(len(d.masks))][label]
	// The inverse map from result to mask in 16.16 fixed point: a random matrix
	// near a scaling by canvas/Size, about the centre.
	const one = 1 << 16
	scale := one * canvas / Size
	jitter := func(n int) int { return r.IntN(2*n+1) - n }
	a, b := scale+jitter(scale/5), jitter(scale/4)
	c, e := jitter(scale/4), scale+jitter(scale/5)
	dx, dy := jitter(6*one), jitter(6*one)
	ink, paper := 150+r.IntN(106), r.IntN(80)
	slope := jitter(2) // light across the image
	noise := 4 + r.IntN(36)
	for y := range Size {
		for x := range Size {
			u, v := 2*x-Size+1, 2*y-Size+1 // twice the distance from the centre
			mx := (a*u+b*v)/2 + dx + canvas/2*one - one/2
			my := (c*u+e*v)/2 + dy + canvas/2*one - one/2
			m := bilinear(mask, mx, my)
			p := paper + (ink-paper)*m/255 + slope*(x-Size/2) + jitter(noise)
			dst[y*Size+x] = uint8(min(max(p, 0), 255))
		}
	}
	return label
}

// bilinear samples a mask at a 16.16 position, 0 outside.
func bilinear(m *image.Alpha, x, y int) int {
	x0, y0 := x>>16, y>>16
	fx, fy := (x>>8)&255, (y>>8)&255
	at := func(x, y int) int {
		if uint(x) >= canvas || uint(y) >= canvas {
			return 0
		}
		return int(m.Pix[y*m.Stride+x])
	}
	top := at(x0, y0)*(256-fx) + at(x0+1, y0)*fx
	bottom := at(x0, y0+1)*(256-fx) + at(x0+1, y0+1)*fx
	return (top*(256-fy) + bottom*fy) >> 16
}

// Labels names the classes.
func Labels() []string {
	var l []string
	for c := range Classes {
		l = append(l, string(rune('0'+c)))
	}
	return l
}
