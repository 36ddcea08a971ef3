package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

var useConvPool = true

func init() { cpu.Register("conv/pool", &useConvPool) }

const (
	// poolBand is the bytes of a convolution's result that wait for their pool
	// where windows overlap: with the input's rows they stay in a second-level
	// cache.
	poolBand = 256 << 10
	// poolPiece is as much where they do not: half of a first-level cache.
	poolPiece = 24 << 10
	// poolLeast is the bytes of a result that is worth keeping out of memory.
	poolLeast = 256 << 10
)

// convPool is a convolution and the maximum pool behind it, computed band by
// band of the pool's rows, so that what the convolution makes, most of what the
// two write, is nowhere whole. Where windows do not overlap it goes in pieces of
// one row of them, which stay in the first-level cache; where they do, rows that
// two bands need are kept, or computed again where another worker had them. The
// bits are those of the two one by one.
type convPool struct {
	conv   bandConv
	pool   kern.PoolF32Args // of a whole image
	n, oc  int
	in     [2]int // rows and columns of the convolution's result
	pieces bool
	cols   int // columns of pool windows in a piece
	band   int // pool rows of a band
	part   int // pool rows of a task: whole bands
	parts  int // of an image's rows of windows
	spans  int // of each of them: columns; parts times spans are the tasks of an image
	floats int // of a worker's scratch
	room   int // where in it the convolution has its own
}

// bandConv is a convolution that computes any rows and columns of its result.
type bandConv interface {
	// bandAlign is what rows start and, but for the last, end at a multiple of.
	// More than 1 means whole rows.
	bandAlign() int
	// bandScratch is the floats that rows rows of results need.
	bandScratch(rows int) int
	// bandOpen makes room, of bandScratch floats, ready for rows r0 to r1 of image n.
	bandOpen(a *Args, room []float32, n, r0, r1 int)
	// bandRun computes rows y0 to y1 of those, columns x0 to x1, densely into out.
	// All calls but those of the last columns have the same number of them.
	bandRun(a *Args, room []float32, n, r0, y0, y1, x0, x1 int, out []float32)
}

// PoolConv prepares a convolution and a pool that alone reads its result as one
// step, whose inputs are the convolution's; pc and pp are their preparations. A
// nil kernel says that they are better computed one after the other.
func PoolConv(c *Conv, o *Pool, pc, pp *Prep) Kernel {
	s, x, err := c.resolve(pc.In, Specs(pc.Params))
	if !useConvPool || err != nil || x.DType != tensor.F32 || len(pc.Params) == 0 || c.Residual || s.groups != 1 || s.Kernel[0] != 1 || s.In[0] != 1 ||
		s.Out[0] != 1 || pc.Reference || pc.Training || pc.Precision != PrecisionF32 || o.Fn != PoolMax || o.Output != 0 || o.Act.Fn != UnaryNone {
		return nil
	}
	g, err := o.Resolve(KindPool, pc.Out.Shape, nil)
	if err != nil || g.Kernel[0] != 1 || pc.Out.DType != tensor.F32 {
		return nil
	}
	if k := c.poolWinograd(pc, pp, s, &g); k != nil {
		return k
	}
	if pc.Out.Bytes() < poolLeast*s.n {
		return nil
	}
	reach := (g.Kernel[1]-1)*g.Dilation[1] + 1                                  // rows that a row of windows sees
	if g.PadLo[1] >= reach || (g.Out[1]-1)*g.Stride[1]-g.PadLo[1] >= s.Out[1] { // some row would see padding alone
		return nil
	}
	k := &convPool{n: s.n, oc: s.oc, in: [2]int{s.Out[1], s.Out[2]}, pool: o.args(&g, s.oc, outPitch(pp.OutPitch, s.oc))}
	align := 1
	stem := c.newStem(pc, s)
	if stem != nil {
		k.conv = stemBands{stem}
		align = k.conv.bandAlign()
	}
	k.pieces = stem == nil && g.PadLo[1] == 0 && g.PadLo[2] == 0 && reach <= g.Stride[1] && (g.Kernel[2]-1)*g.Dilation[2] < g.Stride[2] &&
		(g.Out[2]-1)*g.Stride[2]+(g.Kernel[2]-1)*g.Dilation[2] < s.Out[2]
	threads := max(1, pp.Threads)
	k.part = g.Out[1]
	if threads > 1 {
		tasks := 2 * threads
		if k.pieces { // nothing is computed again
			tasks *= 2
		}
		k.part = (g.Out[1] + tasks - 1) / tasks
	}
	room := poolBand
	if pp.ScratchBudget > 0 {
		room = min(room, pp.ScratchBudget/threads)
	}
	rows, width, last := reach, s.Out[2], s.Out[2] // of results that wait at once
	if k.pieces {
		across := (g.Kernel[2]-1)*g.Dilation[2] + 1
		k.cols = max(1, poolPiece/(4*s.oc*reach*g.Stride[2]))
		whole := (g.Out[2] + k.cols - 1) / k.cols
		k.cols = (g.Out[2] + whole - 1) / whole
		k.band = min(k.part, max(1, 16/g.Stride[1]))
		width = (k.cols-1)*g.Stride[2] + across
		last = (g.Out[2]-(whole-1)*k.cols-1)*g.Stride[2] + across
	} else {
		k.cols = g.Out[2]
		k.band = min(k.part, max(1, (room/(4*width*s.oc)-reach-align+1)/g.Stride[1]+1))
		rows = min(s.Out[1], (k.band-1)*g.Stride[1]+reach+2*(align-1))
	}
	k.room = roundUp(rows*width*s.oc, 16)
	k.parts, k.spans = (g.Out[1]+k.part-1)/k.part, 1
	if k.pieces && k.parts < threads { // a sound is one row
		k.spans = min(threads, (g.Out[2]+k.cols-1)/k.cols)
	}
	if k.conv == nil {
		bands := c.prepareGemmBands(pc, s, rows, width, last)
		if bands == nil {
			return nil
		}
		k.conv = bands
	}
	k.floats = roundUp(k.room+k.conv.bandScratch(min(s.Out[1], (k.band-1)*g.Stride[1]+reach)), 16)
	pp.NeedScratch(4 * k.floats * threads)
	pp.Path("pooled/" + pc.path)
	return k
}

