package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGemmInt is convGemm on integers: an indirect product of bytes, whose
// results are requantised as they are stored.
type convGemmInt struct {
	*convSpec
	gemm   *kern.GemmI8
	packed []byte // one block a group
	group  int    // bytes of packed a group takes
	cols   []*kern.GemmI8Columns
	zero   []byte // a tap of the input's zero point
	args   kern.GemmI8Args
	pitch  int

	direct     bool // rows of A are regular, no table
	band       convBand
	window     kern.Window
	taps, kc   int
	rows       int // rows of one product: an image's, or the batch's if direct
	images     int
	rowChunk   int // rows of one task, a multiple of MR but in bands
	rowChunks  int
	colChunk   int
	colChunks  int
	tableBytes int // of one worker's offset table
	wideBytes  int // and of its widened rows, behind that
}

func (c *Conv) prepareGemmInt(p *Prep, s *convSpec, x *tensor.Spec, rq requant) *convGemmInt {
	k := &convGemmInt{convSpec: s, gemm: kern.SelectGemmI8(), pitch: outPitch(p.OutPitch, s.oc)}
	w := p.Params[0]
	var lines *kern.GemmI8
	if symmetricI8(&w.Spec) {
		lines = k.gemm.Lines()
	}
	k.layout(max(1, p.Threads), lines)
	depth := k.taps * k.kc
	signed := w.DType == tensor.I8
	k.group = k.gemm.PackedSize(k.ocg, k.taps, k.kc)
	layout := fmt.Sprintf("conv/%s/%d/%d/%d/%d", k.gemm.Name, k.gemm.Group, k.groups, k.taps, k.kc)
	columns := packPanels * k.gemm.NR // of a part
	parts := (k.ocg + columns - 1) / columns
	k.packed = p.PackParts(&w, layout, k.group*k.groups, parts*k.groups, func(dst []byte, part int, _ *packBuffer) {
		g, n0 := part/parts, part%parts*columns
		n, zero := min(columns, k.ocg-n0), perGroup(w.Quant.Zero, g, k.ocg)
		if len(zero) > 1 {
			zero = zero[n0:]
		}
		k.gemm.Pack(dst[g*k.group+k.gemm.PackedSize(n0, k.taps, k.kc):], w.Data[(g*k.ocg+n0)*depth:], n, k.taps, k.kc, depth, signed, zero)
	})
	var bias []int32
	if s.bias {
		bias = i32(&p.Params[1])
	}
	_, zx := x.Quant.At(0)
	for g := range k.groups {
		k.cols = append(k.cols, k.gemm.Columns(w.Data[g*k.ocg*depth:], k.ocg, k.taps, k.kc, depth, signed,
			perGroup(w.Quant.Zero, g, k.ocg), perGroup(bias, g, k.ocg), perGroup(rq.scale, g, k.ocg), zx, x.DType == tensor.I8))
	}
	k.zero = make([]byte, roundUp(k.kc, k.gemm.Group))
	kern.Fill(k.zero, byte(zx))
	k.args = kern.GemmI8Args{
		Lines: k.args.Lines, ASigned: x.DType == tensor.I8, Zero: k.zero, Taps: k.taps, KC: k.kc, N: k.ocg,
		Inside: k.band.rows > 0, LDC: k.pitch, CZero: rq.zero, Lo: rq.lo, Hi: rq.hi,
	}
	k.split(max(1, p.Threads))
	if k.band.rows > 0 && k.cols[0].Symmetric() {
		k.args.KC = k.gemm.TapBytes(k.kc) // bytes of the next pixel meet weights of 0
	}
	slots := max(1, p.Threads)
	if k.images*k.groups*k.rowChunks*k.colChunks == 1 {
		slots = 1
	}
	k.wideBytes = roundUp(k.gemm.WideSize(k.rows, k.taps, k.kc), 64)
	p.NeedScratch((k.tableBytes + k.band.bytes + k.wideBytes) * slots)
	p.Path("igemm/" + k.gemm.Name)
	return k
}

// perGroup is group g's part of one value a channel; one value, or none, is
// for all.
//
//go:noinline
func perGroup[T any](v []T, g, n int) []T {
	if len(v) <= 1 {
		return v
	}
	return v[g*n : (g+1)*n]
}

