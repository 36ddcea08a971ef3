package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// Winograd convolution: F(m x m, 3x3) with m = 2 or 4 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2015). An output tile of m x m needs (m+2)² products a channel pair instead of 9m²: 2.25 times fewer for
// m = 2, 4 times for m = 4. Tiles of the input are transformed (V = Bᵀ d B), the (m+2)² planes are multiplied by the
// transformed weights (M = V·U, a matrix product each), and transformed back (Y = Aᵀ M A).
//
// It rounds differently from direct convolution: the relative error of a layer is about 1e-6 for m = 2 and under 1e-5
// for m = 4, in norm. It pays for stride 1 with enough channels (Worthwhile).

var (
	useWinoAVX512 = cpu.AVX512 && haveAsm
	useWinoAVX2   = cpu.AVX2 && haveAsm
	useWinoNEON   = cpu.NEON && haveNEON
)

func init() {
	cpu.Register("winograd/avx512", &useWinoAVX512)
	cpu.Register("winograd/avx2", &useWinoAVX2)
	cpu.Register("winograd/neon", &useWinoNEON)
}

// WinogradF32 is a 3x3 convolution of stride 1 and dilation 1, prepared. Fill the first group of fields, call Plan.
type WinogradF32 struct {
	M           int // 2 or 4
	N, H, W, IC int // input [N][H][W][IC]
	OH, OW, OC  int
	PT, PL      int // padding above and to the left
	InPixel     int // floats from one pixel to the next, at least IC
	OutPixel    int
	ResPixel    int      // of a residual, if there is one
	Gemm        *GemmF32 // nil: SelectGemmF32
	Pairs       *PairF32 // of one tap of IC, in place of Gemm's products, of the same tiles; or nil
	Tiles       int      // tiles of a block; 0: Plan chooses
	Trail       int      // planes that are multiplied at the same time, whose products take the place of planes before them; 0: all
	Hot         bool     // weights stay in the second-level cache from one run to the next
	Fly         bool     // weights are packed as they are and transformed while they are used; see CanFly
	Pooled      bool     // the maximum of each two by two is stored in their place, at OutPixel; see CanPool
	tilesY      int
	tilesX      int
}

// winoBudget is how many bytes of transformed input and output a block may hold when the transformed weights fit the
// second-level cache beside it; otherwise blocks are larger, so that weights stream past more tiles.
const winoBudget = 448 << 10

// Plan completes w. With M 0 it chooses 4, or 2 where the image is small: there weights are many and pixels few, and four
// times the weights of a direct convolution (against 1.8 times) would buy little.
func (w *WinogradF32) Plan() {
	if w.M == 0 {
		w.M = 4
		if w.OH < 8 || w.OW < 8 {
			w.M = 2
		}
	}
	if w.M != 2 && w.M != 4 {
		panic("kern: BUG: winograd: no such tile")
	}
	if w.Gemm == nil {
		w.Gemm = SelectGemmF32()
	}
	w.tilesY, w.tilesX = (w.OH+w.M-1)/w.M, (w.OW+w.M-1)/w.M
	if w.Tiles <= 0 {
		mr := w.Gemm.MR
		perTile := w.PerTile()
		w.Tiles = max(1, winoBudget/perTile/mr) * mr
		if 4*w.planes()*w.IC*w.OC > blockBytes+blockBytes/4 {
			w.Tiles = max(w.Tiles, 48/mr*mr)
		}
		// What is left over for a block of its own is little and slow.
		if whole := w.Total() / w.Tiles; whole > 0 && whole < 5 && 4*(w.Total()%w.Tiles) < w.Tiles {
			w.Tiles = (w.Total() + whole - 1) / whole
		}
	}
	w.Tiles = max(1, min(w.Tiles, w.Total()))
	if w.Fly {
		group := w.flyGroup()
		w.Tiles = (w.Tiles + group - 1) / group * group
	}
}

// Worthwhile reports whether a 3x3 convolution of these sizes is likely to be faster this way than as a direct product.
func (w *WinogradF32) Worthwhile() bool {
	return w.IC >= 16 && w.OC >= 16 && w.OH >= 4 && w.OW >= 4
}

