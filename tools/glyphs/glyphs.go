// Package glyphs draws labelled images: the ten digits in Go's own fonts,
// moved, turned, stretched, unevenly lit and noisy. It is the data of the demo
// and of tests, so that the project needs nobody else's. Equal seeds give equal
// bytes on every machine: all arithmetic on pixels is in integers.
package glyphs

import (
	"bytes"
	_ "embed"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math/rand/v2"
)

// Size is the side of an image, Classes the number of glyphs.
const (
	Size    = 28
	Classes = 10
	canvas  = 64 // glyphs are drawn large and sampled down
)

// Drawer holds the glyphs as large masks.
type Drawer struct{ masks [][]*image.Gray } // [font][glyph]

// masks holds the glyphs, a font a row. It is drawn once, by gen.go, and kept:
// the rasteriser of golang.org/x/image computes in float32, so that machines
// that fuse multiplication and addition would draw other bytes.
//
//go:generate go run gen.go
//go:embed masks.png
var masks []byte

// New reads the glyphs.
func New() (*Drawer, error) {
	p, err := png.Decode(bytes.NewReader(masks))
	if err != nil {
		return nil, fmt.Errorf("glyphs: %w", err)
	}
	all, ok := p.(*image.Gray)
	if !ok || all.Rect.Dx() != Classes*canvas || all.Rect.Dy()%canvas != 0 {
		return nil, fmt.Errorf("glyphs: masks.png is %T of %v", p, p.Bounds())
	}
	d := &Drawer{masks: make([][]*image.Gray, all.Rect.Dy()/canvas)}
	for y := range d.masks {
		for c := range Classes {
			m := image.NewGray(image.Rect(0, 0, canvas, canvas))
			draw.Draw(m, m.Rect, all, image.Pt(c*canvas, y*canvas), draw.Src)
			d.masks[y] = append(d.masks[y], m)
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
func bilinear(m *image.Gray, x, y int) int {
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
