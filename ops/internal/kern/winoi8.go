package kern

import (
	"unsafe"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Winograd's F(4x4, 3x3) on bytes, exact: the very sums of the direct product. A tile of 4 x 4 outputs takes 36 products of
// 16-bit numbers a channel pair in place of 144 of bytes.
//
//	V = Bᵀ d B     int16. d are the stored bytes, as signed or unsigned as they are: row sums of Bᵀ are 0 but for the
//	               second's -6, so a zero point reaches V(1,1) alone, which is the same as taking it off the bias. Bᵀ's
//	               entries of one sign add up to 8 at most, so unsigned bytes make at most (8² + 2²)·255 = 17340 and
//	               signed ones at most 10²·128 = 12800
//	U = G' g G'ᵀ   int16. Rows of G' are G's times 24, 6, 6, 24, 24 and 6, integers: (6 0 0), (-1 -1 -1), (-1 1 -1),
//	               (1 2 4), (1 -2 4), (0 0 6), so at most 7²·128 = 6272
//	M = V·U        int32, modulo 2³², as all that follows
//	Y = A' M A'ᵀ   the sums times s(i)·s(j). Rows of A' are Aᵀ's with the rest of the 24, over what they have in common:
//	               (1 4 4 1 1 0), (0 2 -2 1 -1 0), (0 1 1 1 1 0), (0 1 -1 2 -2 1); s = 24, 12, 6, 6
//
// s(i)·s(j) is 9·2ⁿ with n = 6 at most: times the inverse of 9 modulo 2³² and arithmetically shifted by n, Y is the sum as
// long as that is within ±2²⁵, which Columns makes sure of. The bias starts in M(1,1), which all outputs see 16/(s(i)·s(j))
// times: 36 of it there is 1 in each sum.

var (
	useWinoI8VNNI = cpu.VNNI && haveAsm
	useWinoI8AVX2 = cpu.AVX2 && haveAsm
	winoI8Pays    = useWinoI8VNNI // without being asked for
	winoI8Slow    = useWinoI8VNNI // products have one unit for 512 bits
)

func init() {
	cpu.Register("winoi8/vnni", &useWinoI8VNNI)
	cpu.Register("winoi8/avx2", &useWinoI8AVX2)
	cpu.RegisterFor("winoi8pays/vnni", &winoI8Pays, cpu.Intel, cpu.Zen4, cpu.Zen5)
	cpu.RegisterFor("winoi8slow/vnni", &winoI8Slow, cpu.Zen4)
}

// WinogradI8 is a 3x3 convolution of stride 1 and dilation 1 of bytes, prepared. Fill the first group of fields, call Plan.
//
// A block of tiles is transformed as a whole (Input); then each panel of output channels is multiplied, 36 planes, and
// transformed back while its sums are in the second-level cache (Panel).
type WinogradI8 struct {
	N, H, W, IC int // input [N][H][W][IC]; channels in and out in whole panels
	OH, OW, OC  int
	PT, PL      int // padding above and to the left
	OutPixel    int // bytes from one pixel to the next
	Signed      bool
	Tiles       int // tiles of a block; 0: Plan chooses
	isa         isa // of its form
	panel       int // channels of one
	panels      int
	tilesY      int
	tilesX      int
}

const (
	winoI8Planes = 36
	winoI8Bits   = 25         // of a sum's magnitude
	winoI8Inv9   = 0x38e38e39 // 9 · it = 2·2³² + 1
)

// Plan completes w. For several threads there is a block for each, or more, where they are not too small for the weights
// that each reads.
func (w *WinogradI8) Plan(threads int) {
	f := selectWinoI8()
	if !f.fits(w.IC | w.OC) {
		panic("kern: BUG: winoi8: channels in no whole panels")
	}
	w.isa, w.panel, w.panels, w.tilesY, w.tilesX = f.isa, f.panel, w.OC/f.panel, (w.OH+3)/4, (w.OW+3)/4
	if total := w.total(); w.Tiles <= 0 {
		most := max(winoI8Tiles, f.budget/(winoI8Planes*(2*w.IC+4*f.panel)))
		blocks := (total + most - 1) / most
		if total <= most+most/8 {
			blocks = 1
		}
		if even := (blocks + threads - 1) / threads * threads; total >= even*winoI8Tiles/2 {
			blocks = even
		}
		w.Tiles = (total + blocks - 1) / blocks
		if blocks > 1 && w.Tiles%12 > w.Tiles/12 { // no rows in low kernels
			w.Tiles = (w.Tiles + 11) / 12 * 12
		}
	}
	w.Tiles = max(1, min(w.Tiles, w.total()))
}

func (w *WinogradI8) total() int { return w.N * w.tilesY * w.tilesX }

// Blocks is the number of blocks of tiles in the whole batch.
func (w *WinogradI8) Blocks() int { return (w.total() + w.Tiles - 1) / w.Tiles }

// BlockTiles is the number of tiles in block b.
func (w *WinogradI8) BlockTiles(b int) int { return min(w.Tiles, w.total()-b*w.Tiles) }

// Panels is the number of panels of output channels.
func (w *WinogradI8) Panels() int { return w.panels }

// PackedSize is the length of the transformed weights in 16-bit numbers.
func (w *WinogradI8) PackedSize() int { return winoI8Planes * w.IC * w.OC }

// strideV and strideM are the elements from one plane of a block to the next; see WinogradF32.stride.
//
//go:noinline
func (w *WinogradI8) strideV() int { return 32 * oddLines((w.Tiles*w.IC+31)/32) }

//go:noinline
func (w *WinogradI8) strideM() int { return 16 * oddLines(w.Tiles*w.panel/16) }

func oddLines(n int) int {
	if n%8 == 0 {
		n++
	}
	return n
}

// ScratchSize is the bytes that a block takes transformed, and those of a panel's sums with a row to dump what falls outside.
func (w *WinogradI8) ScratchSize() (v, m int) {
	return 2 * winoI8Planes * w.strideV(), 4*winoI8Planes*w.strideM() + 64
}

// WinogradI8Args is one run. Blocks may run at the same time when each has a V of its own, panels when each has an M.
type WinogradI8Args struct {
	In     []byte
	Zero   []byte // IC of the input's zero point
	Packed []int16
	Cols   *WinogradI8Columns
	Out    []byte
	CZero  int32 // zero point, and limits after adding it: within -128..127 or 0..255 as the output's type is
	Lo, Hi int32
	V      []int16
	M      []int32
}

// Run computes blocks b0 to b1, one after the other.
func (w *WinogradI8) Run(a *WinogradI8Args, b0, b1 int) {
	for b := b0; b < b1; b++ {
		w.Input(a, b, 0, w.BlockTiles(b))
		for n := range w.Panels() {
			w.Panel(a, b, n)
		}
	}
}

// winoTileI8 is what a transform of some tiles beside each other is handed; assembly knows the offsets (see
// TestWinogradI8Layout).
type winoTileI8 struct {
	base     *byte
	offsets  *int32 // of the first tile's pixels from base; negative: spare
	spare    *byte  // zero points to read, or a row to write what is outside
	planes   unsafe.Pointer
	stride   int // bytes from one plane to the next
	channels int
	count    int // of tiles; with pixels outside only one
	step     int // bytes from one tile to the next, at base
	bias     *int32
	scale    *float32
	words    uint32 // see limitsI8
	lo, hi   uint32
	outXor   uint32
	signed   int
}

// winoWalk goes over the tiles of a block, as many beside each other at once as lie wholly in an image of height x width.
type winoWalk struct {
	n, height, width, pixel int // pixels of a tile's side, bytes of a pixel
	top, left               int // of the first tile's corner
	tile, end               int
	offs                    [winoI8Planes]int32
	whole                   bool // offs are of a tile inside
}

// next is where in the images the next count tiles are that k.offs is for.
func (k *winoWalk) next(w *WinogradI8) (at, count int) {
	row := k.tile / w.tilesX
	tx := k.tile - row*w.tilesX
	y, x := row%w.tilesY*4-k.top, tx*4-k.left
	at = row / w.tilesY * k.height * k.width * k.pixel
	if y < 0 || x < 0 || y+k.n > k.height || x+k.n > k.width {
		k.whole = false
		k.fill(y, x)
		return at, 1
	}
	if !k.whole {
		k.whole = true
		k.fill(0, 0)
	}
	return at + (y*k.width+x)*k.pixel, min(k.end-k.tile, w.tilesX-tx, (k.width-k.n-x)/4+1)
}

// fill makes the offsets of the pixels of a tile at (y, x), -1 outside.
func (k *winoWalk) fill(y, x int) {
	for r := range k.n {
		for c := range k.n {
			o := int32(-1)
			if uint(y+r) < uint(k.height) && uint(x+c) < uint(k.width) {
				o = int32(((y+r)*k.width + x + c) * k.pixel)
			}
			k.offs[r*k.n+c] = o
		}
	}
}

// Input transforms tiles i0 to i1 of block b.
func (w *WinogradI8) Input(a *WinogradI8Args, b, i0, i1 int) {
	if len(a.In) < w.N*w.H*w.W*w.IC || len(a.Zero) < w.IC || len(a.V) < winoI8Planes*w.strideV() {
		panic("kern: BUG: winoi8: input or scratch does not match the sizes")
	}
	k := winoWalk{n: 6, height: w.H, width: w.W, pixel: w.IC, top: w.PT, left: w.PL, tile: b*w.Tiles + i0, end: b*w.Tiles + i1}
	t := winoTileI8{offsets: &k.offs[0], spare: &a.Zero[0], stride: 2 * w.strideV(), channels: w.IC, step: 4 * w.IC}
	if w.Signed {
		t.signed = 1
	}
	for k.tile < k.end {
		at, n := k.next(w)
		in, v := a.In[at:], a.V[(k.tile-b*w.Tiles)*w.IC:]
		if k.tile += n; w.isa != isaGeneric {
			t.base, t.planes, t.count = &in[0], unsafe.Pointer(&v[0]), n
			w.isa.winoI8(winoI8In, &t)
			continue
		}
		for i := range n {
			winoInputI8Generic(in[i*t.step:], k.offs[:], a.Zero, v[i*w.IC:], w.strideV(), w.IC, w.Signed)
		}
	}
}

// Panel makes panel n of block b's output.
func (w *WinogradI8) Panel(a *WinogradI8Args, b, n int) {
	if len(a.V) < winoI8Planes*w.strideV() || len(a.M) < winoI8Planes*w.strideM()+16 || len(a.Packed) < w.PackedSize() {
		panic("kern: BUG: winoi8: scratch or weights do not match the sizes")
	}
	w.multiply(a, b, n)
	w.output(a, b, n)
}

// output transforms a panel's sums back, requantises and stores them.
func (w *WinogradI8) output(a *WinogradI8Args, b, n int) {
	n *= w.panel
	at := winoI8Planes * w.strideM()
	if len(a.Out) < (w.N*w.OH*w.OW-1)*w.OutPixel+w.OC || len(a.Cols.bias) < w.OC || len(a.Cols.scale) < w.OC {
		panic("kern: BUG: winoi8: output does not match the sizes")
	}
	k := winoWalk{n: 4, height: w.OH, width: w.OW, pixel: w.OutPixel, tile: b * w.Tiles, end: b*w.Tiles + w.BlockTiles(b)}
	t := winoTileI8{offsets: &k.offs[0], spare: bytePointer(&a.M[at]), stride: 4 * w.strideM(), step: 4 * w.OutPixel,
		bias: &a.Cols.bias[n], scale: &a.Cols.scale[n]}
	t.words, t.lo, t.hi, t.outXor = limitsI8(a.CZero, a.Lo, a.Hi)
	for k.tile < k.end {
		at, count := k.next(w)
		out, from := a.Out[at+n:], a.M[(k.tile-b*w.Tiles)*w.panel:]
		if k.tile += count; w.isa != isaGeneric {
			t.base, t.planes, t.count = &out[0], unsafe.Pointer(&from[0]), count
			w.isa.winoI8(winoI8Out, &t)
			continue
		}
		for i := range count {
			w.outputGeneric(a, out[i*t.step:], k.offs[:16], from[i*w.panel:], n)
		}
	}
}