func (w *WinogradF32) n() int      { return w.M + 2 }
func (w *WinogradF32) planes() int { return w.n() * w.n() }

// Total is the number of tiles in the whole batch.
func (w *WinogradF32) Total() int { return w.N * w.tilesY * w.tilesX }

// biased is the plane (1, 1): every result of a tile has its products once, and so what they start from.
func (w *WinogradF32) biased() int { return w.n() + 1 }

// Blocks is the number of blocks of tiles in the whole batch.
//
//go:noinline
func (w *WinogradF32) Blocks() int { return (w.Total() + w.Tiles - 1) / w.Tiles }

// BlockTiles is the number of tiles in block b.
//
//go:noinline
func (w *WinogradF32) BlockTiles(b int) int { return min(w.Tiles, w.Total()-b*w.Tiles) }

// Planes is the number of planes of a block.
func (w *WinogradF32) Planes() int { return w.planes() }

// Products is the number of parts of a block's products: one a plane, or with Fly one a panel.
func (w *WinogradF32) Products() int {
	if w.Fly {
		return w.OC / w.flyProduct()
	}
	return w.planes()
}

// PackedSize is the length of the transformed, packed weights in floats.
func (w *WinogradF32) PackedSize() int {
	if w.Fly {
		return 9 * w.IC * w.OC
	}
	return w.planes() * w.planeSize()
}

// planeSize is the floats of a plane's packed weights.
func (w *WinogradF32) planeSize() int {
	if w.Pairs != nil {
		return w.Pairs.PackedSize(w.OC)
	}
	return w.Gemm.PackedSize(w.OC, w.IC)
}

// CanPool says that results may be pooled as they are stored: a tile holds whole pairs of rows and columns. An odd last
// one belongs to no pair.
func (w *WinogradF32) CanPool() bool {
	return useWinoPoolAVX512 && useWinoAVX512 && w.M == 4 && w.OH > 1 && w.OW > 1
}

// WinogradArgs is one run. Blocks may run at the same time when each has scratch of its own.
type WinogradArgs struct {
	In       []float32
	Packed   []float32
	Bias     []float32 // OC, or nil
	Res      []float32 // residual added before the clamp, shaped like Out, or nil
	Out      []float32
	Min, Max float32
	Form     []float32 // this worker's, for Pairs.Run
}

// Run computes blocks b0 to b1, one after the other.
func (w *WinogradF32) Run(a *WinogradArgs, scratch []float32, b0, b1 int) {
	w.Columns(a, scratch, b0, b1, 0, w.OC)
}

// Columns is Run for output channels n0 to n1, cut like the product's columns.
func (w *WinogradF32) Columns(a *WinogradArgs, scratch []float32, b0, b1, n0, n1 int) {
	for b := b0; b < b1; b++ {
		n := w.BlockTiles(b)
		w.Input(a, scratch, b, 0, n)
		if w.Fly {
			w.multiplyFly(a, scratch, b, n0, n1)
			continue
		}
		w.multiply(a, scratch, b, 0, w.planes(), n0, n1)
		w.output(a, scratch, b, 0, n, n0, n1)
	}
}

// winoTile is what a transform is handed; assembly knows the offsets (see TestWinogradLayout).
type winoTile struct {
	base     *float32
	offsets  *int32   // of the tile's pixels from base; negative: spare
	spare    *float32 // zeros to read, or a row to write what is outside
	planes   *float32
	stride   int // bytes from one plane to the next
	channels int
	res      *float32
	resOffs  *int32
	min, max float32
}

