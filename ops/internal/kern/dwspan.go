package kern

// span is one row of outputs of a depthwise convolution, cut into tiles of neighbours that share columns.
type span struct {
	kw, stride, dilation, pad, width, out int
	noThree                               bool // no kernels that share the columns of 3
}

// tiles is a run of count tiles of n outputs from x. With shared, one tile may reach left or right columns into the
// padding; otherwise tiles are single outputs with taps kx0 to kx1.
type tiles struct {
	x, n, count int
	shared      bool
	left, right int
	kx0, kx1    int
}

func (s *span) first() tiles       { return s.at(0) }
func (s *span) next(r tiles) tiles { return s.at(r.x + r.n*r.count) }

// reach is how many columns of a tile of n outputs at x lie to the left and to the right of the image.
func (s *span) reach(x, n int) (left, right int) {
	from := x*s.stride - s.pad
	return max(0, -from), max(0, from+(n-1)*s.stride+(s.kw-1)*s.dilation+1-s.width)
}

func (s *span) at(x int) tiles {
	if x >= s.out {
		return tiles{}
	}
	if (s.kw == 3 && !s.noThree || s.kw == 5) && (s.stride == 1 || s.stride == 2) && s.dilation == 1 {
		most := min(4, s.out-x)
		if s.out-x == 5 { // a tile of one waits for its own sums
			most = 3
		}
		for n := most; n >= 1; n-- {
			left, right := s.reach(x, n)
			if left > s.kw/2 || right > s.kw/2 {
				continue
			}
			r := tiles{x: x, n: n, count: 1, shared: true, left: left, right: right, kx1: s.kw}
			r.kx0 = left // where the first column that exists is
			r.count = s.alike(x, n)
			return r
		}
	}
	r := tiles{x: x, n: 1, count: 1}
	r.kx0, r.kx1 = tapRange(x*s.stride-s.pad, s.kw, s.dilation, s.width)
	r.count = s.alike(x, 1)
	return r
}

// alike counts the tiles of n outputs from x on that see no padding; it is 1 where the first does.
func (s *span) alike(x, n int) int {
	count := 1
	left, beyond := s.reach(x, n)
	for left == 0 && beyond == 0 && x+n*(count+1) <= s.out {
		if _, beyond = s.reach(x+n*count, n); beyond == 0 {
			count++
		}
	}
	return count
}
