package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// 3x3 convolutions of stride 2 by minimal filtering. In one dimension two outputs are two products of the odd pixels by the
// middle tap, and F(2, 2) of the even ones by the outer taps (Winograd 1980), five products instead of six:
//
//	y0 = (x0 - x2) w0 + x1 w1 + x2 (w0 + w2)
//	y1 = x2 (w0 + w2) + x3 w1 + (x4 - x2) w2
//
// In two, 25 instead of 36. All is sums and differences, so it rounds like a direct product. The products of a tile are nine
// planes of sums, (y0's own, what both have, y1's own) of rows by those of columns, of one, two or four times the channels:
// what belongs to one plane lies together in a tile's row, and in the weights, where planes overlap: 19 sums of taps.

var (
	usePhaseAVX512 = cpu.AVX512 && haveAsm
	usePhaseAVX2   = cpu.AVX2 && haveAsm
	phasePays      = usePhaseAVX512 // without being asked for
	phasePaysAVX2  = usePhaseAVX2
)

func init() {
	cpu.Register("winophase/avx512", &usePhaseAVX512)
	cpu.Register("winophase/avx2", &usePhaseAVX2)
	cpu.RegisterFor("winophasepays/avx512", &phasePays, cpu.Intel)
	cpu.RegisterFor("winophasepays/avx2", &phasePaysAVX2, cpu.Zen3)
}

// PhaseF32 is a 3x3 convolution of stride 2 and dilation 1, prepared. Fill the first group of fields, call Plan.
type PhaseF32 struct {
	N, H, W, IC int // input [N][H][W][IC]
	OH, OW, OC  int
	PT, PL      int // padding above and to the left
	OutPixel    int // floats from one pixel to the next, at least OC
	Gemm        *GemmF32
	Tiles       int // tiles of a block; 0: Plan chooses
	tilesY      int
	tilesX      int
	row         int // floats of a transformed tile
}

const (
	phaseTile   = 2
	phaseSide   = 5                     // pixels of a tile on a side
	phaseValues = phaseSide * phaseSide // pixels of a transformed tile
	phasePlanes = 9
	phaseSums   = 19 // of taps
)

// phasePlane is what a plane of sums is of, in channels: values of a tile's row, and sums of taps of its group. Plane j·3+i is
// row i and column j.
type phasePlane struct{ plane, value, chunk, depth int }

// phaseGroups is the planes that share sums of taps, how many other sums lie before these, and these: rows 0 to 2, or 3 for the
// sum of the outer two, by columns.
var phaseGroups = [...]struct {
	planes []phasePlane
	before int
	taps   [][2]int
}{
	{[]phasePlane{{3, 4, 0, 2}, {5, 19, 1, 2}}, 0, [][2]int{{0, 3}, {1, 3}, {2, 3}}},
	{[]phasePlane{{1, 10, 0, 2}, {7, 13, 1, 2}}, 3, [][2]int{{3, 0}, {3, 1}, {3, 2}}},
	{[]phasePlane{{4, 12, 0, 1}}, 6, [][2]int{{3, 3}}},
	{[]phasePlane{{0, 0, 0, 4}, {6, 6, 2, 4}}, 7, [][2]int{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 2}}},
	{[]phasePlane{{2, 15, 0, 4}, {8, 21, 2, 4}}, 13, [][2]int{{1, 0}, {2, 0}, {1, 1}, {2, 1}, {1, 2}, {2, 2}}},
}

// A block has phaseTiles, that weights may come from memory as fast as they are multiplied by, or as many as take phaseBudget
// bytes. phaseAhead is how many sums of taps are asked for at most ahead of their products.
const phaseTiles, phaseBudget, phaseAhead = 48, 320 << 10, 8

// Plan completes w.
func (w *PhaseF32) Plan() {
	if w.Gemm == nil {
		w.Gemm = SelectGemmF32()
	}
	w.tilesY, w.tilesX = (w.OH+phaseTile-1)/phaseTile, (w.OW+phaseTile-1)/phaseTile
	w.row = (phaseValues*w.IC + 15) / 16
	w.row = 16 * (w.row | 1) // an odd number of lines, as in WinogradF32's stride
	if w.Tiles <= 0 {
		blocks := max(1, w.Total()/max(phaseTiles, phaseBudget/(4*w.row)))
		w.Tiles = (w.Total() + blocks - 1) / blocks
	}
	w.Tiles = max(1, min(w.Tiles, w.Total()))
}

