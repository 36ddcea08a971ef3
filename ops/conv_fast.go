package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// prepareFast picks a packed kernel.
func (c *Conv) prepareFast(p *Prep, s *convSpec) (Kernel, error) {
	if s.isDepthwise() {
		return c.prepareDepthwise(p, s), nil
	}
	if k := c.prepareDepthwiseDepth(p, s); k != nil {
		return k, nil
	}
	if !p.Training {
		if k := c.prepareWinograd(p, s); k != nil {
			return k, nil
		}
	}
	if k := c.prepareStride2(p, s); k != nil {
		return k, nil
	}
	if k := c.prepareStem(p, s); k != nil {
		return k, nil
	}
	if p.Halves != nil {
		if k := p.Halves(c, p, s); k != nil {
			return k, nil
		}
	}
	if k := c.prepareGrouped(p, s); k != nil {
		return k, nil
	}
	if k := c.prepareBands(p, s); k != nil {
		return k, nil
	}
	return c.prepareGemm(p, s), nil
}

// fuseTapsBelow is the number of channels under which the taps of a kernel row
// are worth joining into one (see convGemm.padded): a tap of 3 floats spends
// more on its pointers than on its products.
const fuseTapsBelow = 16

// convGemm is convolution as an indirect matrix product: rows are output
// positions, columns output channels, the depth taps times input channels.
// The patches are never stored; a table of offsets, written per task, says
// where each row finds its taps.
type convGemm struct {
	*convSpec
	gemm     *kern.GemmF32
	pairs    *kern.PairF32 // in place of gemm's product, of the same tiles; or nil
	weight   tensor.Tensor
	packed   []float32 // one block a group
	group    int       // floats of packed a group takes
	bias     []float32
	lo, hi   float32
	act      *Act // an activation that is no clamp, applied to stored rows
	residual bool
	pitch    int

	direct bool // taps 1: rows of A are regular, no table
	// padded: the input is first copied with its padding, so that the taps of
	// one kernel row are neighbours and count as one. Few channels only.
	padded      bool
	padW        [MaxSpatial]int // extents of the padded copy
	window      kern.Window
	twinShift   int // see twin; 0 without
	taps, kc    int
	rows        int // rows of one product: an image's, or the batch's if direct
	images      int // products a group
	rowChunk    int // rows of one task
	rowChunks   int
	colChunk    int
	colChunks   int
	table       []int32 // the offsets of all rows, where they are few; or nil
	tableInts   int     // entries of one worker's offset table otherwise
	pairFloats  int     // of one worker's room for rows in the form of pairs
	paddedFloat int     // floats of one image's padded copy

	copyTask convPadTask
}

func (c *Conv) prepareGemm(p *Prep, s *convSpec) *convGemm {
	k := c.newConvGemm(p, s, p.Choice.gemm(kern.SelectGemmF32For(s.ocg)))
	k.group = k.gemm.PackedSize(k.ocg, k.taps*k.kc)
	layout, path := "conv/"+k.gemm.Name, "igemm/"+k.gemm.Name
	switch {
	case k.twin(p):
		layout, path = "twin/"+k.gemm.Name, "twin/"+k.gemm.Name
	case k.byPairs(p):
		layout, path = fmt.Sprintf("pairs/%dx%d", k.taps, k.kc), "pairs/"+k.gemm.Name
	}
	k.pack(p, layout)
	k.split(max(1, p.Threads), p.ScratchBudget, p.Choice.Cut)
	if n := k.chunkTable(); !k.direct && 4*n*k.rowChunks <= keptTable {
		k.table, k.tableInts = make([]int32, n*k.rowChunks), 0
		for i := range k.rowChunks {
			m := i * k.rowChunk
			k.fillRows(k.table[i*n:], m, min(k.rows, m+k.rowChunk))
		}
	}
	p.NeedScratch(4*(k.tableInts+k.pairFloats)*max(1, p.Threads) + 4*k.paddedFloat*k.n)
	p.Path(path + p.Choice.suffix(0))
	return k
}

func (k *convGemm) pack(p *Prep, layout string) {
	packed := p.PackParts(&k.weight, layout, 4*k.group*k.groups, k.packParts(), func(dst []byte, part int, buf *packBuffer) {
		k.packPart(tensor.CastSlice[float32](dst), part, buf)
	})
	k.packed = tensor.CastSlice[float32](packed)
}

