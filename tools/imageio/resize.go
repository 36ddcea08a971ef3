package imageio

import (
	"fmt"
	"math"
	"strings"
)

// The ways to resize.
const (
	Nearest   = "nearest"
	Bilinear  = "bilinear"        // half-pixel centres, no low-pass when shrinking
	Legacy    = "bilinear-legacy" // TFLite's first: corners as origin, no low-pass, fractions cut off
	Antialias = "antialias"       // bilinear with the kernel widened when shrinking, as Pillow does, to the bit
	Area      = "area"            // mean over the source rectangle
)

// Modes are the names of the ways to resize.
func Modes() []string { return []string{Nearest, Bilinear, Legacy, Antialias, Area} }

func unknownMode(mode string) error {
	return fmt.Errorf("imageio: no resize mode %q, there are %s", mode, strings.Join(Modes(), ", "))
}

// maxSide bounds the shorter side an image is resized to.
const maxSide = 1 << 14

// taps are the source positions and weights of one result position.
type taps struct {
	first  int
	weight []float64
	fixed  []int64 // weight with fixedBits fractional bits
}

func (t taps) end() int { return t.first + len(t.weight) }

// fixedBits is what is left of 32 bits beside 8 of a pixel and 2 of overflow:
// Pillow's choice, and with it its rounding.
const fixedBits = 32 - 8 - 2

// axis computes the taps along one dimension. First and end never fall from one
// result position to the next.
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
			c = min(max(c, 0), float64(in-1))
			lo = int(math.Floor(c))
			hi, weigh = min(lo+2, in), func(j int) float64 { return max(0, 1-math.Abs(float64(j)-c)) }
		case Antialias:
			s := max(scale, 1)
			lo, hi = max(0, int(centre-s+0.5)), min(in, int(centre+s+0.5))
			inv := 1 / s
			weigh = func(j int) float64 { return max(0, 1-math.Abs((float64(j)-centre+0.5)*inv)) }
		case Area:
			a, b := float64(i)*scale, float64(i+1)*scale
			lo, hi = int(a), min(in, int(math.Ceil(b)))
			weigh = func(j int) float64 { return max(0, min(b, float64(j+1))-max(a, float64(j))) }
		default:
			return nil, unknownMode(mode)
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
			t[i].fixed = append(t[i].fixed, int64(math.Floor(0.5+t[i].weight[j]*(1<<fixedBits))))
		}
	}
	return t, nil
}

// Resize gives w x h pixels. Intermediate memory is in proportion to the
// result, so that a thin and very long picture does no harm.
func (m *RGB) Resize(w, h int, mode string) (*RGB, error) {
	if w == m.W && h == m.H {
		return m, nil
	}
	if w < 1 || h < 1 || w > maxPixels/h {
		return nil, fmt.Errorf("imageio: cannot resize %d x %d to %d x %d", m.W, m.H, w, h)
	}
	if m.W < 1 || m.H < 1 {
		return nil, fmt.Errorf("imageio: picture of %d x %d", m.W, m.H)
	}
	tx, err := axis(m.W, w, mode)
	if err != nil {
		return nil, err
	}
	ty, err := axis(m.H, h, mode)
	if err != nil {
		return nil, err
	}
	out := &RGB{W: w, H: h, Pix: make([]uint8, 3*w*h)}
	switch mode {
	case Antialias:
		m.resizeFixed(out, tx, ty)
	case Legacy:
		m.resizeLegacy(out)
	default:
		m.resizeReal(out, tx, ty)
	}
	return out, nil
}

// eachRow calls resize with every source row that some result row needs, in
// order, then add for each of those result rows, and done when one is whole.
func eachRow(ty []taps, resize func(y int), add func(out, tap int), done func(out int)) {
	lo, hi := 0, 0
	for y := ty[0].first; y < ty[len(ty)-1].end(); y++ {
		for hi < len(ty) && ty[hi].first <= y {
			hi++
		}
		if lo < hi {
			resize(y)
		}
		for o := lo; o < hi; o++ {
			add(o, y-ty[o].first)
		}
		for lo < hi && ty[lo].end() == y+1 {
			done(lo)
			lo++
		}
	}
}