// poolWinograd is a convolution by F(4x4, 3x3) whose tiles, which hold whole
// windows of 2x2, are pooled in registers before they are stored; nil where
// either is another one. A window of padding and a result by halves is none, and
// a budget for each node might be met at one call and not at the next.
func (c *Conv) poolWinograd(pc, pp *Prep, s *convSpec, g *Geom) Kernel {
	one, two := [MaxSpatial]int{1, 1, 1}, [MaxSpatial]int{1, 2, 2}
	_, _, act := c.Act.limits()
	if act != nil || pc.MemoryBudget > 0 || g.Kernel != two || g.Stride != two || g.Dilation != one ||
		g.PadLo != [MaxSpatial]int{} || g.Out[1] != s.Out[1]/2 || g.Out[2] != s.Out[2]/2 {
		return nil
	}
	pc.ScratchBudget = pp.ScratchBudget
	k := c.prepareWinograd(pc, s)
	if k == nil || !k.w.CanPool() {
		return nil
	}
	k.w.Pooled, k.w.OutPixel = true, outPitch(pp.OutPitch, s.oc)
	pp.NeedScratch(pc.scratch)
	pp.Path("pooled/" + pc.path)
	return k
}

func (k *convPool) Run(a *Args) { a.Parallel(k.n*k.parts*k.spans, k) }

// see is the rows of the convolution's result that pool rows p0 to p1 see.
func (k *convPool) see(p0, p1 int) (r0, r1 int) {
	r0 = max(0, p0*k.pool.SH-k.pool.PT)
	return r0, min(k.in[0], (p1-1)*k.pool.SH-k.pool.PT+(k.pool.KH-1)*k.pool.DH+1)
}

// Do computes the bands of one task.
func (k *convPool) Do(a *Args, i, worker int) {
	span := i % k.spans
	n, part := i/k.spans/k.parts, i/k.spans%k.parts
	scratch := tensor.CastSlice[float32](a.Scratch)[worker*k.floats : (worker+1)*k.floats]
	wait, room := scratch[:k.room], scratch[k.room:]
	out := f32(&a.Out)[n*k.pool.OH*k.pool.OW*k.pool.OutPixel:]
	end := min(k.pool.OH, (part+1)*k.part)
	align, line := k.conv.bandAlign(), k.in[1]*k.oc
	have0, have1 := 0, 0 // rows that wait
	for p0 := part * k.part; p0 < end; p0 += k.band {
		p1 := min(end, p0+k.band)
		r0, r1 := k.see(p0, p1)
		if k.pieces {
			k.conv.bandOpen(a, room, n, r0, r1)
			for p := p0; p < p1; p++ {
				k.row(a, n, r0, p, span, wait, room, out[p*k.pool.OW*k.pool.OutPixel:])
			}
			continue
		}
		if kept := have1 - r0; r0 >= have0 && kept > 0 {
			copy(wait, wait[(r0-have0)*line:(have1-have0)*line])
			have0 = r0
		} else {
			have0 = r0 - r0%align
			have1 = have0
		}
		if have1 < r1 {
			until := min(k.in[0], roundUp(r1, align))
			k.conv.bandOpen(a, room, n, have1, until)
			k.conv.bandRun(a, room, n, have1, have1, until, 0, k.in[1], wait[(have1-have0)*line:])
			have1 = until
		}
		args := k.pool
		args.In, args.Out = wait[(r0-have0)*line:], out[p0*args.OW*args.OutPixel:]
		args.H, args.OH, args.PT = r1-r0, p1-p0, args.PT+r0-p0*args.SH
		args.Run(0, args.OH)
	}
}

