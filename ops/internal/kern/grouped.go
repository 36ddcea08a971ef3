package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// Grouped convolution in fp32, NHWC, three taps wide. Output channel c reads the IC inputs of its group, those from
// c/OC·IC on:
//
//	Out[y][x][c] = clamp(Bias[c] + Σ_ky Σ_i Σ_kx In[y·SH - PT + ky][x·SW - 1 or 0 + kx][c/OC·IC + i] · W[c][ky][kx][i])
//
// Taps in the padding are left out. A product of matrices fills its vectors with the outputs of one group, which may be
// few; here a vector is 16 output channels, by AVX2 8, of one group or of several. Wider groups are a product's.
// Rounding: bias first, then kernel rows, inputs and taps in this order, each by one fused multiply-add.

var (
	useGroupedAVX512 = cpu.AVX512 && haveAsm
	useGroupedAVX2   = cpu.AVX2 && haveAsm
)

func init() {
	cpu.Register("grouped/avx512", &useGroupedAVX512)
	cpu.Register("grouped/avx2", &useGroupedAVX2)
}

// groupedBlock is output channels of the widest vector, groupedOuts outputs of a tile; groups of more than groupedWide are a
// product's.
const groupedBlock, groupedOuts, groupedWide = 16, 7, 24

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
	block    int // output channels of a vector, chosen by Plan
}

// Plan chooses the vector and says that Run may be called: outputs of a row fill a tile, which has at most one column of
// padding on either side, and each sees a row of the image.
func (a *GroupedF32Args) Plan() bool {
	a.block = groupedBlock
	if !useGroupedAVX512 && useGroupedAVX2 {
		a.block = groupedBlock / 2
	}
	narrow := a.IC > 0 && a.OC%a.IC == 0 && (a.OC == 2 || a.OC == 4 || a.OC == 8) && a.OC < a.block && a.inputs() >= a.block
	return (useGroupedAVX512 || useGroupedAVX2) && (narrow || a.OC%a.block == 0 && a.OC <= groupedWide && a.IC <= 2*groupedBlock) && a.Channels%a.block == 0 &&
		a.OW >= groupedOuts && (a.SW == 1 || a.SW == 2) && a.PL <= 1 && (a.OW-1)*a.SW-a.PL+3 <= a.W+1 && a.PT < a.KH && (a.OH-1)*a.SH-a.PT < a.H
}

// inputs are the channels of all groups' inputs.
func (a *GroupedF32Args) inputs() int { return a.Channels / a.OC * a.IC }

// Blocks are the vectors of output channels.
func (a *GroupedF32Args) Blocks() int { return a.Channels / a.block }

// Packed is the floats of one block's packed weights.
func (a *GroupedF32Args) Packed() int { return a.KH * a.IC * 3 * a.block }

// Pack packs weights [channels][KH][3][IC] as [blocks][KH][IC][3][channels of a block].
//
//go:noinline
func (a *GroupedF32Args) Pack(dst, w []float32) {
	for c := range a.Channels {
		to := dst[c/a.block*a.Packed()+c%a.block:]
		for t := range a.KH * 3 {
			for i, v := range w[(c*a.KH*3+t)*a.IC:][:a.IC] {
				to[((t/3*a.IC+i)*3+t%3)*a.block] = v
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
	size, block := a.Packed(), a.block
	if y0 < 0 || y1 > a.OH || b0 < 0 || b1 > a.Blocks() || !a.Plan() || block != a.block || a.OutPixel < a.Channels || a.Pixel < a.inputs() ||
		len(a.In) < a.H*a.W*a.Pixel-a.Pixel+a.inputs() || len(a.Weights) < a.Blocks()*size || len(a.Bias) < a.Channels ||
		len(a.Out) < (y1*a.OW-1)*a.OutPixel+a.Channels {
		panic("kern: BUG: grouped convolution: range or slice does not match the sizes")
	}
	// A block of narrow groups with more outputs than inputs reads less than a vector: the last ones from where one fits.
	var orders [groupedBlock / 2][2][16]int32
	some := block / a.OC * a.IC // inputs of a block
	for o := 0; a.OC < block && o*some < block; o++ {
		for i := range block {
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
			c := b * block
			first := c / a.OC * a.IC
			at := first
			if a.OC < block {
				at = min(first, a.inputs()-block)
				t.order = &orders[(first-at)/some]
			}
			t.in, t.out, t.bias, t.w = &a.In[in+at], &a.Out[out+c], &a.Bias[c], &a.Weights[b*size+size/a.KH*ky0]
			groupedRun(&t, block, a.OC < block, a.SW)
		}
	}
}

// runGeneric is the definition.
func (a *GroupedF32Args) runGeneric(y0, y1, b0, b1 int) {
	for i := range (y1 - y0) * a.OW {
		y, x := y0+i/a.OW, i%a.OW
		for c := b0 * a.block; c < b1*a.block; c++ {
			a.Out[(y*a.OW+x)*a.OutPixel+c] = min(max(a.value(y, x, c, func(x, w, sum float32) float32 { return sum + x*w }), a.Min), a.Max)
		}
	}
}

// value is one output, its products added up by add.
func (a *GroupedF32Args) value(y, x, c int, add func(x, w, sum float32) float32) float32 {
	sum := a.Bias[c]
	ky0, ky1 := tapRange(y*a.SH-a.PT, a.KH, 1, a.H)
	kx0, kx1 := tapRange(x*a.SW-a.PL, 3, 1, a.W)
	w := a.Weights[c/a.block*a.Packed()+c%a.block:]
	for ky := ky0; ky < ky1; ky++ {
		for i := range a.IC {
			for kx := kx0; kx < kx1; kx++ {
				in := a.In[((y*a.SH-a.PT+ky)*a.W+x*a.SW-a.PL+kx)*a.Pixel+c/a.OC*a.IC+i]
				sum = add(in, w[((ky*a.IC+i)*3+kx)*a.block], sum)
			}
		}
	}
	return sum
}
