package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// Winograd with weights that are transformed while they are multiplied by. Of few tiles the products take less time than
// the transformed weights need to arrive, which are four times the plain ones: these come from memory instead, and are
// transformed in registers, a column of six planes at a time, for four tiles and sixteen output channels. See winoMany for
// more tiles.
//
// All that a panel of output channels works with lies together: the transformed input by 32 channels,
// [IC/32][36][tiles][32], and the sums of one panel, [36][tiles][panel], which are transformed back at once.
//
// G is taken without its denominators, which all are of a row or a column: U' = G' g G'ᵀ has small whole coefficients, and
// the sums of a plane are scaled once, when they are complete.

var (
	useWinoFlyAVX512 = cpu.AVX512 && haveAsm
	winoFlyPays      = useWinoFlyAVX512 // without being asked for
	winoManyPays     = useWinoFlyAVX512 // with more tiles than a few, too
)

func init() {
	cpu.Register("winofly/avx512", &useWinoFlyAVX512)
	cpu.RegisterFor("winoflypays/avx512", &winoFlyPays, cpu.Intel, cpu.Zen4, cpu.Zen5)
	cpu.RegisterFor("winomanypays/avx512", &winoManyPays, cpu.Intel)
}

const (
	flyNR    = 16 // output channels of a panel
	flyDepth = 32 // input channels of a call
	flyTiles = 4  // of a call
	flyFew   = 8  // tiles up to which weights are transformed in registers
)

// winoFly is one column of planes; assembly knows the offsets (see TestWinoFlyLayout). Distances are in bytes.
type winoFly struct {
	v       *float32    // [6][tiles][32], of the first tile
	vPlane  int         // from one plane to the next
	weights *float32    // [32][9][16]; the third tap for the last column
	m       *float32    // [6][tiles][16]
	mPlane  int         // from one plane to the next
	ahead   *float32    // what will be read soon: 3 KiB
	scale   *[6]float32 // of the planes, or nil for sums that are not complete
	g1, g2  float32     // a row of G' behind a 1
	add     int         // 1: to what is there
}

// flyG is the rows 1 to 4 of G', which start with 1, and flyScales what U' lacks of U.
var flyG = [4][2]float32{{1, 1}, {-1, 1}, {2, 4}, {-2, 4}}

var flyScales = func() (s [6][6]float32) {
	one := [6]float64{1. / 4, -1. / 6, -1. / 6, 1. / 24, 1. / 24, 1}
	for j := range s {
		for i := range s {
			s[j][i] = float32(one[i] * one[j])
		}
	}
	return s
}()

// CanFly says that the weights may be transformed while they are used.
func (w *WinogradF32) CanFly() bool {
	return useWinoFlyAVX512 && useWinoAVX512 && w.M == 4 && w.IC%flyDepth == 0 && w.OC%flyNR == 0 && (w.Tiles <= flyFew || w.OC%manyNR == 0) && w.Pairs == nil
}

// WinogradFlyPays says that memory is worth the transforms of a block of so many tiles here.
func WinogradFlyPays(tiles int) bool { return winoFlyPays && (tiles <= flyFew || winoManyPays) }

// flyPlane is the floats from one plane of V to the next, flyChunk those from 32 channels to the next, flySums those from
// one plane of sums to the next: odd numbers of lines, as in stride.
func (w *WinogradF32) flyPlane() int { return w.Tiles*flyDepth + 16 }
func (w *WinogradF32) flyChunk() int { return w.planes() * w.flyPlane() }

func (w *WinogradF32) flySums() int { return (w.Tiles*w.flyPanel()/flyNR | 1) * flyNR }

// flyPanel is the output channels of a panel, flyProduct those that are computed together, and flyGroup the tiles.
func (w *WinogradF32) flyPanel() int {
	if w.Tiles > flyFew {
		return manyNR
	}
	return flyNR
}

func (w *WinogradF32) flyProduct() int { return w.flyPanel() * w.manyPanels() }

func (w *WinogradF32) flyGroup() int {
	if w.Tiles > flyFew {
		return manyTiles
	}
	return flyTiles
}

// FlyName names the layout of the weights.
func (w *WinogradF32) FlyName() string {
	if w.Tiles > flyFew {
		return "fly32/"
	}
	return "fly/"
}

// FlySize is the floats that each worker needs for itself, as Form.
func (w *WinogradF32) FlySize() int {
	if !w.Fly {
		return 0
	}
	return w.flyProduct()/w.flyPanel()*w.planes()*w.flySums() + w.manySize()
}

// fillFly clears the transformed input of the tiles that a block lacks of groups.
func (w *WinogradF32) fillFly(scratch []float32, tiles int) {
	group := w.flyGroup()
	if fill := (tiles+group-1)/group*group - tiles; fill > 0 {
		for p := range w.planes() * w.IC / flyDepth {
			clear(scratch[p*w.flyPlane()+tiles*flyDepth:][:fill*flyDepth])
		}
	}
}