// layout decides how rows of A are found; see convGemm.layout. lines is a form of products for bands, or nil.
func (k *convGemmInt) layout(threads int, lines *kern.GemmI8) {
	g := &k.Geom
	k.window = kern.Window{In: g.In, Out: g.Out, Kernel: g.Kernel, Stride: g.Stride, Dilation: g.Dilation, Pad: g.PadLo, Pixel: k.ic}
	k.taps, k.kc = g.Taps(), k.icg
	k.rows, k.images = g.OutSize(), k.n
	switch {
	case g.Pointwise():
		k.direct = true
		k.rows, k.images = g.OutSize()*k.n, 1
	case k.groups == 1 && k.ic < bandsBelow && g.Kernel[2] > 1 && g.Dilation[2] == 1 && g.In[0] == 1 && g.Out[0] == 1 && g.Kernel[0] == 1:
		k.bands(threads, lines)
	}
}

// split cuts the product into tasks; see convGemm.split.
func (k *convGemmInt) split(threads int) {
	depth := k.taps * k.kc
	mr, nr := k.gemm.MR, k.gemm.NR
	tiles, panels := (k.rows+mr-1)/mr, (k.ocg+nr-1)/nr
	k.rowChunk, k.colChunk = tiles, panels
	want := 1
	if k.images*k.groups < 4*threads {
		want = parts(k.rows*k.ocg*depth, taskMACsInt(), threads)
	}
	if k.band.rows > 0 {
		k.splitBands(want, threads)
		return
	}
	columns := depth*k.ocg > cacheBytes && panels >= want
	if want > 1 && k.gemm.Widens() {
		// Each part of the columns widens all rows, which few of them do not repay.
		few := max(min(want, threads), min(want, panels/widePanels))
		columns = depth*k.ocg >= cacheBytes && panels >= few
		if columns {
			want = few
		}
	}
	if columns {
		k.colChunk = (panels + want - 1) / want
	} else {
		k.rowChunk = (tiles + want - 1) / want
		// Bytes are small: a table must not be what takes the memory.
		most := max(512, (k.InSize()*k.ic+k.rows*k.oc)/16)
		k.rowChunk = min(k.rowChunk, max(1, most/(4*mr*k.taps)))
	}
	k.rowChunk *= mr
	k.colChunk *= nr
	k.rowChunks = (k.rows + k.rowChunk - 1) / k.rowChunk
	k.colChunks = (k.ocg + k.colChunk - 1) / k.colChunk
	if n := roundUp(k.rowChunks, threads); k.rowChunks > 1 && n <= tiles {
		k.rowChunks = n // one more for the worker that else does less
	}
	if !k.direct {
		k.tableBytes = roundUp(4*kern.RowsSize(mr, min(k.rowChunk, roundUp(k.rows, mr)), k.taps), 64)
	}
}

// widePanels is the fewest panels that are worth widening rows for.
const widePanels = 4

// rowAt is where chunk i of the rows begins: they are alike, to a tile, but in bands.
func (k *convGemmInt) rowAt(i int) int {
	if k.band.rows > 0 {
		return min(k.rows, i*k.rowChunk)
	}
	mr := k.gemm.MR
	return min(k.rows, (k.rows+mr-1)/mr*i/k.rowChunks*mr)
}

func (k *convGemmInt) Run(a *Args) {
	a.Parallel(k.images*k.groups*k.rowChunks*k.colChunks, k)
}

// Do computes one task: some rows and columns of one group of one image.
func (k *convGemmInt) Do(a *Args, i, worker int) {
	col := i % k.colChunks
	i /= k.colChunks
	row := i % k.rowChunks
	i /= k.rowChunks
	group, image := i%k.groups, i/k.groups
	m0, m1 := k.rowAt(row), k.rowAt(row+1)
	n0 := col * k.colChunk
	n1 := min(k.ocg, n0+k.colChunk)

	first := image*k.rows*k.pitch + group*k.ocg // of this product's output
	args := k.args
	size := k.tableBytes + k.band.bytes + k.wideBytes
	scratch := a.Scratch[worker*size:][:size]
	args.Wide = scratch[size-k.wideBytes:]
	args.B, args.Cols = k.packed[group*k.group:(group+1)*k.group], k.cols[group]
	if c := pool.After(col, worker); c >= 0 && c < k.colChunks && k.rowChunks == 1 {
		args.Next = args.B[k.gemm.PackedSize(c*k.colChunk, k.taps, k.kc):]
	}
	if k.direct {
		args.A, args.LDA = a.In[0].Data[group*k.icg:], k.ic
		args.C = a.Out.Data[first:]
		k.other(a, &args, first)
		k.gemm.Run(&args, m0, m1, n0, n1)
		return
	}
	if k.band.rows > 0 {
		scratch = scratch[:k.band.bytes]
		args.A, args.Rows = scratch, k.band.offset // none in lines
		for ; m0 < m1; m0 += k.band.rows * k.Out[2] {
			k.copyBand(scratch, a.In[0].Data[image*k.InSize()*k.ic:], m0/k.Out[2])
			args.C = a.Out.Data[first+m0*k.pitch:]
			k.other(a, &args, first+m0*k.pitch)
			k.gemm.Run(&args, 0, min(m1-m0, k.band.rows*k.Out[2]), n0, n1)
		}
		return
	}
	table := tensor.CastSlice[int32](scratch[:k.tableBytes])
	args.Cut = k.gemm.Even(m1 - m0)
	k.window.FillRows(table, k.gemm.MR, args.Cut, m0, m1)
	args.A, args.Rows = a.In[0].Data[image*k.InSize()*k.ic+group*k.icg:], table
	args.C = a.Out.Data[first+m0*k.pitch:]
	k.other(a, &args, first+m0*k.pitch)
	k.gemm.Run(&args, 0, m1-m0, n0, n1)
}