// row is a span of pool row p, piece by piece; room is open from row r0 on.
func (k *convPool) row(a *Args, n, r0, p, span int, wait, room, out []float32) {
	args := k.pool
	y0, y1 := k.see(p, p+1)
	args.H, args.OH = y1-y0, 1
	pieces := (k.pool.OW + k.cols - 1) / k.cols
	for i := pieces * span / k.spans; i < pieces*(span+1)/k.spans; i++ {
		q0 := i * k.cols
		args.OW = min(k.cols, k.pool.OW-q0)
		x0 := q0 * args.SW
		args.W = (args.OW-1)*args.SW + (args.KW-1)*args.DW + 1
		k.conv.bandRun(a, room, n, r0, y0, y1, x0, x0+args.W, wait)
		args.In, args.Out = wait, out[q0*args.OutPixel:]
		args.Run(0, 1)
	}
}

// gemmBands is a first layer by bands: the rows of padded input that a band
// sees are copied, and one table of offsets serves all places in them.
type gemmBands struct {
	*convGemm
	cols   int     // columns of a call, or of the last
	table  []int32 // of as many rows as there may be, of cols columns
	narrow []int32 // of as many columns as the last call has
}

// prepareGemmBands is for up to rows rows of results at once, cols columns of
// them or the last last ones; nil where another way is better.
func (c *Conv) prepareGemmBands(p *Prep, s *convSpec, rows, cols, last int) *gemmBands {
	k := c.newGemmBands(p, s, cols)
	if !k.padded || s.oc < fewColumns || p.Choice.Winograd > 0 {
		return nil
	}
	if last != cols {
		k.narrow = k.offsets(rows, last)
	}
	k.prepare(p, rows)
	return k
}

// newGemmBands is without weights and table: no budget is for a copy that it does without.
func (c *Conv) newGemmBands(p *Prep, s *convSpec, cols int) *gemmBands {
	return &gemmBands{convGemm: c.newConvGemm(&Prep{Params: p.Params}, s, p.Choice.gemm(kern.SelectGemmF32For(s.ocg))), cols: cols}
}

// prepare packs the weights and fills the table.
func (k *gemmBands) prepare(p *Prep, rows int) {
	k.group = k.gemm.PackedSize(k.ocg, k.taps*k.kc)
	k.pack(p, "conv/"+k.gemm.Name)
	k.table = k.offsets(rows, k.cols)
	p.Path("igemm/" + k.gemm.Name)
}

// fewColumns may go two outputs at a time; see twin.
const fewColumns = 16

// offsets is the table of so many rows and columns of results.
func (k *gemmBands) offsets(rows, cols int) []int32 {
	w := k.window
	w.Out = [3]int{1, rows, cols}
	t := make([]int32, kern.RowsSize(k.gemm.MR, rows*cols, k.taps))
	w.In[1] = math.MaxInt32 // rows to come
	w.FillRows(t, k.gemm.MR, kern.Tiles{}, 0, rows*cols)
	return t
}

// lines is the rows of input under so many of results.
func (k *gemmBands) lines(rows int) int {
	return (rows-1)*k.Stride[1] + (k.Kernel[1]-1)*k.Dilation[1] + 1
}

func (k *gemmBands) bandAlign() int { return 1 }

func (k *gemmBands) bandScratch(rows int) int { return k.lines(rows) * k.padW[2] * k.ic }

func (k *gemmBands) bandOpen(a *Args, room []float32, n, r0, r1 int) {
	src := f32(&a.In[0])[n*k.InSize()*k.ic:]
	line := k.padW[2] * k.ic
	for i := range k.lines(r1 - r0) {
		k.padLine(room[i*line:][:line], src, r0*k.Stride[1]+i)
	}
}

func (k *gemmBands) bandRun(_ *Args, room []float32, _, r0, y0, y1, x0, x1 int, out []float32) {
	table := k.table
	if x1-x0 != k.cols {
		table = k.narrow
	}
	args := kern.GemmF32Args{
		A: room[((y0-r0)*k.Stride[1]*k.padW[2]+x0*k.Stride[2])*k.ic:], Rows: table, Taps: k.taps, KC: k.kc,
		B: k.packed, N: k.oc, Bias: k.bias, C: out, LDC: k.pitch, Min: k.lo, Max: k.hi,
	}
	m := (y1 - y0) * (x1 - x0)
	k.gemm.Run(&args, 0, m, 0, k.oc)
	k.act.rows(out, m, k.oc, k.pitch)
}