// Input transforms tiles i0 to i1 of block b. The three steps of a block may each be split over workers that share the
// block's scratch, one step after the other.
func (w *WinogradF32) Input(a *WinogradArgs, scratch []float32, b, i0, i1 int) {
	n := w.M + 2
	if w.n()*w.InPixel > MaxTap || len(scratch) < w.ScratchSize() || len(a.In) < (w.N*w.H*w.W-1)*w.InPixel+w.IC {
		panic("kern: BUG: winograd: input or scratch does not match the sizes")
	}
	if w.Fly && i1 == w.BlockTiles(b) {
		w.fillFly(scratch, i1)
	}
	if useWinoAVX512 {
		w.inputStrips(a, scratch, b, i0, i1)
		return
	}
	var offs [36]int32
	t := winoTile{offsets: &offs[0], spare: &zeroRow[0], stride: 4 * w.stride(w.IC), channels: w.IC}
	inside := -1 // what offs is for: 1 a whole tile inside the image, from its own corner
	img, ty, tx := w.place(b*w.Tiles + i0)
	for i := i0; i < i1; i++ {
		y, x := ty*w.M-w.PT, tx*w.M-w.PL
		in, v := a.In[img*w.H*w.W*w.InPixel:], scratch[w.inputs()+i*w.IC:]
		if y >= 0 && x >= 0 && y+n <= w.H && x+n <= w.W {
			if in = in[(y*w.W+x)*w.InPixel:]; inside != 1 {
				inside = 1
				for at := range n * n {
					offs[at] = int32((at/n*w.W + at%n) * w.InPixel)
				}
			}
		} else {
			inside = 0
			for r := range n {
				for c := range n {
					offs[r*n+c] = -1
					if uint(y+r) < uint(w.H) && uint(x+c) < uint(w.W) {
						offs[r*n+c] = int32(((y+r)*w.W + x + c) * w.InPixel)
					}
				}
			}
		}
		if useWinoAVX2 && w.IC >= winoVector || useWinoNEON {
			t.base, t.planes = &in[0], &v[0]
			winoInput(w.M, &t)
		} else {
			winoInputGeneric(w.M, in, offs[:n*n], v, w.stride(w.IC), w.IC)
		}
		img, ty, tx = w.following(img, ty, tx)
	}
}

// winoVector is the channels that a transform of the input by AVX2 takes at least: its last vector ends with them.
const winoVector = 8

// following is the place after this one.
func (w *WinogradF32) following(img, y, x int) (int, int, int) {
	if x++; x == w.tilesX {
		x = 0
		if y++; y == w.tilesY {
			img, y = img+1, 0
		}
	}
	return img, y, x
}

// place is the image, row and column of a tile.
func (w *WinogradF32) place(tile int) (img, y, x int) {
	return tile / (w.tilesY * w.tilesX), tile / w.tilesX % w.tilesY, tile % w.tilesX
}

// Products of a plane's weights of smallPlane bytes and smallWork multiply-adds at most are so short that starting them
// shows. Longer ones ask for the next plane's weights, as a network has used others since.
const smallPlane, smallWork = 64 << 10, 64 << 10

// Multiply computes products p0 to p1 of block b, with Fly also the outputs.
func (w *WinogradF32) Multiply(a *WinogradArgs, scratch []float32, b, p0, p1 int) {
	if w.Fly {
		w.multiplyFly(a, scratch, b, p0*w.flyProduct(), p1*w.flyProduct())
		return
	}
	w.multiply(a, scratch, b, p0, p1, 0, w.OC)
}

func (w *WinogradF32) multiply(a *WinogradArgs, scratch []float32, b, p0, p1, n0, n1 int) {
	rows, size := w.BlockTiles(b), w.planeSize()
	m, v := scratch[w.products():], scratch[w.inputs():]
	g := GemmF32Args{LDA: w.IC, Taps: 1, KC: w.IC, N: w.OC, Hot: w.Hot, Bias: a.Bias, LDC: w.OC, Min: negInf, Max: posInf}
	if w.Pairs == nil && w.Gemm.isa != isaGeneric && 4*w.IC*w.OC <= smallPlane && rows*w.IC*w.OC <= smallWork {
		g.A, g.B, g.C = v[p0*w.stride(w.IC):], a.Packed[p0*size:], m[p0*w.stride(w.OC):]
		if w.Gemm.runPlanes16(&g, p1-p0, w.biased()-p0, w.stride(w.IC), size, w.stride(w.OC), rows) {
			return
		}
		if !w.Gemm.hasRows(&g, rows, n0, n1) {
			w.Gemm.runSmall(&g, p1-p0, w.biased()-p0, w.stride(w.IC), size, w.stride(w.OC), rows, n0, n1)
			return
		}
	}
	for p := p0; p < p1; p++ {
		g.A = v[p*w.stride(w.IC):]
		g.B = a.Packed[p*size:] // all that follow, as pairs ask for the next plane's weights in time
		g.C = m[p*w.stride(w.OC):]
		if g.Bias = nil; p == w.biased() {
			g.Bias = a.Bias
		}
		if w.Pairs != nil {
			w.Pairs.Run(&g, a.Form, 0, rows, n0, n1)
			continue
		}
		if g.Next = nil; p+1 < w.planes() {
			g.Next = g.B[size+n0*w.IC:]
		}
		if !w.Gemm.runRows(&g, rows, n0, n1) {
			w.Gemm.Run(&g, 0, rows, n0, n1)
		}
	}
}

