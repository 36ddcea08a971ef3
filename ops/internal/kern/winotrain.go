package kern

// What training by F(4x4, 3x3) needs besides inference's transforms. Weights change at every step, so their transform
// U = G g Gᵀ runs in vectors, a column of six planes at a time: all 36 planes of a large layer would be four times its
// weights. The gradient of the weights follows from y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, which is linear in g:
//
//	dg = Gᵀ [ Σ over tiles (A dy Aᵀ) ⊙ (Bᵀ d B) ] G
//
// where ⊙, summed over tiles, is one product a plane: four times fewer multiplications than summing over positions.

// winoColumns is the number of columns of planes, and the planes of one.
const winoColumns = 6

// winoFilterTile is what a transform of weights is handed; assembly knows the offsets (see TestWinoTrainLayout).
type winoFilterTile struct {
	taps     *float32 // [rows][9][n], with the distances below
	planes   *float32 // [rows][6][n]
	tap      int      // bytes from one tap to the next
	plane    int      // bytes from one plane to the next
	rows     int
	tapRow   int // bytes from one row to the next
	planeRow int
	n        int        // floats of a row
	g        [3]float32 // a row of G
}

// Filter4 says where the weights of a transform and its planes lie, in floats. The first tap is at 0 of the weights
// unless Tap is negative, which turns them round: then it is at -8*Tap.
type Filter4 struct {
	Rows, N          int
	Tap, TapRow      int
	Plane, PlaneRow  int
	Weights, Columns []float32
}

func (f *Filter4) tile(column int) (t winoFilterTile, first int) {
	if f.Tap < 0 {
		first = -8 * f.Tap
	}
	if f.Rows > 0 && f.N > 0 && (len(f.Weights) < (f.Rows-1)*f.TapRow+8*max(f.Tap, -f.Tap)+f.N || len(f.Columns) < (f.Rows-1)*f.PlaneRow+5*f.Plane+f.N) {
		panic("kern: BUG: winograd: weights or planes do not match the sizes")
	}
	t = winoFilterTile{tap: 4 * f.Tap, plane: 4 * f.Plane, rows: f.Rows, tapRow: 4 * f.TapRow, planeRow: 4 * f.PlaneRow, n: f.N}
	for k := range t.g {
		t.g[k] = winoGAt(column, k)
	}
	return t, first
}

// winoGAt is an element of G.
func winoGAt(row, column int) float32 {
	unit := [3]float32{}
	unit[column] = 1
	return winoG(4, unit[0], unit[1], unit[2])[row]
}

// Transform sets the six planes of a column of G g Gᵀ.
func (f *Filter4) Transform(column int) {
	t, first := f.tile(column)
	if f.Rows <= 0 || f.N <= 0 {
		return
	}
	if !useWinoAVX512 && !useWinoAVX2 {
		winoFilterGeneric(f, &t.g, first)
		return
	}
	t.taps, t.planes = &f.Weights[first], &f.Columns[0]
	winoFilter(&t)
}

// Gather adds what a column of planes has of Gᵀ C G to the nine taps.
func (f *Filter4) Gather(column int) {
	t, first := f.tile(column)
	if f.Rows <= 0 || f.N <= 0 {
		return
	}
	if !useWinoAVX512 && !useWinoAVX2 {
		winoGatherGeneric(f, &t.g, first)
		return
	}
	t.taps, t.planes = &f.Weights[first], &f.Columns[0]
	winoGather(&t)
}

// winoFilterGeneric is the definition of Transform.
func winoFilterGeneric(f *Filter4, g *[3]float32, first int) {
	for r := range f.Rows {
		for c := range f.N {
			at := first + r*f.TapRow + c
			var t [3]float32
			for ky := range t {
				for kx, s := range g {
					t[ky] += s * f.Weights[at+(3*ky+kx)*f.Tap]
				}
			}
			to := f.Columns[r*f.PlaneRow+c:]
			even, odd := (t[0]+t[2])*(1./6), t[1]*(1./6)
			to[0], to[f.Plane], to[2*f.Plane] = t[0]*(1./4), -(even + odd), odd-even
			even, odd = t[0]*(1./24)+t[2]*(1./6), t[1]*(1./12)
			to[3*f.Plane], to[4*f.Plane], to[5*f.Plane] = even+odd, even-odd, t[2]
		}
	}
}

// winoGatherGeneric is the definition of Gather.
func winoGatherGeneric(f *Filter4, g *[3]float32, first int) {
	for r := range f.Rows {
		for c := range f.N {
			p := f.Columns[r*f.PlaneRow+c:]
			c1, c2, c3, c4 := p[f.Plane], p[2*f.Plane], p[3*f.Plane], p[4*f.Plane]
			low := (c1 + c2) * (1. / 6)
			t := [3]float32{
				p[0]*(1./4) - low + (c3+c4)*(1./24),
				(c2-c1)*(1./6) + (c3-c4)*(1./12),
				p[5*f.Plane] - low + (c3+c4)*(1./6),
			}
			at := first + r*f.TapRow + c
			for ky, v := range t {
				for kx, s := range g {
					f.Weights[at+(3*ky+kx)*f.Tap] += s * v
				}
			}
		}
	}
}

