package kern

// Of more tiles than a few, weights are transformed for all of them at once: a column of six planes, for thirty-two output
// channels and so few input channels that what is made stays in the first-level cache until the products are through, and
// so do the sums of the column. The taps come there while the products before are computed. They lie column by column, as
// the outer columns of planes take one only: panels [3][IC][3][32].

const manyNR = 2 * flyNR // output channels of a panel

// FlyPanel is what divides the output channels of more tiles than a few.
const FlyPanel = manyNR

// winoMany is a column of planes for a panel and some input channels; assembly knows the offsets (see TestWinoManyLayout).
// Distances are in bytes.
type winoMany struct {
	v          *float32 // [6][tiles][flyDepth], of the first tile and input channel
	tile       int      // from one tile of v to the next
	nextV      int      // from behind the last group of a plane to the next plane
	weights    *float32 // [depth][3][32]
	column     int      // to the next column of taps
	depth      int      // input channels: even, 6 at least
	u          *float32 // [depth][6][32]
	m          *float32 // [6][tiles][32]
	nextM      int      // as nextV
	groups     int      // of tiles
	ahead      *float32 // what will be read soon
	step       int      // of ahead, for every two channels of a group
	near       *float32 // weights of the next call, in the first-level cache
	nearColumn int      // as column; 0: of one column only
	nearStep   int      // as step
	scale      *[6]float32
	add        int     // 1: to what is there
	g1, g2     float32 // a row of G' behind a 1
}

// manyDepth is the input channels whose weights are transformed at a time.
func (w *WinogradF32) manyDepth() int {
	if w.Tiles <= 16 {
		return 8
	}
	return flyDepth
}

// manySize is the floats of transformed weights.
func (w *WinogradF32) manySize() int {
	if w.Tiles <= flyFew {
		return 0
	}
	return w.manyDepth() * 6 * manyNR
}

// manyTaps is where a panel's weights for column j from input channel k on are, and how far the next column of taps is.
func (w *WinogradF32) manyTaps(j, k int) (at, column int) {
	column = w.IC * 3 * manyNR
	if at = k * 3 * manyNR; j%5 > 0 {
		return at, column
	}
	return at + j/5*2*column, 0
}

// manySum is the sums of a panel, column by column.
func (w *WinogradF32) manySum(panel, scratch, u, sums []float32, b int) {
	depth, group := w.manyDepth(), w.flyGroup()
	groups := (w.BlockTiles(b) + group - 1) / group
	t := winoMany{tile: 4 * flyDepth, depth: depth, groups: groups, step: (63 + groups) / groups, nearStep: (127 + groups) / groups}
	t.nextV, t.nextM = 4*w.flyPlane()-groups*group*t.tile, 4*(w.flySums()-groups*group*manyNR)
	size := 9 * manyNR * w.IC
	next := panel[min(size, len(panel)-size):]
	for j := range 6 {
		inner := j%5 > 0
		if inner {
			t.g1, t.g2 = flyG[j-1][0], flyG[j-1][1]
		}
		t.scale, t.add = nil, 0
		for k := 0; k < w.IC; k += depth {
			then, near, column := panel, 0, 0
			switch {
			case k+depth < w.IC:
				near, column = w.manyTaps(j, k+depth)
			case j < 5:
				near, column = w.manyTaps(j+1, 0)
			default:
				then = next
			}
			if k+depth == w.IC {
				t.scale = &flyScales[j]
			}
			t.near, t.nearColumn = &then[near], 4*column
			t.ahead = &next[size/6*j+k*9*manyNR/6]
			at, column := w.manyTaps(j, k)
			t.column = 4 * column
			t.transform(inner, panel[at:], u)
			t.rows(group, scratch[k/flyDepth*w.flyChunk()+6*j*w.flyPlane()+k%flyDepth:], u, sums[6*j*w.flySums():])
			t.add = 1
		}
	}
}

// transform sets u.
func (t *winoMany) transform(inner bool, weights, u []float32) {
	if useWinoFlyAVX512 {
		t.weights, t.u = &weights[0], &u[0]
		winoManyTransform(t, inner)
		return
	}
	t.transformGeneric(inner, weights, u)
}

// transformGeneric is the definition of transform.
func (t *winoMany) transformGeneric(inner bool, weights, u []float32) {
	for k := range t.depth {
		for c := range manyNR {
			for p, x := range flyColumn(inner, t.g1, t.g2, weights[3*k*manyNR+c:], manyNR, t.column/4) {
				u[(6*k+p)*manyNR+c] = x
			}
		}
	}
}

// rows multiplies groups of n tiles by what transform has set.
func (t *winoMany) rows(n int, v, u, m []float32) {
	if useWinoFlyAVX512 {
		t.v, t.m = &v[0], &m[0]
		winoManyRows(t, n)
		return
	}
	t.rowsGeneric(n, v, u, m)
}

// rowsGeneric is the definition of rows.
func (t *winoMany) rowsGeneric(n int, v, u, m []float32) {
	tiles := n * t.groups
	for p := range 6 {
		for i := range tiles {
			x := v[(p*(tiles*t.tile+t.nextV)+i*t.tile)/4:]
			to := m[p*(tiles*manyNR+t.nextM/4)+i*manyNR:][:manyNR]
			for c := range to {
				var sum float32
				if t.add != 0 {
					sum = to[c]
				}
				for k := range t.depth {
					sum += x[k] * u[(6*k+p)*manyNR+c]
				}
				if t.scale != nil {
					sum *= t.scale[p]
				}
				to[c] = sum
			}
		}
	}
}
