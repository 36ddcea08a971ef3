package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// Winograd with weights that are transformed while they are multiplied by. Of few tiles the products take less time than
// the transformed weights need to arrive, which are four times the plain ones: these come from memory instead, and are
// transformed in registers, a column of six planes at a time, for four tiles and sixteen output channels.
//
// G is taken without its denominators, which all are of a row or a column: U' = G' g G'ᵀ has small whole coefficients, and
// the sums of a plane are scaled once, when they are complete.

var useWinoFlyAVX512 = cpu.AVX512 && haveAsm

func init() { cpu.Register("winofly/avx512", &useWinoFlyAVX512) }

const (
	flyTiles    = 4  // of a call
	flyNR       = 16 // output channels of a panel
	flyChannels = 32 // input channels at a time: their weights stay in the first-level cache over all columns
)

// winoFly is one column of planes; assembly knows the offsets (see TestWinoFlyLayout). Distances are in bytes.
type winoFly struct {
	v        *float32 // of the column's first plane, the first tile
	vPlane   int      // from one plane to the next
	vTile    int      // from one tile to the next
	weights  *float32 // [channels][9][16]; the third tap for the last column
	channels int      // even
	m        *float32
	mPlane   int
	mTile    int
	ahead    *float32    // what will be read soon: 96 bytes a channel
	scale    *[6]float32 // of the planes, or nil for sums that are not complete
	g1, g2   float32     // a row of G' behind a 1
	add      int         // 1: to what is there
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
	return useWinoFlyAVX512 && useWinoAVX512 && w.M == 4 && w.IC%2 == 0 && w.OC%flyNR == 0 && w.Pairs == nil
}

// WinogradFlyPays says that memory is worth the transforms here: measured on Intel's.
func WinogradFlyPays() bool { return haveAhead }

// fillFly clears the transformed input of the tiles that a block lacks of fours.
func (w *WinogradF32) fillFly(scratch []float32, tiles int) {
	if fill := (-tiles & (flyTiles - 1)) * w.IC; fill > 0 {
		for p := range w.planes() {
			clear(scratch[p*w.stride(w.IC)+tiles*w.IC:][:fill])
		}
	}
}

// flyRows is the rows of a block, rounded up.
func (w *WinogradF32) flyRows(b int) int {
	return (w.BlockTiles(b) + flyTiles - 1) / flyTiles * flyTiles
}

// packFly packs output channels n0 to n0+n: panels [IC][9][16].
func (w *WinogradF32) packFly(dst, weights []float32, n0, n int) {
	for j := 0; j < n; j += flyNR {
		panel := dst[(n0+j)*9*w.IC:][:9*w.IC*flyNR]
		for t := range 9 {
			packColumns(panel[t*flyNR:], weights[j*9*w.IC+t*w.IC:], 9*flyNR, flyNR, w.IC, 9*w.IC)
		}
	}
}

// multiplyFly computes all planes of output channels n0 to n1 of block b.
func (w *WinogradF32) multiplyFly(a *WinogradArgs, scratch []float32, b, n0, n1 int) {
	if n0%flyNR != 0 || n1%flyNR != 0 || n1 > w.OC || len(a.Packed) < w.PackedSize() || len(scratch) < w.ScratchSize() {
		panic("kern: BUG: winograd: range or slice does not match the sizes")
	}
	w.flyColumns(a, scratch, b, n0, n1)
	if a.Bias == nil {
		return
	}
	sums := scratch[w.products()+w.biased()*w.stride(w.OC):]
	for i := range w.BlockTiles(b) {
		row := sums[i*w.OC:][n0:n1]
		for c, x := range a.Bias[n0:n1] {
			row[c] += x
		}
	}
}

// column is what calls for column j of planes have in common.
func (t *winoFly) column(j int) (inner bool) {
	if inner = j%5 > 0; inner {
		t.g1, t.g2 = flyG[j-1][0], flyG[j-1][1]
	}
	return inner
}

// flyTaps is the weights that column j starts from, of channel k and output channel n.
func (w *WinogradF32) flyTaps(a *WinogradArgs, n, k, j int) []float32 {
	return a.Packed[9*(n*w.IC+k*flyNR)+j/5*2*flyNR:]
}

// flyColumns is the products, without a bias.
func (w *WinogradF32) flyColumns(a *WinogradArgs, scratch []float32, b, n0, n1 int) {
	tiles, v, m := w.flyRows(b), w.stride(w.IC), w.stride(w.OC)
	sums := scratch[w.products():]
	t := winoFly{vPlane: 4 * v, vTile: 4 * w.IC, mPlane: 4 * m, mTile: 4 * w.OC}
	for n := n0; n < n1; n += flyNR {
		for k := 0; k < w.IC; k += flyChannels {
			t.channels, t.add = min(flyChannels, w.IC-k), min(k, 1)
			size := 9 * flyNR * t.channels
			block := a.Packed[9*(n*w.IC+k*flyNR):]
			then := block[min(size, len(block)-size):]
			for j := range 6 {
				inner, taps := t.column(j), w.flyTaps(a, n, k, j)
				if t.scale = nil; k+t.channels == w.IC {
					t.scale = &flyScales[j]
				}
				t.ahead = &then[size/6*j]
				for i := 0; i < tiles; i += flyTiles {
					t.run(inner, scratch[6*j*v+i*w.IC+k:], taps, sums[6*j*m+i*w.OC+n:])
				}
			}
		}
	}
}

// run computes a call: v, weights and m are what the pointers point at.
func (t *winoFly) run(inner bool, v, weights, m []float32) {
	if useWinoFlyAVX512 {
		t.v, t.weights, t.m = &v[0], &weights[0], &m[0]
		winoFlyColumn(t, inner)
		return
	}
	t.generic(inner, v, weights, m)
}

// planes is the transformed weights of one input and one output channel.
func (t *winoFly) planes(inner bool, w []float32) [6]float32 {
	var h [3]float32
	for y := range h {
		if h[y] = w[3*y*flyNR]; inner {
			h[y] += float32(t.g2*w[(3*y+2)*flyNR]) + float32(t.g1*w[(3*y+1)*flyNR])
		}
	}
	low, high := h[0]+h[2], h[0]+4*h[2]
	return [6]float32{h[0], low + h[1], low - h[1], high + 2*h[1], high - 2*h[1], h[2]}
}

// generic is the definition of a call; v, weights and m are what the pointers point at.
func (t *winoFly) generic(inner bool, v, weights, m []float32) {
	for i := range flyTiles {
		for c := range flyNR {
			var sum [6]float32
			for k := range t.channels {
				for p, u := range t.planes(inner, weights[9*k*flyNR+c:]) {
					sum[p] += u * v[p*t.vPlane/4+i*t.vTile/4+k]
				}
			}
			for p, s := range sum {
				to := &m[p*t.mPlane/4+i*t.mTile/4+c]
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