// Worthwhile reports whether it is likely to be faster than a direct product: measured on Intel's by AVX-512 and on Zen 3, where tiles do not reach far
// over the edges and are many for their weights.
func (w *PhaseF32) Worthwhile() bool {
	products, pays := phaseValues*w.tilesY*w.tilesX, phasePays
	if !usePhaseAVX512 {
		pays = phasePaysAVX2
	}
	return pays && min(w.IC, w.OC) >= 64 && w.Total() >= 36 && 13*products <= 10*9*w.OH*w.OW
}

// PhaseFast says that there is assembly for all of it.
func PhaseFast() bool {
	return usePhaseAVX512 && useGemmAVX512 || usePhaseAVX2 && useGemmAVX2 && !useGemmAVX512
}

// Total is the number of tiles in the whole batch, Blocks that of blocks, BlockTiles that of tiles in block b.
func (w *PhaseF32) Total() int { return w.N * w.tilesY * w.tilesX }

func (w *PhaseF32) Blocks() int { return (w.Total() + w.Tiles - 1) / w.Tiles }

func (w *PhaseF32) BlockTiles(b int) int { return min(w.Tiles, w.Total()-b*w.Tiles) }

// PackedSize is the length of the packed weights in floats: group by group, panels of [sum of taps][IC][columns].
func (w *PhaseF32) PackedSize() int { return w.Gemm.PackedSize(w.OC, phaseSums*w.IC) }

// groupAt is where the packed weights of a group start.
func (w *PhaseF32) groupAt(group int) int {
	return w.Gemm.PackedSize(w.OC, phaseGroups[group].before*w.IC)
}

// InputSize is the floats of a block's transformed input, SumsSize those of its sums for n output channels.
func (w *PhaseF32) InputSize() int     { return w.Tiles * w.row }
func (w *PhaseF32) SumsSize(n int) int { return phasePlanes * w.plane(n) }

// plane is the floats from one plane of n channels to the next: an odd number of lines.
func (w *PhaseF32) plane(n int) int { return 16 * ((w.Tiles*n+15)/16 | 1) }

// Pack packs the weights of n output channels from n0, [n][3][3][IC]. n0 is a multiple of the product's NR, and n is NR
// unless they are the last. Ranges may be packed at the same time.
func (w *PhaseF32) Pack(dst, weights []float32, n0, n int) {
	columns := w.Gemm.packedColumns(w.OC)
	width := min(w.Gemm.NR, columns-n0)
	var singles [3][3][]float32
	for g := range phaseGroups {
		taps := phaseGroups[g].taps
		at := w.groupAt(g) + n0*len(taps)*w.IC
		for i, t := range taps {
			to := dst[at+i*w.IC*width:][:w.IC*width]
			if max(t[0], t[1]) < 3 {
				clear(to)
				packColumns(to, weights[(3*t[0]+t[1])*w.IC:], width, n, w.IC, 9*w.IC)
				singles[t[0]][t[1]] = to
			}
		}
	}
	for g := range phaseGroups {
		taps := phaseGroups[g].taps
		for i, t := range taps {
			to := dst[w.groupAt(g)+n0*len(taps)*w.IC+i*w.IC*width:][:w.IC*width]
			switch {
			case t == [2]int{3, 3}:
				phaseSum(to, singles[0][0], singles[2][0])
				phaseSum(to, to, singles[0][2])
				phaseSum(to, to, singles[2][2])
			case t[0] == 3:
				phaseSum(to, singles[0][t[1]], singles[2][t[1]])
			case t[1] == 3:
				phaseSum(to, singles[t[0]][0], singles[t[0]][2])
			}
		}
	}
}

func phaseSum(to, a, b []float32) {
	for i := range to {
		to[i] = a[i] + b[i]
	}
}

