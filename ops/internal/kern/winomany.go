package kern

// Of more tiles than a few, weights are transformed for all of them at once: a column of six planes, for thirty-two output
// channels and so few input channels that what is made stays in the first-level cache until the products are through, and
// so do the sums of the column. The taps come there while the products before are computed. They lie column by column, as
// the outer columns of planes take one only: panels [3][IC][3][32].

const (
	manyNR    = 2 * flyNR // output channels of a panel
	manyTiles = 8         // of a group
)

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

// manyTaps is where a panel's weights for column j from input channel k on are, and how many bytes behind the next column of
// taps is; they are nowhere for a column behind the last.
func (w *WinogradF32) manyTaps(j, k int) (at, column int) {
	column = w.IC * 3 * manyNR
	switch at = k * 3 * manyNR; j {
	case 0:
		return at, 0
	case 5:
		return at + 2*column, 0
	case 6:
		return -1, 0
	}
	return at, 4 * column
}

// manyFar is the bytes of transformed input that stay in a second-level cache from one panel to the next, beside two
// panels' weights.
const manyFar = 1 << 20

// manyPanels is the panels of a product, manyPiece the input channels that these take one after the other, where all
// channels are too many for the cache.
//
//go:noinline
func (w *WinogradF32) manyPanels() int {
	if w.Tiles > flyFew && w.manyPiece() < w.IC && w.OC%(4*manyNR) == 0 {
		return 4
	}
	return 1
}

func (w *WinogradF32) manyPiece() int {
	pieces := (4*w.ScratchSize() + manyFar - 1) / manyFar
	return (w.IC + pieces*flyDepth - 1) / (pieces * flyDepth) * flyDepth
}

// multiplyMany is the sums of manyPanels panels from output channel n on.
func (w *WinogradF32) multiplyMany(packed, scratch, u, sums []float32, b, n int) {
	size, each := 9*w.IC*manyNR, w.planes()*w.flySums()
	panels, piece := w.manyPanels(), w.manyPiece()
	for k := 0; k < w.IC; k += piece {
		for i := range panels {
			then, from := n/manyNR+i+1, k // panel and input channel of what follows
			if i+1 == panels {
				if from += piece; from < w.IC {
					then -= panels
				} else {
					from = 0
				}
			}
			next := packed[min(then, w.OC/manyNR-1)*size+from*3*manyNR:]
			w.manySum(packed[(n/manyNR+i)*size:], next, scratch, u, sums[i*each:], b, k, min(w.IC, k+piece))
		}
	}
}

// manySum is the sums of a panel's input channels k0 to k1, column by column. next is the weights that follow.
func (w *WinogradF32) manySum(panel, next, scratch, u, sums []float32, b, k0, k1 int) {
	depth := w.manyDepth()
	t := winoMany{tile: 4 * flyDepth, depth: depth, groups: (w.BlockTiles(b) + manyTiles - 1) / manyTiles}
	t.step, t.nearStep = (63+t.groups)/t.groups, (127+t.groups)/t.groups
	t.nextV, t.nextM = 4*w.flyPlane()-t.groups*manyTiles*t.tile, 4*(w.flySums()-t.groups*manyTiles*manyNR)
	at, column := w.manyTaps(0, k0)
	for j := range 6 {
		inner := j%5 > 0
		if inner {
			t.g1, t.g2 = flyG[j-1][0], flyG[j-1][1]
		}
		t.scale, t.add = nil, min(k0, 1)
		for k := k0; k < k1; k += depth {
			if k+depth == w.IC {
				t.scale = &flyScales[j]
			}
			weights := panel[at:]
			t.column = column
			if k+depth < k1 {
				at, column = w.manyTaps(j, k+depth)
			} else {
				at, column = w.manyTaps(j+1, k0)
			}
			if t.near, t.nearColumn = &next[0], 0; at >= 0 {
				t.near, t.nearColumn = &panel[at], column
			}
			t.ahead = &next[j/2*w.IC*3*manyNR+(j%2*(k1-k0)+k-k0)*3*manyNR/2]
			t.transform(inner, weights, u)
			t.rows(scratch[k/flyDepth*w.flyChunk()+6*j*w.flyPlane()+k%flyDepth:], u, sums[6*j*w.flySums():])
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

// rows multiplies groups of tiles by what transform has set.
func (t *winoMany) rows(v, u, m []float32) {
	if useWinoFlyAVX512 {
		t.v, t.m = &v[0], &m[0]
		winoManyRows(t)
		return
	}
	t.rowsGeneric(v, u, m)
}

// rowsGeneric is the definition of rows.
func (t *winoMany) rowsGeneric(v, u, m []float32) {
	tiles := manyTiles * t.groups
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
