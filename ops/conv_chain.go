package ops

import (
	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

var useConvChain = true

func init() { cpu.Register("conv/chain", &useConvChain) }

// chainBytes is what the bands between the convolutions of a chain may take:
// half of a small second-level cache, beside the weights.
const chainBytes = 320 << 10

// chainWeights is the most that a chain's weights may take, as every band
// reads them again.
const chainWeights = 512 << 10

// convChain is a depthwise convolution with the pointwise ones before and after
// it, computed band by band of output rows, so that what lies between them
// never leaves the cache and is nowhere whole. Rows that two bands need are
// kept, or computed again where another worker had them. The bits are those of
// the convolutions one by one.
type convChain struct {
	expand  *convGemm // or nil
	dw      *convDepthwise
	project *convGemm      // or nil
	band    int            // output rows of a band
	part    int            // output rows of a task: whole bands
	parts   int            // tasks of an image
	rows    int            // rows of expanded input a worker has room for
	wide    int            // floats of those
	floats  int            // of a worker's scratch
	room    int            // where in it products by pairs have theirs
	plans   []*kern.DWPlan // of small layers, a band each; or nil
}

// sharedWeights is the most that the weights of a small chain may take, as all
// workers read them.
const sharedWeights = 256 << 10

// chainShares is how many parts a depthwise convolution and the pointwise one behind
// it are best cut into, where one core's cache would hold everything: of several
// workers each then reads what it wrote, and they wait for each other once.
func chainShares(s *[3]*convSpec, weights, threads int) int {
	dw, project := s[1], s[2]
	if s[0] != nil || project == nil || weights > sharedWeights || dw.n >= 4*threads || dw.Out[1] < 2*threads {
		return 1
	}
	return parts(project.OutSize()*project.oc*project.ic+depthwiseMACs*dw.OutSize()*dw.oc*dw.Taps(), taskMACs, threads)
}

// bandArgs is the depthwise convolution of output rows y0 to y1, from row r0 of its input, which is where In is to
// start.
func (k *convChain) bandArgs(y0, y1 int) (args kern.DWF32Args, r0 int) {
	g := &k.dw.Geom
	r0 = max(0, y0*g.Stride[1]-g.PadLo[1])
	r1 := min(g.In[1], (y1-1)*g.Stride[1]-g.PadLo[1]+(g.Kernel[1]-1)*g.Dilation[1]+1)
	args = k.dw.args
	args.H, args.PT = r1-r0, args.PT+r0-y0*g.Stride[1]
	args.OH = y1 - y0
	return args, r0
}

// chained is a chain that can be one step: what its convolutions are, and what it takes.
type chained struct {
	s                [3]*convSpec
	last             *Prep // of the last convolution: the step's
	between, weights int   // bytes of what lies between the convolutions, and of the pointwise ones' weights
}

// newChained checks that convolutions are of the kinds that a chain has.
func newChained(convs [3]*Conv, p [3]*Prep) (c chained, ok bool) {
	c.last = p[1]
	for i, op := range convs {
		if op == nil {
			continue
		}
		var x *tensor.Spec
		var err error
		if c.s[i], x, err = op.resolve(p[i].In, Specs(p[i].Params)); err != nil || x.DType != tensor.F32 || len(p[i].Params) == 0 ||
			p[i].Reference || p[i].Training || p[i].Precision != PrecisionF32 {
			return c, false
		}
		if s := c.s[i]; i == 1 && (!s.isDepthwise() || op.Residual) || i != 1 && (!s.Pointwise() || s.groups != 1) || i == 0 && op.Residual {
			return c, false
		}
		if i < 2 && (convs[2] != nil || i == 0) {
			c.between += p[i].Out.Bytes()
		}
		if i != 1 {
			c.weights += p[i].Params[0].Bytes()
		}
		c.last = p[i]
	}
	return c, true
}

// ChainConvs prepares a pointwise convolution, a depthwise one, and a pointwise
// one as one step; the first or the last may be nil. p are their preparations,
// nil where they are. Each reads the one before and nothing else, but that the
// last may add a residual. The step's inputs are the first's, and the residual.
// A nil kernel says that they are better computed one by one.
func ChainConvs(convs [3]*Conv, p [3]*Prep) Kernel {
	if !useConvChain {
		return nil
	}
	c, ok := newChained(convs, p)
	if !ok {
		return nil
	}
	s, last, threads := &c.s, c.last, max(1, c.last.Threads)
	g := &s[1].Geom
	reach := (g.Kernel[1]-1)*g.Dilation[1] + 1 // rows of input under one of output
	small := c.between/s[1].n <= chainBytes    // what lies between stays in a cache: of one core, where there are several
	shares := chainShares(s, c.weights, threads)
	if small && shares == 1 || c.weights > chainWeights ||
		g.PadLo[1] >= reach || (g.Out[1]-1)*g.Stride[1]-g.PadLo[1] >= g.In[1] { // some row would see padding alone
		return nil
	}
	k := &convChain{dw: convs[1].prepareDepthwise(p[1], s[1])}
	if convs[0] != nil {
		k.expand = convs[0].prepareGemm(p[0], s[0])
	}
	if convs[2] != nil {
		k.project = convs[2].prepareGemm(p[2], s[2])
	}
	if !k.cut(last.ScratchBudget, threads, reach) {
		return nil
	}
	k.share(small, shares, threads, reach)
	form := k.rooms(reach)
	if f := last.FormBudget; small && form != "" && f > 0 && 4*k.floats*threads > f {
		return nil // no room for rows in pairs
	}
	if small && k.dw.plans != nil {
		k.plan()
	}
	last.NeedScratch(4 * k.floats * threads)
	last.Path("chain/" + form + kern.SelectGemmF32().Name)
	return k
}

// cut chooses the rows of a band, for which all threads together may take budget bytes (0:
// any number). It is false where bands would be too low to be fast.
func (k *convChain) cut(budget, threads, reach int) bool {
	g := &k.dw.Geom
	line := g.In[2] * k.dw.ic
	perRow, overlap := 0, 0 // bytes of a row of a band, and of rows that two bands share
	if k.expand != nil {
		perRow += 4 * line * g.Stride[1]
		overlap = 4 * line * max(0, reach-g.Stride[1])
	}
	if k.project != nil {
		perRow += 4 * g.Out[2] * k.dw.oc
	}
	if k.band = (chainBytes - overlap) / perRow; k.band < k.least() {
		return false
	}
	if budget > 0 {
		k.band = min(k.band, (budget/threads-overlap)/perRow)
	}
	k.band = min(max(k.band, k.least()), g.Out[1])
	return true
}

// least is the rows of a band with fewer of which products are too short to be fast.
//
//go:noinline
func (k *convChain) least() int { return min(k.dw.Out[1], (23+k.dw.Out[2])/k.dw.Out[2]) }

// share cuts an image into tasks of whole bands, all alike: a small one into shares.
func (k *convChain) share(small bool, shares, threads, reach int) {
	rows := k.dw.Out[1]
	k.part = rows
	if small {
		k.part = (rows + shares - 1) / shares
		bands := (k.part + k.band - 1) / k.band
		k.band = (k.part + bands - 1) / bands
	} else if threads > 1 {
		tasks, g := 2*threads, &k.dw.Geom
		if k.expand != nil && 8*(tasks-1)*(reach-g.Stride[1]) > g.In[1] {
			tasks = threads // as each computes its first rows anew
		}
		k.part = max(k.least(), (rows+tasks-1)/tasks)
		bands := (k.part + k.band - 1) / k.band
		k.band = max(k.least(), (k.part+bands-1)/bands)
	}
	k.parts = (rows + k.part - 1) / k.part
}

// rooms lays out a worker's scratch, and says which form of products takes the most of it.
func (k *convChain) rooms(reach int) (form string) {
	g := &k.dw.Geom
	if k.expand != nil {
		k.rows = min(g.In[1], (k.band-1)*g.Stride[1]+reach)
		k.wide = roundUp(k.rows*g.In[2]*k.dw.ic, 16)
	}
	k.floats = k.wide
	if k.project != nil {
		k.floats += roundUp(k.band*g.Out[2]*k.dw.oc, 16)
	}
	k.room = k.floats
	for _, g := range []*convGemm{k.expand, k.project} {
		if g != nil && g.pairs != nil {
			k.floats = max(k.floats, k.room+g.pairFloats)
			form = "pairs/"
		}
	}
	return form
}

// plan makes the depthwise convolution's plan of each band.
func (k *convChain) plan() {
	rows := k.dw.Out[1]
	for part := 0; part < rows; part += k.part {
		for y, end := part, min(rows, part+k.part); y < end; y += k.band {
			args, _ := k.bandArgs(y, min(end, y+k.band))
			args.OutPixel = k.dw.oc
			k.plans = append(k.plans, args.Plan(0, args.OH))
		}
	}
}

func (k *convChain) Run(a *Args) { a.Parallel(k.dw.n*k.parts, k) }

// Do computes the bands of one task.
func (k *convChain) Do(a *Args, i, worker int) {
	n, part := i/k.parts, i%k.parts
	g := &k.dw.Geom
	scratch := tensor.CastSlice[float32](a.Scratch)[worker*k.floats : (worker+1)*k.floats]
	room := scratch[k.room:]
	line := g.In[2] * k.dw.ic
	have0, have1 := 0, 0 // rows of expanded input in scratch
	end := min(g.Out[1], (part+1)*k.part)
	for y0 := part * k.part; y0 < end; y0 += k.band {
		y1 := min(end, y0+k.band)
		args, r0 := k.bandArgs(y0, y1)
		r1 := r0 + args.H
		if k.expand != nil {
			if kept := have1 - r0; r0 >= have0 && kept > 0 {
				copy(scratch, scratch[(r0-have0)*line:(have1-have0)*line])
			} else {
				have1 = r0
			}
			have0 = r0
			if have1 < r1 {
				at := (n*g.In[1] + have1) * g.In[2]
				k.expand.pixels(room, f32(&a.In[0])[at*k.expand.ic:], scratch[(have1-r0)*line:], nil, line/g.In[2], (r1-have1)*g.In[2])
				have1 = r1
			}
			args.In = scratch[:(r1-r0)*line]
		} else {
			args.In = f32(&a.In[0])[(n*g.In[1]+r0)*line:]
		}
		m0 := (n*g.Out[1] + y0) * g.Out[2] // pixels of the result before the band
		if k.project == nil {
			args.Out = f32(&a.Out)[m0*args.OutPixel:]
		} else {
			args.Out, args.OutPixel = scratch[k.wide:], k.dw.oc
		}
		var plan *kern.DWPlan
		if k.plans != nil {
			plan = k.plans[part*((k.part+k.band-1)/k.band)+(y0-part*k.part)/k.band]
		}
		k.dw.rowsInto(plan, &args, nil, 0, args.OH)
		if k.project == nil {
			continue
		}
		var res []float32
		if k.project.residual {
			res = f32(&a.In[1])[m0*k.project.oc:]
		}
		k.project.pixels(room, args.Out, f32(&a.Out)[m0*k.project.pitch:], res, k.project.pitch, (y1-y0)*g.Out[2])
	}
}

// pixels computes n pixels of a pointwise convolution, in room of k.pairFloats.
func (k *convGemm) pixels(room, in, out, res []float32, pitch, n int) {
	args := kern.GemmF32Args{Taps: 1, KC: k.kc, N: k.oc, A: in, LDA: k.ic, B: k.packed, Bias: k.bias, C: out, LDC: pitch, Min: k.lo, Max: k.hi}
	if res != nil {
		args.Res, args.LDR = res, k.oc
	}
	k.product(&args, room, 0, n, 0, k.oc)
	k.act.rows(out, n, k.oc, pitch)
}
