package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// Grouped convolution in fp32, NHWC, three taps wide. Output channel c reads the IC inputs of its group, those from
// c/OC·IC on:
//
//	Out[y][x][c] = clamp(Bias[c] + Σ_ky Σ_i Σ_kx In[y·SH - PT + ky][x·SW - 1 or 0 + kx][c/OC·IC + i] · W[c][ky][kx][i])
//
// Taps in the padding are left out. A product of matrices fills its vectors with the outputs of one group, which may be
// few; here a vector is 16 output channels, of one group or of several. Wider groups are a product's.
// Rounding: bias first, then kernel rows, inputs and taps in this order, each by one fused multiply-add.

var useGroupedAVX512 = cpu.AVX512 && haveAsm

func init() { cpu.Register("grouped/avx512", &useGroupedAVX512) }

// groupedBlock is output channels of a vector, groupedOuts outputs of a tile.
const groupedBlock, groupedOuts = 16, 7

// GroupedF32Args is one grouped convolution over one image. Run reads it only, so that workers may share it.
type GroupedF32Args struct {
	In       []float32 // [H][W] pixels
	H, W     int
	Pixel    int       // floats from one input pixel to the next
	IC, OC   int       // channels of a group
	Channels int       // of all groups' outputs
	Weights  []float32 // see PackGrouped
	Bias     []float32 // of all channels; not nil
	KH       int
	SH, SW   int // stride
	PT, PL   int // padding above and to the left
	Out      []float32
	OH, OW   int
	OutPixel int // floats from one output pixel to the next
	Min, Max float32
}

// CanGroup says that Run may be called: outputs of a row fill a tile, which has at most one column of padding on either side,
// and each sees a row of the image.
func (a *GroupedF32Args) CanGroup() bool {
	narrow := a.IC > 0 && a.OC%a.IC == 0 && (a.OC == 2 || a.OC == 4 || a.OC == 8) && a.inputs() >= groupedBlock
	return useGroupedAVX512 && (narrow || a.OC == groupedBlock && a.IC <= 2*groupedBlock) && a.Channels%groupedBlock == 0 && a.OW >= groupedOuts &&
		(a.SW == 1 || a.SW == 2) && a.PL <= 1 && (a.OW-1)*a.SW-a.PL+3 <= a.W+1 && a.PT < a.KH && (a.OH-1)*a.SH-a.PT < a.H
}

// inputs are the channels of all groups' inputs.
func (a *GroupedF32Args) inputs() int { return a.Channels / a.OC * a.IC }

// Blocks are the vectors of output channels.
func (a *GroupedF32Args) Blocks() int { return a.Channels / groupedBlock }

// GroupedPacked is the floats of one block's packed weights, for kernels of kh rows and groups of ic inputs.
func GroupedPacked(kh, ic int) int { return kh * ic * 3 * groupedBlock }

// PackGrouped packs weights [channels][kh][3][ic] as [channels/16][kh][ic][3][16].
//
//go:noinline
func PackGrouped(dst, w []float32, channels, kh, ic int) {
	for c := range channels {
		to := dst[c/groupedBlock*GroupedPacked(kh, ic)+c%groupedBlock:]
		for t := range kh * 3 {
			for i, v := range w[(c*kh*3+t)*ic:][:ic] {
				to[((t/3*ic+i)*3+t%3)*groupedBlock] = v
			}
		}
	}
}

// groupedTile is what a kernel is handed; assembly knows the offsets (see TestGroupedLayout).
type groupedTile struct {
	in          *float32 // first row, first column inside the image
	back        int      // bytes from the tile's first column to it
	rowStride   int
	rows        int // kernel rows inside the image, at least one
	colStride   int
	w           *float32 // of the first of them
	out         *float32
	outStride   int
	bias        *float32
	order       *[2][16]int32 // which of 16 inputs each lane takes, and how that moves on
	steps       int           // inputs of a group
	left, right int32         // 1: the first or last column is padding
	min, max    float32
}

