package imageio

import (
	"fmt"
	"math"
)

// The ways to resize.
const (
	Nearest   = "nearest"
	Bilinear  = "bilinear"        // half-pixel centres, no low-pass when shrinking
	Legacy    = "bilinear-legacy" // TFLite's first: corners as origin, no low-pass
	Antialias = "antialias"       // bilinear with the kernel widened when shrinking, as PIL does
	Area      = "area"            // mean over the source rectangle
)

// taps are the source positions and weights of one result position.
type taps struct {
	first  int
	weight []float64
}

// axis computes the taps along one dimension.
func axis(in, out int, mode string) ([]taps, error) {
	t := make([]taps, out)
	scale := float64(in) / float64(out)
	for i := range t {
		centre := (float64(i) + 0.5) * scale
		var lo, hi int
		var weigh func(j int) float64
		switch mode {
		case Nearest:
			lo = min(int(centre), in-1)
			hi, weigh = lo+1, func(int) float64 { return 1 }
		case Bilinear, Legacy, "":
			c := centre - 0.5
			if mode == Legacy {
				c = float64(i) * scale
			}
			c = min(max(c, 0), float64(in-1))
			lo = int(math.Floor(c))
			hi, weigh = min(lo+2, in), func(j int) float64 { return max(0, 1-math.Abs(float64(j)-c)) }
		case Antialias:
			s := max(scale, 1)
			lo, hi = max(0, int(centre-s+0.5)), min(in, int(centre+s+0.5))
			weigh = func(j int) float64 { return max(0, 1-math.Abs((float64(j)+0.5-centre)/s)) }
		case Area:
			a, b := float64(i)*scale, float64(i+1)*scale
			lo, hi = int(a), min(in, int(math.Ceil(b)))
			weigh = func(j int) float64 { return max(0, min(b, float64(j+1))-max(a, float64(j))) }
		default:
			return nil, fmt.Errorf("imageio: no way to resize is called %q", mode)
		}
		t[i].first = lo
		sum := 0.0
		for j := lo; j < hi; j++ {
			w := weigh(j)
			t[i].weight = append(t[i].weight, w)
			sum += w
		}
		for j := range t[i].weight {
			t[i].weight[j] /= sum
		}
	}
	return t, nil
}

// Resize gives w x h pixels as floats, [h][w][3], values 0 to 255 not rounded.
func (m *RGB) Resize(w, h int, mode string) ([]float32, error) {
	tx, err := axis(m.W, w, mode)
	if err != nil {
		return nil, err
	}
	ty, err := axis(m.H, h, mode)
	if err != nil {
		return nil, err
	}
	rows := make([]float64, 3*w*m.H) // resized along x
	for y := range m.H {
		src := m.Pix[3*m.W*y:]
		for x, t := range tx {
			for c := range 3 {
				sum := 0.0
				for j, v := range t.weight {
					sum += v * float64(src[3*(t.first+j)+c])
				}
				rows[3*(y*w+x)+c] = sum
			}
		}
	}
	out := make([]float32, 3*w*h)
	for y, t := range ty {
		for i := range 3 * w {
			sum := 0.0
			for j, v := range t.weight {
				sum += v * rows[3*w*(t.first+j)+i]
			}
			out[3*w*y+i] = float32(sum)
		}
	}
	return out, nil
}

// rounded makes 8-bit pixels of floats, half to even.
func rounded(v []float32, w, h int) *RGB {
	m := &RGB{W: w, H: h, Pix: make([]uint8, len(v))}
	for i, x := range v {
		m.Pix[i] = uint8(min(max(math.RoundToEven(float64(x)), 0), 255))
	}
	return m
}

// ResizeRGB is Resize rounded to 8 bits.
func (m *RGB) ResizeRGB(w, h int, mode string) (*RGB, error) {
	if w == m.W && h == m.H {
		return m, nil
	}
	v, err := m.Resize(w, h, mode)
	if err != nil {
		return nil, err
	}
	return rounded(v, w, h), nil
}