// keptTable is bytes of a table that are worth keeping: writing them takes
// a tenth of a small layer's time.
const keptTable = 16 << 10

// byPairs turns to products by pairs where they are the faster ones and two
// workers have room for their rows. A layer whose taps a budget decides to join
// is left out: its rounding must not depend on that.
func (k *convGemm) byPairs(p *Prep) bool {
	if p.Exact || p.Training || p.Choice.Plain || p.Choice.Panels != 0 || k.joinsTaps() {
		return false
	}
	pairs, gemm := kern.NewPairF32(k.taps, k.kc, k.ocg), kern.SelectGemmF32()
	if pairs == nil || !pairs.Fits(gemm) || p.FormBudget > 0 && 8*pairs.ScratchSize(1, 1)*k.n > p.FormBudget {
		return false
	}
	k.pairs, k.gemm = pairs, gemm
	k.group = pairs.PackedSize(k.ocg)
	k.pairFloats = pairs.ScratchSize(k.rows, k.ocg)
	if room := p.ScratchBudget / (8 * max(1, p.Threads)); p.ScratchBudget > 0 { // half of the room, but what must be
		k.pairFloats = min(k.pairFloats, max(room, pairs.ScratchSize(1, 1)))
	}
	k.pairFloats = roundUp(k.pairFloats, 16)
	return true
}

// newConvGemm is everything but the packed weights and the tasks.
func (c *Conv) newConvGemm(p *Prep, s *convSpec, gemm *kern.GemmF32) *convGemm {
	k := &convGemm{convSpec: s, gemm: gemm, weight: p.Params[0], residual: c.Residual, pitch: outPitch(p.OutPitch, s.oc)}
	if s.bias {
		k.bias = f32(&p.Params[1])
	}
	k.lo, k.hi, k.act = c.Act.limits()
	k.layout(p.ScratchBudget)
	return k
}

// layout decides how rows of A are found, with room bytes of scratch (0: any).
// Padding in place of a table's marks changes no sum.
func (k *convGemm) layout(room int) {
	g := &k.Geom
	k.window = kern.Window{In: g.In, Out: g.Out, Kernel: g.Kernel, Stride: g.Stride, Dilation: g.Dilation, Pad: g.PadLo, Pixel: k.ic}
	k.taps, k.kc = g.Taps(), k.icg
	k.rows, k.images = g.OutSize(), k.n
	switch {
	case g.Pointwise():
		k.direct = true
		k.rows, k.images = g.OutSize()*k.n, 1
	case k.joinsTaps():
		for i := range k.padW {
			// What the last window reaches, which may be less than all padding.
			k.padW[i] = (g.Out[i]-1)*g.Stride[i] + (g.Kernel[i]-1)*g.Dilation[i] + 1
		}
		copied := roundUp(k.padW[0]*k.padW[1]*k.padW[2]*k.ic, 16)
		if room > 0 && 4*copied*k.n > room {
			return
		}
		k.padded, k.paddedFloat = true, copied
		k.window.In, k.window.Pad = k.padW, [3]int{}
		k.window.Kernel[2] = 1
		k.taps, k.kc = g.Kernel[0]*g.Kernel[1], g.Kernel[2]*k.ic
		k.copyTask.k = k
	}
}

// joinsTaps says that the taps of a kernel row should be one.
//
//go:noinline
func (k *convGemm) joinsTaps() bool {
	return k.groups == 1 && k.ic < fuseTapsBelow && k.Kernel[2] > 1 && k.Dilation[2] == 1 && k.Kernel[2]*k.ic <= kern.MaxTap
}

//go:noinline
func roundUp(n, to int) int { return (n + to - 1) / to * to }

// cacheBytes of weights stay in the second-level cache while rows pass.
const cacheBytes = 512 << 10

// rowWorkers is how many workers may each read all weights of a 1x1 layer,
// and rowsEach how many rows each must have at least for them to be asked for in
// time. Cut along columns, every worker reads all rows, half of which
// another wrote to a cache of its own.
const rowWorkers, rowsEach = 2, 42