// Run computes output rows y0 to y1 of blocks b0 to b1. Ranges that do not overlap may run at the same time.
func (a *GroupedF32Args) Run(y0, y1, b0, b1 int) {
	size := GroupedPacked(a.KH, a.IC)
	if y0 < 0 || y1 > a.OH || b0 < 0 || b1 > a.Blocks() || !a.CanGroup() || a.OutPixel < a.Channels || a.Pixel < a.inputs() ||
		len(a.In) < a.H*a.W*a.Pixel-a.Pixel+a.inputs() || len(a.Weights) < a.Blocks()*size || len(a.Bias) < a.Channels ||
		len(a.Out) < (y1*a.OW-1)*a.OutPixel+a.Channels {
		panic("kern: BUG: grouped convolution: range or slice does not match the sizes")
	}
	// A block of narrow groups with more outputs than inputs reads less than a vector: the last ones from where one fits.
	var orders [groupedBlock / 2][2][16]int32
	some := groupedBlock / a.OC * a.IC // inputs of a block
	for o := 0; a.OC < groupedBlock && o*some < groupedBlock; o++ {
		for i := range groupedBlock {
			orders[o][0][i], orders[o][1][i] = int32(o*some+i/a.OC*a.IC), 1
		}
	}
	t := groupedTile{rowStride: 4 * a.W * a.Pixel, colStride: 4 * a.Pixel, outStride: 4 * a.OutPixel, steps: a.IC, min: a.Min, max: a.Max}
	for i := range max(0, y1-y0) * ((a.OW + groupedOuts - 1) / groupedOuts) {
		y, x := y0+i%max(1, y1-y0), i/(y1-y0)
		x = min(x*groupedOuts, a.OW-groupedOuts) // the last tile computes some of the one before again
		top, left := y*a.SH-a.PT, x*a.SW-a.PL
		ky0, ky1 := tapRange(top, a.KH, 1, a.H)
		t.rows, t.left, t.right = ky1-ky0, int32(max(0, -left)), int32(max(0, left+(groupedOuts-1)*a.SW+3-a.W))
		t.back = int(t.left) * t.colStride
		in, out := ((top+ky0)*a.W+max(0, left))*a.Pixel, (y*a.OW+x)*a.OutPixel
		for b := b0; b < b1; b++ {
			c := b * groupedBlock
			first := c / a.OC * a.IC
			at := first
			if a.OC < groupedBlock {
				at = min(first, a.inputs()-groupedBlock)
			}
			t.order = &orders[(first-at)/some]
			t.in, t.out, t.bias, t.w = &a.In[in+at], &a.Out[out+c], &a.Bias[c], &a.Weights[b*size+size/a.KH*ky0]
			groupedRun(&t, a.OC < groupedBlock, a.SW)
		}
	}
}

// runGeneric is the definition.
func (a *GroupedF32Args) runGeneric(y0, y1, b0, b1 int) {
	for i := range (y1 - y0) * a.OW {
		y, x := y0+i/a.OW, i%a.OW
		for c := b0 * groupedBlock; c < b1*groupedBlock; c++ {
			a.Out[(y*a.OW+x)*a.OutPixel+c] = min(max(a.value(y, x, c, func(x, w, sum float32) float32 { return sum + x*w }), a.Min), a.Max)
		}
	}
}

// value is one output, its products added up by add.
func (a *GroupedF32Args) value(y, x, c int, add func(x, w, sum float32) float32) float32 {
	sum := a.Bias[c]
	ky0, ky1 := tapRange(y*a.SH-a.PT, a.KH, 1, a.H)
	kx0, kx1 := tapRange(x*a.SW-a.PL, 3, 1, a.W)
	w := a.Weights[c/groupedBlock*GroupedPacked(a.KH, a.IC)+c%groupedBlock:]
	for ky := ky0; ky < ky1; ky++ {
		for i := range a.IC {
			for kx := kx0; kx < kx1; kx++ {
				in := a.In[((y*a.SH-a.PT+ky)*a.W+x*a.SW-a.PL+kx)*a.Pixel+c/a.OC*a.IC+i]
				sum = add(in, w[((ky*a.IC+i)*3+kx)*groupedBlock], sum)
			}
		}
	}
	return sum
}
