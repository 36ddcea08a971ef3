package ops

import "math"

// resizeAxis is the taps of every position along one dimension.
type resizeAxis struct {
	in, out int
	taps    int
	index   []int32   // [out][taps]
	weight  []float32 // [out][taps]
	outside []bool    // positions that take the extrapolation value; nil: none
}

// coordinate is where position x of the result lies in the input.
func (r *Resize) coordinate(x, in, out, axis, rank int) float64 {
	scale := float64(out) / float64(in)
	given := r.Scales != nil && r.Scales[axis] != 0
	if given {
		scale = float64(r.Scales[axis])
	}
	fx, fin, fout := float64(x), float64(in), float64(out)
	// over is a distance in the result as one in the input. What rounds to a
	// nearest position has to be whole where it should be: 3 at a scale of 0.6 is
	// 5 by float32, in which the scale was meant and other runtimes divide, and
	// 4.9999998 by more digits of what the file has.
	over := func(d float64) float64 {
		switch {
		case r.Mode != ResizeNearest:
			return d / scale
		case given:
			return float64(float32(d) / float32(scale))
		}
		return d * fin / fout
	}
	switch r.Coord {
	case CoordPytorchHalfPixel:
		if out == 1 {
			return 0
		}
	case CoordAlignCorners:
		if out == 1 {
			return 0
		}
		if given {
			fout = scale * fin // before rounding, as ONNX has it
		}
		return fx * (fin - 1) / (fout - 1)
	case CoordAsymmetric:
		return over(fx)
	case CoordTFCrop:
		start, end := float64(r.ROI[axis]), float64(r.ROI[rank+axis])
		if out == 1 {
			return 0.5 * (start + end) * (fin - 1)
		}
		return start*(fin-1) + fx*(end-start)*(fin-1)/(fout-1)
	case CoordHalfPixelSymmetric:
		return fin/2 + over(fx+0.5-fout/2) - 0.5 // ONNX's formula, with the middle taken off first: it stays in place
	}
	return over(fx+0.5) - 0.5
}

// Source is where position x of the result lies along an axis of a tensor of
// that rank, for backends: the coordinate, and for nearest the index that it is
// rounded to.
func (r *Resize) Source(x, in, out, axis, rank int) (coordinate float64, index int) {
	c := r.coordinate(x, in, out, axis, rank)
	if r.Mode != ResizeNearest {
		return c, 0
	}
	i, _ := r.kernel(c, 1)
	return c, min(max(i, 0), in-1)
}

func (r *Resize) axis(in, out, axis, rank int) resizeAxis {
	a := resizeAxis{in: in, out: out}
	scale := float64(out) / float64(in)
	if r.Scales != nil && r.Scales[axis] != 0 {
		scale = float64(r.Scales[axis])
	}
	for x := range out {
		c := r.coordinate(x, in, out, axis, rank)
		if r.Coord == CoordTFCrop {
			if a.outside == nil {
				a.outside = make([]bool, out)
			}
			a.outside[x] = c < 0 || c > float64(in-1)
		}
		first, w := r.kernel(c, scale)
		if r.ExcludeOutside && r.Mode != ResizeNearest {
			sum := 0.0
			for j := range w {
				if i := first + j; i >= 0 && i < in {
					sum += w[j]
				}
			}
			// With nothing inside the border counts after all.
			for j := range w {
				if i := first + j; sum != 0 && (i < 0 || i >= in) {
					w[j] = 0
				} else if sum != 0 {
					w[j] /= sum
				}
			}
		}
		a.taps = len(w)
		for j, v := range w {
			a.index = append(a.index, int32(min(max(first+j, 0), in-1)))
			a.weight = append(a.weight, float32(v))
		}
	}
	return a
}

// kernel is the first tap and the weights at coordinate c.
func (r *Resize) kernel(c, scale float64) (first int, w []float64) {
	if r.Mode == ResizeNearest {
		switch r.Round {
		case RoundPreferCeil:
			c = math.Floor(c + 0.5)
		case RoundFloor:
			c = math.Floor(c)
		case RoundCeil:
			c = math.Ceil(c)
		default:
			c = math.Ceil(c - 0.5)
		}
		return int(c), []float64{1}
	}
	// A whole coordinate counts as the end of the interval before it.
	base := math.Ceil(c) - 1
	ratio := c - base
	s, reach := 1.0, 1.0
	if r.Antialias {
		s = min(scale, 1)
	}
	if r.Mode == ResizeCubic {
		reach = 2
	}
	start := int(math.Floor(-reach/s)) + 1
	sum := 0.0
	for i := start; i < 2-start; i++ {
		v := r.weight((float64(i) - ratio) * s)
		w = append(w, v)
		sum += v
	}
	for i := range w {
		w[i] /= sum
	}
	return int(base) + start, w
}

// weight is the interpolation kernel at distance x: a tent, or Keys' cubic.
func (r *Resize) weight(x float64) float64 {
	x = math.Abs(x)
	if r.Mode == ResizeLinear {
		return max(0, 1-x)
	}
	a := float64(r.CubicA)
	if a == 0 {
		a = -0.75
	}
	switch {
	case x <= 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return a * (((x-5)*x+8)*x - 4)
	}
	return 0
}