// resizeLegacy is TFLite's first ResizeBilinear, cut down to 8 bits. The sum is
// rounded where float64 rounds it, fused nowhere: a value that falls just short
// of an integer is cut to the one below. (TFLite's own float32 differs from this
// by 1 in one byte of a hundred.)
func (m *RGB) resizeLegacy(out *RGB) {
	pos := func(i, in, out int) (lo, hi int, f float64) {
		c := float64(i) * float64(in) / float64(out)
		lo = min(int(c), in-1)
		return lo, min(lo+1, in-1), c - float64(lo)
	}
	for y := range out.H {
		y0, y1, dy := pos(y, m.H, out.H)
		r0, r1 := m.Pix[3*m.W*y0:], m.Pix[3*m.W*y1:]
		for x := range out.W {
			x0, x1, dx := pos(x, m.W, out.W)
			for c := range 3 {
				v := float64(float64(float64(r0[3*x0+c])*(1-dy)) * (1 - dx))
				v += float64(float64(float64(r1[3*x0+c])*dy) * (1 - dx))
				v += float64(float64(float64(r0[3*x1+c])*(1-dy)) * dx)
				v += float64(float64(float64(r1[3*x1+c])*dy) * dx)
				out.Pix[3*(out.W*y+x)+c] = uint8(min(v, 255))
			}
		}
	}
}

// resizeReal computes in float64 and rounds once, half to even.
func (m *RGB) resizeReal(out *RGB, tx, ty []taps) {
	row := make([]float64, 3*out.W)
	sums := map[int][]float64{}
	var spare [][]float64
	eachRow(ty, func(y int) {
		src := m.Pix[3*m.W*y:]
		for x, t := range tx {
			for c := range 3 {
				sum := 0.0
				for j, v := range t.weight {
					sum += float64(v * float64(src[3*(t.first+j)+c])) // rounded here, fused nowhere
				}
				row[3*x+c] = sum
			}
		}
	}, func(o, tap int) {
		sum := sums[o]
		if sum == nil {
			if n := len(spare); n > 0 {
				sum, spare = spare[n-1], spare[:n-1]
				clear(sum)
			} else {
				sum = make([]float64, len(row))
			}
			sums[o] = sum
		}
		v := ty[o].weight[tap]
		for i, x := range row {
			sum[i] += float64(v * x)
		}
	}, func(o int) {
		dst := out.Pix[3*out.W*o:]
		for i, v := range sums[o] {
			dst[i] = uint8(min(max(math.RoundToEven(v), 0), 255))
		}
		spare = append(spare, sums[o])
		delete(sums, o)
	})
}

// resizeFixed is Pillow's resampling of 8-bit images: along x, rounded to 8
// bits, then along y, in fixed point.
func (m *RGB) resizeFixed(out *RGB, tx, ty []taps) {
	clip := func(v int64) uint8 { return uint8(min(max(v>>fixedBits, 0), 255)) }
	const half = 1 << (fixedBits - 1)
	row := make([]uint8, 3*out.W)
	sums := map[int][]int64{}
	eachRow(ty, func(y int) {
		src := m.Pix[3*m.W*y:]
		for x, t := range tx {
			for c := range 3 {
				sum := int64(half)
				for j, v := range t.fixed {
					sum += v * int64(src[3*(t.first+j)+c])
				}
				row[3*x+c] = clip(sum)
			}
		}
	}, func(o, tap int) {
		sum := sums[o]
		if sum == nil {
			sum = make([]int64, len(row))
			for i := range sum {
				sum[i] = half
			}
			sums[o] = sum
		}
		v := ty[o].fixed[tap]
		for i, x := range row {
			sum[i] += v * int64(x)
		}
	}, func(o int) {
		dst := out.Pix[3*out.W*o:]
		for i, v := range sums[o] {
			dst[i] = clip(v)
		}
		delete(sums, o)
	})
}
