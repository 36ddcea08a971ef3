package imageio

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/x448/float16"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
)

// Fit fills what p leaves open from the input's spec: size and layout. It says
// what does not fit. The input is one image: [1, h, w, c], or [1, c, h, w].
func Fit(p format.Preprocess, in tensor.Spec) (format.Preprocess, error) {
	s := in.Shape
	if s.Rank() != 4 {
		return p, fmt.Errorf("imageio: the model's input is %v, which is no image", s)
	}
	isImage := func(c int) bool { return c == 1 || c == 3 }
	if p.Layout == "" {
		p.Layout = "nhwc"
		if !isImage(s.Dim(3)) && isImage(s.Dim(1)) {
			p.Layout = "nchw"
		}
	}
	h, w, c := s.Dim(1), s.Dim(2), s.Dim(3)
	switch p.Layout {
	case "nhwc":
	case "nchw":
		c, h, w = s.Dim(1), s.Dim(2), s.Dim(3)
	default:
		return p, fmt.Errorf("imageio: layout %q, want nhwc or nchw", p.Layout)
	}
	if !isImage(c) {
		return p, fmt.Errorf("imageio: the model's input is %v with %d channels, an image has 1 or 3", s, c)
	}
	if p.Order == "" {
		p.Order = "rgb"
		if c == 1 {
			p.Order = "gray"
		}
	}
	if p.Order != "rgb" && p.Order != "bgr" && p.Order != "gray" || (c == 1) != (p.Order == "gray") {
		return p, fmt.Errorf("imageio: channel order %q for %d channels", p.Order, c)
	}
	p.Width, p.Height = w, h
	for _, v := range [][]float32{p.Mean, p.Std} {
		if len(v) > 1 && len(v) != c {
			return p, fmt.Errorf("imageio: mean and std have %d and %d entries for %d channels", len(p.Mean), len(p.Std), c)
		}
	}
	for _, v := range p.Std {
		if v == 0 {
			return p, fmt.Errorf("imageio: std is 0")
		}
	}
	if p.Mode != "" && !slices.Contains(Modes(), p.Mode) {
		return p, unknownMode(p.Mode)
	}
	if p.Resize < 0 || p.Resize > maxSide {
		return p, fmt.Errorf("imageio: resize to %d, want 0 to %d", p.Resize, maxSide)
	}
	return p, nil
}

// at is v[i], or the one entry v has, or def.
func at(v []float32, i int, def float32) float32 {
	switch len(v) {
	case 0:
		return def
	case 1:
		return v[0]
	}
	return v[i]
}

// Scaled is m at the network's size: resized and cut.
func Scaled(m *RGB, p format.Preprocess) (*RGB, error) {
	if p.Resize > 0 { // shorter side to Resize, then the middle
		w, h := p.Resize, p.Resize
		if m.W > m.H {
			w = int(math.Round(float64(m.W) * float64(p.Resize) / float64(m.H)))
		} else {
			h = int(math.Round(float64(m.H) * float64(p.Resize) / float64(m.W)))
		}
		var err error
		if m, err = m.Resize(w, h, p.Mode); err != nil {
			return nil, err
		}
		m = m.Crop(p.Width, p.Height)
	}
	return m.Resize(p.Width, p.Height, p.Mode)
}

// Into writes image m as image n of t, whose spec Fit has seen at batch 1.
// Quantised inputs take the pixel itself when p says nothing else (u8), or the
// real value in the input's scale.
func Into(t tensor.Tensor, n int, m *RGB, p format.Preprocess) error {
	m, err := Scaled(m, p)
	if err != nil {
		return err
	}
	c := 3
	if p.Order == "gray" {
		c = 1
	}
	plain := p.Scale == 0 && p.Mean == nil && p.Std == nil
	scale := p.Scale
	if scale == 0 {
		scale = 1
	}
	plane := p.Width * p.Height
	base := n * plane * c
	for i := range plane {
		for j := range c {
			var v float32
			switch p.Order {
			case "gray":
				v = gray(m.Pix[3*i:])
			case "bgr":
				v = float32(m.Pix[3*i+2-j])
			default:
				v = float32(m.Pix[3*i+j])
			}
			o := base + i*c + j
			if p.Layout == "nchw" {
				o = base + j*plane + i
			}
			v = (v*scale - at(p.Mean, j, 0)) / at(p.Std, j, 1)
			switch {
			case t.DType == tensor.F32:
				t.F32()[o] = v
			case t.DType == tensor.F16:
				binary.LittleEndian.PutUint16(t.Data[2*o:], float16.Fromfloat32(v).Bits())
			case t.DType == tensor.U8 && plain:
				t.Data[o] = uint8(v)
			case t.DType == tensor.I8 && plain:
				t.Data[o] = uint8(int8(int(v) - 128))
			case t.DType.IsInt8() && t.Quant.PerTensor():
				s, z := t.Quant.At(0)
				lo, hi := tensor.IntRange(t.DType)
				t.Data[o] = byte(int64(min(max(math.RoundToEven(float64(v/s))+float64(z), float64(lo)), float64(hi))))
			default:
				return fmt.Errorf("imageio: the model's input is %v", t.DType)
			}
		}
	}
	return nil
}

// gray is the luma of ITU-R BT.601; gray pixels stay what they are.
func gray(p []uint8) float32 {
	if p[0] == p[1] && p[1] == p[2] {
		return float32(p[0])
	}
	return float32(math.Round(0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])))
}
