package imageio

import (
	"image"
	"image/color"
)

// fromYCbCr converts a JPEG's picture. Colour stored at half the width, or at
// half of both, is spread by a triangle filter, as libjpeg does by default and
// so as the pictures looked that networks were trained on; Go's own conversion
// repeats each value.
func fromYCbCr(p *image.YCbCr) *RGB {
	b := p.Bounds()
	out := &RGB{W: b.Dx(), H: b.Dy(), Pix: make([]uint8, 3*b.Dx()*b.Dy())}
	ratio := p.SubsampleRatio
	smooth := b.Min == (image.Point{}) && out.W > 2 && (ratio == image.YCbCrSubsampleRatio420 || ratio == image.YCbCrSubsampleRatio422)
	cw := (out.W + 1) / 2
	cb, cr := make([]uint8, 2*cw), make([]uint8, 2*cw)
	sum := make([]int, cw)
	for y := range out.H {
		if smooth {
			spread(cb, sum, p.Cb, p.CStride, y, out.H, ratio)
			spread(cr, sum, p.Cr, p.CStride, y, out.H, ratio)
		}
		o := out.Pix[3*out.W*y:]
		for x := range out.W {
			c := p.YCbCrAt(b.Min.X+x, b.Min.Y+y)
			if smooth {
				c.Cb, c.Cr = cb[x], cr[x]
			}
			o[3*x], o[3*x+1], o[3*x+2] = color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
		}
	}
	return out
}

// spread fills dst with row y of a plane of colour at full width. Each value is
// 3/4 of the nearer and 1/4 of the further sample along each halved dimension;
// ties are rounded up and down in turn.
func spread(dst []uint8, sum []int, plane []uint8, stride, y, h int, ratio image.YCbCrSubsampleRatio) {
	n := len(sum)
	if ratio == image.YCbCrSubsampleRatio422 {
		for i, v := range plane[stride*y:][:n] {
			sum[i] = 4 * int(v)
		}
	} else {
		rows := (h + 1) / 2
		near := y / 2
		far := near - 1 + 2*(y&1)
		far = min(max(far, 0), rows-1)
		a, b := plane[stride*near:][:n], plane[stride*far:][:n]
		for i := range sum {
			sum[i] = 3*int(a[i]) + int(b[i])
		}
	}
	// sum is four times a row. Along x the bias differs by side, so that no
	// drift remains: 8 and 7 for both dimensions, 4 and 8 (1 and 2 of 4) for one.
	left, right := 8, 7
	if ratio == image.YCbCrSubsampleRatio422 {
		left, right = 4, 8
	}
	for i, v := range sum {
		l, r := sum[max(i-1, 0)], sum[min(i+1, n-1)]
		dst[2*i] = uint8((3*v + l + left) >> 4)
		dst[2*i+1] = uint8((3*v + r + right) >> 4)
	}
}