// split cuts the product into tasks: along rows while the weights fit the
// cache or are asked for ahead, along columns when they do not. Where the cuts
// are does not change a bit of the result. room bounds the scratch where it can,
// 0 where there is no bound; cut is a Choice's.
func (k *convGemm) split(threads, room, cut int) {
	if k.padded {
		k.copyTask.split(threads)
	}
	depth := k.taps * k.kc
	mr, nr := k.gemm.MR, k.gemm.NR
	tiles, panels := (k.rows+mr-1)/mr, (k.ocg+nr-1)/nr
	k.rowChunk, k.colChunk = k.rows, panels
	want := 1 // tasks of one product
	if k.images*k.groups < 4*threads {
		want = parts(k.rows*k.ocg*depth, taskMACs, threads)
	}
	columns := (4*depth*k.ocg > cacheBytes || tiles < want) && panels >= want
	if k.taps == 1 && threads <= rowWorkers && k.rows > rowsEach*threads && k.gemm.AheadPays() {
		columns = false
	}
	if cut != 0 {
		columns = cut == CutColumns
	}
	if columns {
		k.colChunk = (panels + want - 1) / want
		if nr <= 16 && k.gemm.AheadPays() { // AVX2, where it was measured
			k.colChunk = alike(panels, k.colChunk, threads)
		}
	} else {
		k.rowChunk = (k.rows + want - 1) / want
		// A table for many rows would push the weights out of the cache.
		k.rowChunk = min(k.rowChunk, mr*max(8, (64<<10)/(4*mr*k.taps)))
	}
	if room > 0 && !k.direct { // each worker has a table
		table := (room-4*k.paddedFloat*k.n)/threads - 64 - 4*k.pairFloats
		k.rowChunk = min(k.rowChunk, mr*max(1, table/(4*kern.RowsSize(mr, mr, k.taps))))
	}
	k.colChunk *= nr
	k.rowChunks = (k.rows + k.rowChunk - 1) / k.rowChunk
	k.colChunks = (k.ocg + k.colChunk - 1) / k.colChunk
	if !k.direct {
		k.tableInts = roundUp(kern.RowsSize(mr, k.rowChunk, k.taps), 16)
	}
}

// packPanels is how many panels of columns are packed at once.
const packPanels = 2

// packParts is the number of parts that the weights are packed in.
//
//go:noinline
func (k *convGemm) packParts() int {
	n := packPanels * k.gemm.NR
	return k.groups * ((k.ocg + n - 1) / n)
}

// columns are those of a part: n of group g from n0.
func (k *convGemm) columns(part int) (g, n0, n int) {
	parts := k.packParts() / k.groups
	g, n0 = part/parts, part%parts*packPanels*k.gemm.NR
	return g, n0, min(packPanels*k.gemm.NR, k.ocg-n0)
}

func (k *convGemm) packPart(dst []float32, part int, buf *packBuffer) {
	if k.twinShift > 0 {
		k.packTwin(dst, buf)
		return
	}
	g, n0, n := k.columns(part)
	depth := k.taps * k.kc
	w := weightRows(&k.weight, g*k.ocg+n0, g*k.ocg+n0+n, buf)
	if k.pairs != nil {
		k.pairs.Pack(dst[g*k.group+k.pairs.PackedSize(n0):], w, n, depth)
		return
	}
	k.gemm.Pack(dst[g*k.group+n0*depth:], w, n, depth, depth)
}

// Repack packs changed weights again.
func (k *convGemm) Repack(*Args) {
	for i := range k.packParts() {
		k.packPart(k.packed, i, nil)
	}
}

func (k *convGemm) Run(a *Args) {
	if k.padded {
		a.Parallel(k.copyTask.parts, &k.copyTask)
	}
	a.Parallel(k.images*k.groups*k.rowChunks*k.colChunks, k)
}

// convTask is some rows and columns of one group of one image.
type convTask struct{ group, image, m0, m1, n0, n1 int }

