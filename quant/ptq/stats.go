package ptq

import "math"

const (
	bins   = 2048
	inside = 0.9999 // the share of values that Percentile keeps
)

// stats is what was seen of one value.
type stats struct {
	lo, hi float64
	hist   [bins]float64 // between lo and hi, without the zeros: those are exact
	total  float64       // of the histogram
	zeros  float64
	sum    []float64 // by channel, the last dimension
	rows   float64
	weight []float64 // what an error counts, by channel; nil: all the same

	scale float32 // chosen
	zero  int
}

// newStats is for values of the extremes x, whose channels were divided by factor;
// nil: by nothing.
func newStats(x *spread, factor, weight []float64) *stats {
	s := &stats{sum: make([]float64, len(x.lo)), weight: weight} // the range holds 0: padding needs it
	for c := range x.lo {
		f := 1.0
		if factor != nil {
			f = factor[c]
		}
		s.lo, s.hi = min(s.lo, x.lo[c]/f), max(s.hi, x.hi[c]/f)
	}
	return s
}

// count adds a sample to the histogram and the means.
func (s *stats) count(v []float32) {
	scale := 0.0
	if s.hi > s.lo {
		scale = bins / (s.hi - s.lo)
	}
	c := len(s.sum)
	for i := 0; i+c <= len(v); i += c {
		for j, x := range v[i : i+c] {
			if x == 0 {
				s.zeros++ // half of what a Relu gives, and more than any method should look at
				continue
			}
			s.sum[j] += float64(x)
			w := 1.0
			if s.weight != nil {
				w = s.weight[j]
			}
			s.total += w
			s.hist[max(0, min(int((float64(x)-s.lo)*scale), bins-1))] += w
		}
		s.rows++
	}
}

// mean is the mean of channel c.
func (s *stats) mean(c int) float64 {
	if s.rows == 0 {
		return 0
	}
	return s.sum[c] / s.rows
}

// choose sets scale and zero point.
func (s *stats) choose(m Method) {
	lo, hi := s.lo, s.hi
	if hi > lo {
		switch m {
		case MSE:
			lo, hi = s.search(s.squared)
		case Entropy:
			lo, hi = s.search(s.divergence)
		case Percentile:
			lo, hi = s.percentile()
		}
	}
	s.scale, s.zero = affine(lo, hi)
}

// affine is the int8 quantisation of [lo, hi], in which 0 is exact.
func affine(lo, hi float64) (scale float32, zero int) {
	scale = float32((hi - lo) / 255)
	if scale < 1e-30 { // all zeros, or as good as
		return 1.0 / 255, -128
	}
	return scale, int(max(-128, min(127, math.RoundToEven(-128-lo/float64(scale)))))
}

// centre is the middle of a bin.
func (s *stats) centre(i int) float64 { return s.lo + (float64(i)+0.5)*(s.hi-s.lo)/bins }

// search looks for the least cost over ranges inside what was seen: both ends
// drawn in together, then each alone.
func (s *stats) search(cost func(lo, hi float64) float64) (lo, hi float64) {
	const steps = 50
	a, b := 1.0, 1.0
	best := cost(s.lo, s.hi)
	try := func(x, y float64) {
		if c := cost(s.lo*x, s.hi*y); c < best {
			best, a, b = c, x, y
		}
	}
	for i := 2; i < steps; i++ {
		f := float64(i) / steps
		try(f, f)
	}
	if s.lo < 0 && s.hi > 0 {
		for range 2 {
			y := b
			for i := 1; i <= steps; i++ {
				try(float64(i)/steps, y)
			}
			x := a
			for i := 1; i <= steps; i++ {
				try(x, float64(i)/steps)
			}
		}
	}
	return s.lo * a, s.hi * b
}

// squared is the squared error of quantising to [lo, hi]: the distance outside,
// inside the step²/12 of values that fall anywhere in a step.
func (s *stats) squared(lo, hi float64) float64 {
	step := (hi - lo) / 255
	var sum float64
	for i, n := range s.hist {
		if n == 0 {
			continue
		}
		e := step * step / 12
		switch x := s.centre(i); {
		case x < lo:
			e = (x - lo) * (x - lo)
		case x > hi:
			e = (x - hi) * (x - hi)
		}
		sum += n * e
	}
	return sum
}

// divergence is that of the histogram from what quantising to [lo, hi] leaves of
// it (Migacz, 8-bit inference with TensorRT, 2017): what lies outside is moved to
// the outermost bins, and each level's mass is spread over its bins that held any.
func (s *stats) divergence(lo, hi float64) float64 {
	width := (s.hi - s.lo) / bins
	first := max(0, int((lo-s.lo)/width))
	last := min(bins-1, int((hi-s.lo)/width))
	if last-first < 255 {
		return math.Inf(1)
	}
	p := append([]float64(nil), s.hist[first:last+1]...)
	q := make([]float64, len(p))
	for level := range 256 {
		a, b := level*len(p)/256, (level+1)*len(p)/256
		var mass, used float64
		for i := a; i < b; i++ {
			if p[i] > 0 {
				mass, used = mass+p[i], used+1
			}
		}
		for i := a; i < b; i++ {
			if p[i] > 0 {
				q[i] = mass / used
			}
		}
	}
	var kept float64
	for _, x := range p {
		kept += x
	}
	for i, n := range s.hist {
		if i < first {
			p[0] += n
		} else if i > last {
			p[len(p)-1] += n
		}
	}
	var d float64
	for i, x := range p {
		if x > 0 {
			y := max(q[i]/max(kept, 1), 1e-9)
			d += x / s.total * math.Log(x/s.total/y)
		}
	}
	return d
}

// percentile leaves out the same share at each end.
func (s *stats) percentile() (lo, hi float64) {
	cut := (1 - inside) / 2 * (s.total + s.zeros)
	a, b := 0, bins-1
	for n := s.hist[a]; n <= cut && a < bins-1; n += s.hist[a] {
		a++
	}
	for n := s.hist[b]; n <= cut && b > 0; n += s.hist[b] {
		b--
	}
	width := (s.hi - s.lo) / bins
	return min(0, s.lo+float64(a)*width), max(0, s.lo+float64(b+1)*width)
}