// Output transforms tiles i0 to i1 of block b back and stores them.
func (w *WinogradF32) Output(a *WinogradArgs, scratch []float32, b, i0, i1 int) {
	if w.Fly {
		return
	}
	w.output(a, scratch, b, i0, i1, 0, w.OC)
}

// checkOutput panics where assembly would read or write outside the slices.
func (w *WinogradF32) checkOutput(a *WinogradArgs) {
	last := w.N*w.OH*w.OW - 1
	if w.Pooled {
		if last = w.N*(w.OH/2)*(w.OW/2) - 1; a.Res != nil || !useWinoAVX512 || w.M != 4 {
			panic("kern: BUG: winograd: no such pool")
		}
	}
	if len(a.Out) < last*w.OutPixel+w.OC || a.Res != nil && len(a.Res) < last*w.ResPixel+w.OC {
		panic("kern: BUG: winograd: output or residual does not match the sizes")
	}
}

func (w *WinogradF32) output(a *WinogradArgs, scratch []float32, b, i0, i1, n0, n1 int) {
	m := scratch[w.products()+n0:]
	dump := scratch[w.ScratchSize()-w.OC:][:w.OC]
	w.checkOutput(a)
	if useWinoAVX512 {
		w.outputStrips(a, m, b, i0, i1, n0, n1)
		return
	}
	var offs, resOffs [16]int32
	t := winoTile{offsets: &offs[0], resOffs: &resOffs[0], spare: &dump[0], stride: 4 * w.stride(w.OC), channels: n1 - n0, min: a.Min, max: a.Max}
	inside := -1
	img, ty, tx := w.place(b*w.Tiles + i0)
	for i := i0; i < i1; i++ {
		y, x := ty*w.M, tx*w.M
		out, from := a.Out[img*w.OH*w.OW*w.OutPixel+n0:], m[i*w.OC:]
		var res []float32
		if a.Res != nil {
			res = a.Res[img*w.OH*w.OW*w.ResPixel+n0:]
		}
		if y+w.M <= w.OH && x+w.M <= w.OW {
			out = out[(y*w.OW+x)*w.OutPixel:]
			if res != nil {
				res = res[(y*w.OW+x)*w.ResPixel:]
			}
			if inside != 1 {
				inside = 1
				for at := range w.M * w.M {
					o := at/w.M*w.OW + at%w.M
					offs[at], resOffs[at] = int32(o*w.OutPixel), int32(o*w.ResPixel)
				}
			}
		} else {
			inside = 0
			for at := range w.M * w.M {
				r, c := y+at/w.M, x+at%w.M
				offs[at], resOffs[at] = -1, -1
				if r < w.OH && c < w.OW {
					offs[at], resOffs[at] = int32((r*w.OW+c)*w.OutPixel), int32((r*w.OW+c)*w.ResPixel)
				}
			}
		}
		if useWinoAVX2 || useWinoNEON {
			t.base, t.planes, t.res = &out[0], &from[0], first(res)
			winoOutput(w.M, &t)
		} else {
			w.outputGeneric(a, out, res, &offs, &resOffs, from, n1-n0)
		}
		img, ty, tx = w.following(img, ty, tx)
	}
}
