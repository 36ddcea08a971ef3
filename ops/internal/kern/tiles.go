package kern

// Tiles is how rows are cut into tiles: so that none is much lower than the others. A tile of a single row takes as long as
// one of four, for a sum's additions wait for each other, and a low one reads the weights as fast as a tall one's products
// would hide: 49 rows are five tiles of about ten and not four of twelve and one of one. The zero value is tiles of a
// form's own height, the last one of what is left.
type Tiles struct {
	rows int // in all
	full int // tiles of the form's height, which come first
	tall int // tiles of h
	h    int // those that are left are lower by one
}

// evenTiles cuts m rows into as few tiles of at most mr as there can be, of two neighbouring heights.
func evenTiles(mr, m int) Tiles {
	if m <= mr {
		return Tiles{rows: m, tall: 1, h: m}
	}
	n := (m + mr - 1) / mr
	h := (m + n - 1) / n
	return Tiles{rows: m, tall: m - n*(h-1), h: h}
}

// height is that of tile i in a form of height mr with left rows to go.
func (t *Tiles) height(i, mr, left int) int {
	switch {
	case t.h == 0 || i < t.full:
		return min(mr, left)
	case i-t.full < t.tall:
		return t.h
	}
	return t.h - 1
}

// run is the height of tile i and how many there are of it from there on.
func (t *Tiles) run(i, mr, left int) (h, n int) {
	h = t.height(i, mr, left)
	n = left / h
	switch {
	case t.h == 0:
	case i < t.full:
		n = min(n, t.full-i)
	case i-t.full < t.tall:
		n = min(n, t.full+t.tall-i)
	}
	return h, n
}

// Even is the cut of m rows for a table that g prefers: what is over behind tiles of twelve goes to the last of them,
// which are then two or three of nine and eight rows, the heights that there are kernels of. 49 rows are 12, 12, 9, 8, 8.
func (g *GemmI8) Even(m int) Tiles {
	if g.isa != isaAVX512 || m%12 == 0 {
		return Tiles{}
	}
	for n := 1; n <= 3; n++ {
		if rest := m%12 + 12*(n-1); rest >= 8*n && rest <= 9*n && rest <= m {
			return Tiles{rows: m, full: (m - rest) / 12, tall: rest - 8*n, h: 9}
		}
	}
	return Tiles{}
}

// Even is the cut of m rows for a table that g prefers.
func (g *GemmF32) Even(m int) Tiles {
	if g.isa == isaGeneric {
		return Tiles{}
	}
	return evenTiles(g.MR, m)
}