// other is the other operand of a sum (see ConvAdd), which lies as the result does.
func (k *convGemmInt) other(a *Args, args *kern.GemmI8Args, at int) {
	if args.Sum != nil {
		args.Res = a.In[1].Data[at:]
	}
}

// convDepthwiseInt is one filter a channel, vectors over channels. Tasks are
// bands of output rows.
type convDepthwiseInt struct {
	*convSpec
	args  kern.DWI8Args // but for In and Out
	band  int           // output rows of a task
	bands int

	scratch int // bytes of a worker
}

func (c *Conv) prepareDepthwiseInt(p *Prep, s *convSpec, x *tensor.Spec, rq requant) *convDepthwiseInt {
	w := p.Params[0]
	taps := s.Taps()
	turned := make([]byte, len(w.Data)) // [taps][c]
	for ch := range s.oc {
		for t := range taps {
			turned[t*s.oc+ch] = w.Data[ch*taps+t]
		}
	}
	var bias []int32
	if s.bias {
		bias = i32(&p.Params[1])
	}
	_, zx := x.Quant.At(0)
	k := &convDepthwiseInt{convSpec: s, args: kern.DWI8Args{
		InSigned: x.DType == tensor.I8, InZero: zx, H: s.In[1], W: s.In[2], C: s.oc, Pixel: s.ic,
		Weights: kern.PackDWI8(turned, taps, s.oc, w.DType == tensor.I8, w.Quant.Zero, bias, rq.scale),
		KH:      s.Kernel[1], KW: s.Kernel[2], SH: s.Stride[1], SW: s.Stride[2], DH: s.Dilation[1], DW: s.Dilation[2],
		PT: s.PadLo[1], PL: s.PadLo[2], OH: s.Out[1], OW: s.Out[2], OutPixel: outPitch(p.OutPitch, s.oc),
		OutZero: rq.zero, Lo: rq.lo, Hi: rq.hi,
	}}
	k.args.Quads = k.args.NewQuads()
	k.bands = 1
	if threads := max(1, p.Threads); s.n < 4*threads {
		k.bands = parts(depthwiseMACsInt()*s.OutSize()*s.oc*taps, taskMACs, threads)
	}
	k.band = (s.Out[1] + k.bands - 1) / k.bands
	k.bands = (s.Out[1] + k.band - 1) / k.band
	k.scratch = roundUp(k.args.ScratchSize(), 64)
	slots := max(1, p.Threads)
	if s.n*k.bands == 1 {
		slots = 1
	}
	p.NeedScratch(k.scratch * slots)
	if p.Path("depthwise/int"); k.args.Quads != nil {
		p.Path("depthwise/quads")
	}
	return k
}

func (k *convDepthwiseInt) Run(a *Args) { a.Parallel(k.n*k.bands, k) }

// Do computes a band of one image.
func (k *convDepthwiseInt) Do(a *Args, i, worker int) {
	n, band := i/k.bands, i%k.bands
	args := k.args
	args.Scratch = a.Scratch[worker*k.scratch : (worker+1)*k.scratch]
	args.In = a.In[0].Data[n*k.InSize()*k.ic:]
	args.Out = a.Out.Data[n*k.OutSize()*args.OutPixel:]
	args.Run(band*k.band, min((band+1)*k.band, k.Out[1]))
}
