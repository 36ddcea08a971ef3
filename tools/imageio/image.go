// Package imageio turns images into a network's input: PNG, JPEG, GIF, BMP and
// WebP, upright, resized, cut, scaled and laid out as a file's metadata says.
package imageio

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/webp"
)

// RGB is an image of 8-bit red, green and blue, row by row without gaps.
type RGB struct {
	W, H int
	Pix  []uint8 // [H][W][3]
}

// maxPixels bounds what an image may claim before it is decoded: a small file
// can describe a very large picture.
const maxPixels = 64 << 20

// maxFile bounds an image file.
const maxFile = 256 << 20

// Load reads an image file.
func Load(path string) (*RGB, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Decode reads an image. Transparent pixels are shown on black, and a JPEG that
// says how its camera was held is turned upright, as every viewer shows it.
func Decode(r io.Reader) (*RGB, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("imageio: more than %d MiB", maxFile>>20)
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		if name := strange(b); name != "" {
			return nil, fmt.Errorf("imageio: this is %s, which is not read: export it as JPEG or PNG", name)
		}
		if len(b) == 0 {
			err = errors.New("the file is empty")
		}
		return nil, fmt.Errorf("imageio: %w", err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("imageio: picture of %d x %d is too large", c.Width, c.Height)
	}
	m, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("imageio: %w", err)
	}
	return FromImage(m).upright(orientation(b)), nil
}

// FromImage converts any image.
func FromImage(m image.Image) *RGB {
	if p, ok := m.(*image.YCbCr); ok {
		return fromYCbCr(p)
	}
	b := m.Bounds()
	out := &RGB{W: b.Dx(), H: b.Dy(), Pix: make([]uint8, 3*b.Dx()*b.Dy())}
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			switch p := m.(type) {
			case *image.Gray:
				g := p.GrayAt(x, y).Y
				out.Pix[i], out.Pix[i+1], out.Pix[i+2] = g, g, g
			case *image.NRGBA:
				c := p.NRGBAAt(x, y)
				out.Pix[i], out.Pix[i+1], out.Pix[i+2] = over(c.R, c.A), over(c.G, c.A), over(c.B, c.A)
			case *image.RGBA:
				c := p.RGBAAt(x, y)
				out.Pix[i], out.Pix[i+1], out.Pix[i+2] = c.R, c.G, c.B
			default:
				c := color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)
				out.Pix[i], out.Pix[i+1], out.Pix[i+2] = c.R, c.G, c.B
			}
			i += 3
		}
	}
	return out
}

func over(v, alpha uint8) uint8 { return uint8(uint32(v) * uint32(alpha) / 255) }

// Crop cuts a w x h part from the middle; where the image is smaller, all of it
// is kept.
func (m *RGB) Crop(w, h int) *RGB {
	w, h = min(w, m.W), min(h, m.H)
	x0, y0 := (m.W-w)/2, (m.H-h)/2
	out := &RGB{W: w, H: h, Pix: make([]uint8, 3*w*h)}
	for y := range h {
		copy(out.Pix[3*w*y:3*w*(y+1)], m.Pix[3*((y0+y)*m.W+x0):])
	}
	return out
}
