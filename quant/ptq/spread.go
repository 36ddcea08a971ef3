package ptq

import (
	"fmt"
	"math"
)

// spread is what was seen of one value, by channel, the last dimension.
type spread struct {
	lo, hi  []float64 // the range holds 0
	sum, sq []float64
	rows    float64
}

func newSpread(channels int) *spread {
	v := make([]float64, 4*channels)
	return &spread{lo: v[:channels], hi: v[channels : 2*channels], sum: v[2*channels : 3*channels], sq: v[3*channels:]}
}

// add is for the values of a sample. A network that computes infinities has no
// range, but where a value is masked.
func (s *spread) add(v []float32, masked bool) error {
	n := len(s.lo)
	for i := 0; i+n <= len(v); i += n {
		for c, y := range v[i : i+n] {
			x := float64(y)
			if !(math.Abs(x) <= math.MaxFloat32) && !(masked && math.IsInf(x, -1)) {
				return fmt.Errorf("value %v", x)
			}
			s.lo[c], s.hi[c] = min(s.lo[c], x), max(s.hi[c], x)
			s.sum[c] += x
			s.sq[c] += x * x
		}
		s.rows++
	}
	return nil
}

// variance is that of channel c.
func (s *spread) variance(c int) float64 {
	n := max(1, s.rows)
	mean := s.sum[c] / n
	return max(0, s.sq[c]/n-mean*mean)
}

// ties are sets of numbers.
type ties []int

func newTies(n int) ties {
	t := make(ties, n)
	for i := range t {
		t[i] = i
	}
	return t
}

func (t ties) root(i int) int {
	for t[i] != i {
		t[i] = t[t[i]]
		i = t[i]
	}
	return i
}

func (t ties) join(a, b int) { t[t.root(a)] = t.root(b) }