// Input transforms tiles i0 to i1 of block b into v, a block's.
func (w *PhaseF32) Input(a *WinogradArgs, v []float32, b, i0, i1 int) {
	if phaseSide*w.IC > MaxTap || len(v) < w.InputSize() || len(a.In) < w.N*w.H*w.W*w.IC {
		panic("kern: BUG: phases: input or scratch does not match the sizes")
	}
	const step = 2 * phaseTile
	t := winoStrip{spare: &zeroRow[0], stride: 4 * w.IC, channels: w.IC, pitch: 4 * w.row, step: 4 * step * w.IC, pixel: 4 * w.IC}
	var offs [phaseValues]int32
	one := winoTile{offsets: &offs[0], spare: &zeroRow[0], stride: 4 * w.IC, channels: w.IC}
	for i := i0; i < i1; i += t.count {
		img, ty, tx := w.place(b*w.Tiles + i)
		y, x := step*ty-w.PT, step*tx-w.PL
		in, to := a.In[img*w.H*w.W*w.IC:][:w.H*w.W*w.IC], v[i*w.row:]
		t.count = 1
		if !usePhaseAVX512 {
			if !usePhaseAVX2 || w.IC < winoVector {
				w.inputGeneric(in, to, y, x)
				continue
			}
			w.offsets(&offs, y, x)
			one.base, one.planes = &in[0], &to[0]
			winoPhaseInputTile(&one)
			continue
		}
		for r := range phaseSide {
			t.rows[r] = winoRow(y+r, x, w.H, w.W, w.IC)
		}
		if t.mask(phaseSide, x, w.W) {
			t.count = min(i1-i, w.tilesX-tx, (w.W-phaseSide-x)/step+1)
		}
		t.base, t.planes = &in[0], &to[0]
		winoPhaseInput(&t)
	}
}

// offsets is where the pixels of the tile are whose first one is (y, x), negative outside the image.
func (w *PhaseF32) offsets(offs *[phaseValues]int32, y, x int) {
	for r := range phaseSide {
		at := int32(((y+r)*w.W + x) * w.IC)
		for c := range phaseSide {
			if offs[phaseSide*r+c] = at; uint(y+r) >= uint(w.H) || uint(x+c) >= uint(w.W) {
				offs[phaseSide*r+c] = -1
			}
			at += int32(w.IC)
		}
	}
}

// place is the image, row and column of a tile.
func (w *PhaseF32) place(tile int) (img, y, x int) {
	return tile / (w.tilesY * w.tilesX), tile / w.tilesX % w.tilesY, tile % w.tilesX
}

// inputGeneric is the definition of the input's transform: of the tile whose first pixel is (y, x).
func (w *PhaseF32) inputGeneric(in, v []float32, y, x int) {
	for c := range w.IC {
		var d [phaseSide][phaseSide]float32
		for i := range d {
			for j := range d {
				if uint(y+i) < uint(w.H) && uint(x+j) < uint(w.W) {
					d[i][j] = in[((y+i)*w.W+x+j)*w.IC+c]
				}
			}
			d[i][0] -= d[i][2]
			d[i][4] -= d[i][2]
		}
		for j := range d {
			d[0][j] -= d[2][j]
			d[4][j] -= d[2][j]
			v[2*j*w.IC+c], v[(2*j+1)*w.IC+c] = d[0][j], d[1][j]
			v[(10+j)*w.IC+c] = d[2][j]
			v[(15+2*j)*w.IC+c], v[(16+2*j)*w.IC+c] = d[3][j], d[4][j]
		}
	}
}

// Columns computes output channels n0 to n1 of block b, whose transformed input is v; sums is room of SumsSize of so many. n0
// is a multiple of the product's NR, and n1 too unless it is OC.
func (w *PhaseF32) Columns(a *WinogradArgs, v, sums []float32, b, n0, n1 int) {
	nr := w.Gemm.NR
	if n0%nr != 0 || n1%nr != 0 && n1 != w.OC || n1 > w.OC || len(v) < w.InputSize() || len(sums) < w.SumsSize(n1-n0) || len(a.Packed) < w.PackedSize() ||
		a.Bias != nil && len(a.Bias) < w.OC || len(a.Out) < (w.N*w.OH*w.OW-1)*w.OutPixel+w.OC {
		panic("kern: BUG: phases: range or slice does not match the sizes")
	}
	asked := 0
	for g := range phaseGroups {
		for n := n0; n < n1; n += nr {
			for i := range phaseGroups[g].planes {
				asked = w.product(a, g, i, v, sums, w.BlockTiles(b), n, n0, n1, asked)
			}
		}
	}
	w.output(a, sums, b, n0, n1)
}