func (k *convGemm) task(i int) (t convTask) {
	col := i % k.colChunks
	i /= k.colChunks
	row := i % k.rowChunks
	i /= k.rowChunks
	t.group, t.image = i%k.groups, i/k.groups
	t.m0 = row * k.rowChunk
	t.m1 = min(k.rows, t.m0+k.rowChunk)
	t.n0 = col * k.colChunk
	t.n1 = min(k.ocg, t.n0+k.colChunk)
	return t
}

// Do computes one task.
func (k *convGemm) Do(a *Args, i, worker int) {
	t := k.task(i)
	group, image, m0, m1, n0, n1 := t.group, t.image, t.m0, t.m1, t.n0, t.n1
	out := f32(&a.Out)
	first := (image*k.rows)*k.pitch + group*k.ocg // of this product's output
	args := kern.GemmF32Args{
		Taps: k.taps, KC: k.kc, N: k.ocg, B: k.packed[group*k.group : (group+1)*k.group],
		Min: k.lo, Max: k.hi, LDC: k.pitch,
	}
	if k.bias != nil {
		args.Bias = k.bias[group*k.ocg : (group+1)*k.ocg]
	}
	if c := pool.After(i%k.colChunks, worker); c >= 0 && c < k.colChunks && k.rowChunks == 1 && k.pairs == nil {
		args.Next = args.B[c*k.colChunk*k.taps*k.kc:]
	}
	each := k.tableInts + k.pairFloats // of a worker's scratch
	room := tensor.CastSlice[float32](a.Scratch)[worker*each:][:each]
	if k.direct {
		x := f32(&a.In[0])
		args.A, args.LDA = x[group*k.icg:], k.ic
		args.C = out[first:]
		if k.residual {
			args.Res, args.LDR = f32(&a.In[1])[group*k.ocg:], k.oc
		}
		k.product(&args, room[k.tableInts:], m0, m1, n0, n1)
	} else {
		table := k.table
		if table != nil {
			table = table[m0/k.rowChunk*k.chunkTable():]
		} else {
			table = tensor.CastSlice[int32](a.Scratch)[worker*each:][:k.tableInts]
			k.fillRows(table, m0, m1)
		}
		args.A, args.Rows, args.Cut = k.image(a, image)[group*k.icg:], table, k.cut(m1-m0)
		args.C = out[first+m0*k.pitch:]
		if k.residual {
			args.Res, args.LDR = f32(&a.In[1])[(image*k.rows+m0)*k.oc+group*k.ocg:], k.oc
		}
		k.product(&args, room[k.tableInts:], 0, m1-m0, n0, n1)
	}
	k.act.rows(out[first+m0*k.pitch+n0:], m1-m0, n1-n0, k.pitch)
}

// chunkTable is the entries of the table of a task.
func (k *convGemm) chunkTable() int { return kern.RowsSize(k.gemm.MR, k.rowChunk, k.taps) }

// cut is how a table of m rows is.
func (k *convGemm) cut(m int) kern.Tiles {
	if k.pairs != nil {
		return kern.Tiles{}
	}
	return k.gemm.Even(m)
}

// fillRows writes the offsets of rows m0 to m1.
func (k *convGemm) fillRows(table []int32, m0, m1 int) {
	k.window.FillRows(table, k.gemm.MR, k.cut(m1-m0), m0, m1)
}

// product runs in room of k.pairFloats.
func (k *convGemm) product(args *kern.GemmF32Args, room []float32, m0, m1, n0, n1 int) {
	if k.pairs != nil {
		k.pairs.Run(args, room, m0, m1, n0, n1)
		return
	}
	k.gemm.Run(args, m0, m1, n0, n1)
}

// image is where offsets of one image start: the input, or its padded copy.
func (k *convGemm) image(a *Args, n int) []float32 {
	if !k.padded {
		return f32(&a.In[0])[n*k.InSize()*k.ic:]
	}
	return k.paddedCopies(a)[n*k.paddedFloat : (n+1)*k.paddedFloat]
}

// paddedCopies follows the workers' tables in the scratch.
func (k *convGemm) paddedCopies(a *Args) []float32 {
	s := tensor.CastSlice[float32](a.Scratch)
	return s[len(s)-k.paddedFloat*k.n:]
}

// actRow applies an activation that kernels do not fuse to stored results.
func actRow(act *Act, y []float32) { unaryRow(act.Fn, act.A, act.B, y, y) }