// packFly packs output channels n0 to n0+n: panels [IC][9][16], or [3][IC][3][32].
func (w *WinogradF32) packFly(dst, weights []float32, n0, n int) {
	nr, row, pixel, column := flyNR, 3*flyNR, 9*flyNR, flyNR
	if w.Tiles > flyFew {
		nr, row, pixel, column = manyNR, manyNR, 3*manyNR, w.IC*3*manyNR
	}
	for j := 0; j < n; j += nr {
		panel := dst[(n0+j)*9*w.IC:][:9*w.IC*nr]
		for t := range 9 {
			packColumns(panel[t/3*row+t%3*column:], weights[j*9*w.IC+t*w.IC:], pixel, nr, w.IC, 9*w.IC)
		}
	}
}

// multiplyFly computes output channels n0 to n1 of block b, all that follows the input's transform.
func (w *WinogradF32) multiplyFly(a *WinogradArgs, scratch []float32, b, n0, n1 int) {
	nr, per := w.flyPanel(), w.flyProduct()
	if n0%per != 0 || n1%per != 0 || n1 > w.OC || len(a.Packed) < w.PackedSize() || len(scratch) < w.ScratchSize() || len(a.Form) < w.FlySize() {
		panic("kern: BUG: winograd: range or slice does not match the sizes")
	}
	w.checkOutput(a)
	sums, each := a.Form[w.manySize():], w.planes()*w.flySums()
	for ; n0 < n1; n0 += per {
		if w.Tiles > flyFew {
			w.multiplyMany(a.Packed, scratch, a.Form, sums, b, n0)
		} else {
			w.flySum(a.Packed[9*n0*w.IC:], scratch, sums, b)
		}
		for n := n0; n < n0+per; n += nr {
			m := sums[(n-n0)/nr*each:]
			for i := 0; i < w.BlockTiles(b) && a.Bias != nil; i++ {
				row := m[w.biased()*w.flySums()+i*nr:][:nr]
				for c, x := range a.Bias[n:][:nr] {
					row[c] += x
				}
			}
			w.outputStrips(a, m, b, 0, w.BlockTiles(b), n, n+nr)
		}
	}
}

// flySum is the sums of a panel, whose weights pass once: all columns of 32 channels after the other.
func (w *WinogradF32) flySum(panel, scratch, sums []float32, b int) {
	const size = 9 * flyNR * flyDepth
	t := winoFly{vPlane: 4 * w.flyPlane(), mPlane: 4 * w.flySums()}
	for k := 0; k < w.IC; k += flyDepth {
		taps := panel[9*k*flyNR:]
		then := taps[min(size, len(taps)-size):]
		for j := range 6 {
			if t.scale = nil; k+flyDepth == w.IC {
				t.scale = &flyScales[j]
			}
			t.ahead = &then[size/6*j]
			inner := t.column(j)
			for i := 0; i < w.BlockTiles(b); i += flyTiles {
				t.run(inner, scratch[k/flyDepth*w.flyChunk()+6*j*w.flyPlane()+i*flyDepth:], taps[j/5*2*flyNR:], sums[6*j*w.flySums()+i*flyNR:])
			}
		}
		t.add = 1
	}
}

// column is what calls for column j have in common. The outer ones take one tap of a row as it is.
func (t *winoFly) column(j int) (inner bool) {
	if inner = j%5 > 0; inner {
		t.g1, t.g2 = flyG[j-1][0], flyG[j-1][1]
	}
	return inner
}

// run multiplies four tiles by a column of planes. v, weights and m are what the pointers are to point at.
func (t *winoFly) run(inner bool, v, weights, m []float32) {
	if useWinoFlyAVX512 {
		t.v, t.weights, t.m = &v[0], &weights[0], &m[0]
		winoFlyFour(t, inner)
		return
	}
	t.generic(inner, v, weights, m)
}

// flyColumn is a column of planes for one input and output channel, of weights whose rows and columns of taps are so many
// floats apart.
func flyColumn(inner bool, g1, g2 float32, w []float32, row, column int) [6]float32 {
	var h [3]float32
	for y := range h {
		if h[y] = w[y*row]; inner {
			h[y] += float32(g2*w[y*row+2*column]) + float32(g1*w[y*row+column])
		}
	}
	low, high := h[0]+h[2], h[0]+4*h[2]
	return [6]float32{h[0], low + h[1], low - h[1], high + 2*h[1], high - 2*h[1], h[2]}
}

// generic is the definition of run.
func (t *winoFly) generic(inner bool, v, weights, m []float32) {
	for i := range flyTiles {
		for c := range flyNR {
			var sum [6]float32
			for k := range flyDepth {
				for p, u := range flyColumn(inner, t.g1, t.g2, weights[9*k*flyNR+c:], 3*flyNR, flyNR) {
					sum[p] += u * v[p*t.vPlane/4+i*flyDepth+k]
				}
			}
			for p, s := range sum {
				to := &m[p*t.mPlane/4+i*flyNR+c]
				if t.add != 0 {
					s += *to
				}
				if t.scale != nil {
					s *= t.scale[p]
				}
				*to = s
			}
		}
	}
}