// product is plane i of group g, of a panel of columns from n on. Weights up to asked were asked for; it returns up to where
// they are then.
func (w *PhaseF32) product(a *WinogradArgs, group, i int, v, sums []float32, rows, n, n0, n1, asked int) int {
	g, columns := w.Gemm, w.Gemm.packedColumns(w.OC)
	last := n1
	n1 = min(n1, n+g.NR)
	width := min(g.NR, columns-n)
	p, taps := phaseGroups[group].planes[i], phaseGroups[group].taps
	k := p.depth * w.IC
	at := w.groupAt(group) + n*len(taps)*w.IC + p.chunk*w.IC*width
	one := GemmF32Args{A: v[p.value*w.IC:], LDA: w.row, Taps: 1, KC: k, B: a.Packed[at:], N: n1 - n, C: sums[p.plane*w.plane(last-n0)+n-n0:], LDC: last - n0, Min: negInf, Max: posInf}
	if p.depth == 1 && a.Bias != nil { // every result has it once
		one.Bias = a.Bias[n:]
	}
	if !g.AheadPays() {
		g.Run(&one, 0, rows, 0, n1-n)
		return asked
	}
	one.check(g, 0, rows, 0, n1-n)
	var direct [16]int32
	t := one.tile(g, &direct)
	cut := evenTiles(g.MR, rows)
	end := at + k*width
	from := min(max(asked, end), end+phaseAhead*w.IC*width)
	g.panelsAhead(&one, &t, &cut, 0, (rows+g.MR-1)/g.MR, 0, 0, rows, 0, n1-n, a.Packed[min(from, len(a.Packed)):], asked > at)
	return from + k*width
}

// output brings the planes of output channels n0 to n1 back.
func (w *PhaseF32) output(a *WinogradArgs, sums []float32, b, n0, n1 int) {
	wide := n1 - n0
	t := winoStrip{stride: 4 * w.plane(wide), channels: wide, pitch: 4 * wide, step: 4 * phaseTile * w.OutPixel, pixel: 4 * w.OutPixel,
		min: a.Min, max: a.Max}
	offs := [phaseTile * phaseTile]int32{0, int32(w.OutPixel), int32(w.OW * w.OutPixel), int32((w.OW + 1) * w.OutPixel)}
	one := winoTile{offsets: &offs[0], stride: t.stride, channels: wide, min: a.Min, max: a.Max}
	for i := 0; i < w.BlockTiles(b); i += t.count {
		img, ty, tx := w.place(b*w.Tiles + i)
		y, x := ty*phaseTile, tx*phaseTile
		out, from := a.Out[img*w.OH*w.OW*w.OutPixel+n0:], sums[i*wide:]
		t.count = 1
		if !usePhaseAVX512 {
			if !usePhaseAVX2 || wide < winoVector || y+phaseTile > w.OH || x+phaseTile > w.OW {
				w.outputGeneric(a, out, from, y, x, wide)
				continue
			}
			one.base, one.planes = &out[(y*w.OW+x)*w.OutPixel], &from[0]
			winoPhaseOutputTile(&one)
			continue
		}
		for r := range phaseTile {
			t.rows[r] = winoRow(y+r, x, w.OH, w.OW, w.OutPixel)
		}
		if t.mask(phaseTile, x, w.OW) {
			t.count = min(w.BlockTiles(b)-i, w.tilesX-tx, (w.OW-phaseTile-x)/phaseTile+1)
		}
		t.base, t.planes = &out[0], &from[0]
		winoPhaseOutput(&t)
	}
}

// outputGeneric is the definition of the way back, of the tile whose first output is (y, x).
func (w *PhaseF32) outputGeneric(a *WinogradArgs, out, m []float32, y, x, n int) {
	for c := range n {
		for r := range min(phaseTile, w.OH-y) {
			for s := range min(phaseTile, w.OW-x) {
				sum := func(j int) float32 {
					i := 3*(s+j) + r
					if r == 0 { // what both have comes first
						return m[(i+1)*w.plane(n)+c] + m[i*w.plane(n)+c]
					}
					return m[i*w.plane(n)+c] + m[(i+1)*w.plane(n)+c]
				}
				out[((y+r)*w.OW+x+s)*w.OutPixel+c] = clampF32(sum(0)+sum(1), a.Min, a.Max)
			}
		}
	}
}