// Spread transforms tiles i0 to i1 of block b of the gradient of the output, d [N][OH][OW][OC]: planes of D = A dy Aᵀ, the
// i-th tile of plane p at planes[p*stride+i*pitch].
func (w *WinogradF32) Spread(d, planes []float32, stride, pitch, b, i0, i1 int) {
	if i0 >= i1 {
		return
	}
	if w.M != 4 || w.OC > MaxTap || len(d) < w.N*w.OH*w.OW*w.OC || pitch < w.OC || len(planes) < 35*stride+(i1-1)*pitch+w.OC {
		panic("kern: BUG: winograd: gradient or planes do not match the sizes")
	}
	var offs [16]int32
	t := winoTile{offsets: &offs[0], spare: &zeroRow[0], stride: 4 * stride, channels: w.OC}
	inside := -1
	img, ty, tx := w.place(b*w.Tiles + i0)
	for i := i0; i < i1; i++ {
		y, x := ty*4, tx*4
		from, to := d[img*w.OH*w.OW*w.OC:], planes[i*pitch:]
		if y+4 <= w.OH && x+4 <= w.OW {
			if from = from[(y*w.OW+x)*w.OC:]; inside != 1 {
				inside = 1
				for at := range offs {
					offs[at] = int32((at/4*w.OW + at%4) * w.OC)
				}
			}
		} else {
			inside = 0
			for at := range offs {
				offs[at] = -1
				if r, c := y+at/4, x+at%4; r < w.OH && c < w.OW {
					offs[at] = int32((r*w.OW + c) * w.OC)
				}
			}
		}
		if useWinoAVX512 || useWinoAVX2 {
			t.base, t.planes = &from[0], &to[0]
			winoSpread(&t)
		} else {
			winoSpreadGeneric(from, &offs, to, stride, w.OC)
		}
		img, ty, tx = w.following(img, ty, tx)
	}
}

// winoSpreadGeneric is the definition of the transform of one tile: channel by channel, rows then columns.
func winoSpreadGeneric(d []float32, offs *[16]int32, planes []float32, stride, channels int) {
	for c := range channels {
		var rows [4][6]float32
		for i := range rows {
			var y [4]float32
			for j := range y {
				if o := offs[4*i+j]; o >= 0 {
					y[j] = d[int(o)+c]
				}
			}
			rows[i] = winoA(y)
		}
		for j := range 6 {
			for i, v := range winoA([4]float32{rows[0][j], rows[1][j], rows[2][j], rows[3][j]}) {
				planes[(6*j+i)*stride+c] = v
			}
		}
	}
}

// winoA multiplies by A.
func winoA(y [4]float32) [6]float32 {
	even, odd := y[0]+y[2], y[1]+y[3]
	even2, odd2 := y[0]+4*y[2], y[1]+4*y[3]
	return [6]float32{y[0], even + odd, even - odd, even2 + 2*odd2, even2 - 2*odd2, y[3]}
}

// MultiplyPlane computes columns n0 to n1 of plane p of block b with that plane's packed weights,
// and bias where it belongs.
func (w *WinogradF32) MultiplyPlane(packed, bias, scratch []float32, b, p, n0, n1 int) {
	g := GemmF32Args{
		A: scratch[p*w.stride(w.IC):], LDA: w.IC, Taps: 1, KC: w.IC, B: packed, N: w.OC,
		C: scratch[w.planes()*w.stride(w.IC)+p*w.stride(w.OC):], LDC: w.OC, Min: negInf, Max: posInf,
	}
	if p == w.biased() {
		g.Bias = bias
	}
	if !w.Gemm.runRows(&g, w.BlockTiles(b), n0, n1) {
		w.Gemm.Run(&g, 0, w.BlockTiles(b), n0, n1)
	}
}

// GradPlane computes rows m0 to m1 of plane p of the weights' gradient before its transform, [OC][IC], from block b: of
// the scratch, Input has filled the part that is transformed input and SpreadBlock the rest. C starts with row m0.
func (w *WinogradF32) GradPlane(c, scratch []float32, b, p, m0, m1 int, accumulate bool) {
	g := GemmTNArgs{
		A: scratch[w.planes()*w.stride(w.IC)+p*w.stride(w.OC)+m0:], LDA: w.OC, M: m1 - m0,
		B: scratch[p*w.stride(w.IC):], LDB: w.IC, N: w.IC, K: w.BlockTiles(b), C: c, LDC: w.IC, Accumulate: accumulate,
	}
	g.Run(0, m1-m0, 0, w.IC)
}

// SpreadBlock is Spread into the block's scratch, where otherwise products go.
func (w *WinogradF32) SpreadBlock(d, scratch []float32, b, i0, i1 int) {
	w.Spread(d, scratch[w.planes()*w.stride(w.IC):], w.stride(w.OC), w.OC, b, i0, i1)
}
