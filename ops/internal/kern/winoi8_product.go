package kern

// tileI16 is what a product of 16-bit pairs is handed: count tiles of rows below each other, a panel's columns. Assembly knows the
// offsets (see TestWinogradI8Layout).
type tileI16 struct {
	a     *int16
	lda   int // bytes
	b     *int16
	c     *int32
	pairs int // of depth, an even number
	count int
	ahead *int16 // what follows b, to be asked for, a line each of the first pairs
	lines int    // how many of them
}

// multiply makes the sums of a panel.
func (w *WinogradI8) multiply(a *WinogradI8Args, b, n int) {
	rows := w.BlockTiles(b)
	f := &winoI8Forms[w.isa]
	counts := f.heights(rows)
	size := f.panel * w.IC
	t := tileI16{lda: 2 * w.IC, pairs: w.IC / 2}
	strideV, strideM := w.strideV(), w.strideM()
	for p := range winoI8Planes {
		v, m := a.V[p*strideV:], a.M[p*strideM:]
		weights := a.Packed[(n*winoI8Planes+p)*size:]
		if f.isa == isaGeneric {
			gemmI16Generic(v, w.IC, weights, m, rows, w.IC/2, f.panel)
			continue
		}
		t.b, t.ahead, t.lines = &weights[0], &weights[0], 0
		if next := weights[size:]; len(next) >= size {
			t.ahead, t.lines = &next[0], size/32
		}
		if f.isa == isaAVX2 {
			t.a, t.c, t.count = &v[0], &m[0], rows
			gemmI16(0, &t)
			continue
		}
		row := 0
		for i, h := range f.rows {
			if t.count = counts[i]; t.count > 0 {
				t.a, t.c = &v[row*w.IC], &m[row*f.panel]
				gemmI16(h, &t)
				row += h * t.count
				if asked := t.count * t.pairs; asked < t.lines { // a line of 32 numbers each
					t.ahead, t.lines = &weights[2*size-32*(t.lines-asked)], t.lines-asked
				} else {
					t.lines = 0
				}
			}
		}
	}
}

// heights is how many tiles of each height make rows. With tiles of 12 and 13 those are all but one or two of 8 where that
// leaves none of the low ones, which wait for their own sums.
func (f *winoI8Form) heights(rows int) (counts [6]int) {
	first := 0
	if f.rows[0] == 13 {
		for eights := range 3 {
			if left := rows - 8*eights; left >= 0 && left%12 <= left/12 {
				counts[0], counts[1], counts[2] = left%12, left/12-left%12, eights
				return counts
			}
		}
		first = 1
	}
	for i, h := range f.rows {
		if i >= first && h > 0 {
			counts[i] = rows / h
			rows %= h
		}
	}
	return counts
}
