package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convWinograd is a 3x3 convolution of stride 1 by Winograd's minimal
// filtering: 2.25 or 4 times fewer products, at slightly more rounding and with
// 1.8 or 4 times the weights in memory.
//
// Blocks of tiles are independent: with many, each task computes whole blocks
// in its worker's scratch, and no worker waits for lines that another wrote. So
// it is with few blocks and wide outputs, cut along output channels: each task
// transforms the input for itself. Else every block has scratch of its own and
// the three steps are split one after the other. The bits are the same.
type convWinograd struct {
	*convSpec
	w        kern.WinogradF32
	packed   []float32
	bias     []float32
	lo, hi   float32
	late     lateAct // an activation that is no clamp
	residual bool
	scratch  int // floats of a block
	form     int // floats of a worker's rows in pairs, or of a panel's sums
	forms    int // where they are: behind the blocks
	columns  int // output channels of a task, with all tiles; or 0
	perBlock bool
	chunks   int // parts of a block in the transforms
	input    winogradInput
	rounds   []winogradRound
	output   winogradOutput
}

// prepareWinograd is nil where the direct product is the better choice or was
// asked for.
func (c *Conv) prepareWinograd(p *Prep, s *convSpec) *convWinograd {
	three, one := [MaxSpatial]int{1, 3, 3}, [MaxSpatial]int{1, 1, 1}
	if p.Exact || s.groups != 1 || s.Kernel != three || s.Stride != one || s.Dilation != one || s.In[0] != 1 || s.PadLo[0] != 0 {
		return nil
	}
	k := &convWinograd{convSpec: s, residual: c.Residual, w: kern.WinogradF32{
		N: s.n, H: s.In[1], W: s.In[2], IC: s.ic, OH: s.Out[1], OW: s.Out[2], OC: s.oc, PT: s.PadLo[1], PL: s.PadLo[2],
		InPixel: s.ic, OutPixel: outPitch(p.OutPitch, s.oc), ResPixel: s.oc, Trail: 1,
		Hot: p.WeightBytes > 0 && p.WeightBytes <= hotWeights,
	}}
	switch c := p.Choice; {
	case s.ic > kern.MaxTap || c.Winograd == WinogradNone:
		return nil
	case c.Winograd == 2 || c.Winograd == 4:
		k.w.M = c.Winograd
	case !k.w.Worthwhile():
		return nil
	}
	k.w.Gemm = p.Choice.gemm(kern.SelectGemmF32())
	k.w.Tiles = p.Choice.Tiles
	k.w.Plan()
	k.byPairs(p)
	if k.w.M == 2 && p.Choice.Winograd != 2 && bf16Suits(p, s) {
		return nil // twice the products an instruction, and a quarter of the weights
	}
	k.fly(p)
	threads := max(1, p.Threads)
	slots := k.block(threads, p.ScratchBudget)
	k.scratch = roundUp(k.w.ScratchSize(), 16)
	k.forms = slots * k.scratch
	floats := k.forms + threads*k.form
	need := 4 * (k.w.PackedSize() + floats)
	if p.MemoryBudget > 0 && need > p.MemoryBudget {
		return nil
	}
	weight := p.Params[0]
	by, nr := k.w.Gemm.Name, k.w.Gemm.NR
	if k.w.Pairs != nil {
		by = "pairs/" + by
	}
	if k.w.Fly {
		by, nr = k.w.FlyName()+by, kern.FlyPanel // whatever the product's panels are
	}
	layout := "winograd/" + string(rune('0'+k.w.M)) + by
	packed := p.PackParts(&weight, layout, 4*k.w.PackedSize(), (s.oc+nr-1)/nr, func(dst []byte, part int, buf *packBuffer) {
		n0 := part * nr
		n := min(nr, s.oc-n0)
		k.w.Pack(tensor.CastSlice[float32](dst), weightRows(&weight, n0, n0+n, buf), n0, n, buf.floats(k.w.PackScratch()))
	})
	k.packed = tensor.CastSlice[float32](packed)
	if s.bias {
		k.bias = f32(&p.Params[1])
	}
	k.lo, k.hi, k.late.act = c.Act.limits()
	k.late.plan(s.n*s.OutSize(), s.oc, k.w.OutPixel, threads)
	k.input.k, k.output.k = k, k
	p.NeedScratch(4 * floats)
	p.Path("winograd-f" + string(rune('0'+k.w.M)) + "/" + by + p.Choice.suffix(k.w.Tiles))
	return k
}

// hotWeights are the bytes of a network's weights that, four times as many when
// they are transformed, stay in a second-level cache of 2 MB from run to run.
const hotWeights = 384 << 10

// Pairs pay where a row is long beside what bringing it into form costs, and an
// image has so many tiles that the transformed weights' way from memory does not
// hold the products: measured on ResNet-18's layers against SqueezeNet's.
const (
	pairChannels = 64
	pairWork     = 4096 // tiles times channels
)

// byPairs turns to products by pairs where they are the faster ones, and there
// is room for a row of two workers.
func (k *convWinograd) byPairs(p *Prep) {
	tiles := roundUp(k.w.OH, k.w.M) * roundUp(k.w.OW, k.w.M) / (k.w.M * k.w.M)
	if p.Choice.Plain || p.Choice.Panels != 0 || k.ic < pairChannels || tiles*k.ic < pairWork {
		return
	}
	pairs := kern.NewPairF32(1, k.ic, k.oc)
	if pairs == nil || !pairs.Fits(k.w.Gemm) || p.FormBudget > 0 && 8*pairs.ScratchSize(1, 1)*k.n > p.FormBudget {
		return
	}
	k.w.Pairs = pairs
	k.form = pairs.ScratchSize(k.w.Tiles, k.oc)
	if p.ScratchBudget > 0 { // half of the room, but what must be
		k.form = min(k.form, max(p.ScratchBudget/(8*max(1, p.Threads)), pairs.ScratchSize(1, 1)))
	}
	k.form = roundUp(k.form, 16)
}

func (k *convWinograd) args(a *Args, worker int) kern.WinogradArgs {
	w := kern.WinogradArgs{In: f32(&a.In[0]), Packed: k.packed, Bias: k.bias, Out: f32(&a.Out), Min: k.lo, Max: k.hi}
	if k.form > 0 {
		w.Form = tensor.CastSlice[float32](a.Scratch)[k.forms+worker*k.form:][:k.form]
	}
	if k.residual {
		w.Res = f32(&a.In[1])
	}
	return w
}

// slot is the scratch of a worker, or of a block.
func (k *convWinograd) slot(a *Args, i int) []float32 {
	return tensor.CastSlice[float32](a.Scratch)[i*k.scratch : (i+1)*k.scratch]
}

func (k *convWinograd) Run(a *Args) {
	if k.columns > 0 {
		a.Parallel((k.oc+k.columns-1)/k.columns, k)
	} else if k.perBlock {
		a.Parallel(k.w.Blocks()*k.chunks, &k.input)
		for i := range k.rounds {
			a.Parallel(k.w.Blocks()*k.rounds[i].products, &k.rounds[i])
		}
		if !k.w.Fly { // products go on to the outputs
			a.Parallel(k.w.Blocks()*k.chunks, &k.output)
		}
	} else {
		a.Parallel(k.w.Blocks(), k)
	}
	k.late.run(a)
}

// Do computes block b, or the b-th part of the columns, in the worker's scratch.
func (k *convWinograd) Do(a *Args, b, worker int) {
	args := k.args(a, worker)
	if k.columns > 0 {
		k.w.Columns(&args, k.slot(a, worker), 0, k.w.Blocks(), b*k.columns, min(k.oc, (b+1)*k.columns))
		return
	}
	k.w.Run(&args, k.slot(a, worker), b, b+1)
}

// part is the tiles of chunk c of block b.
func (k *convWinograd) part(b, c int) (from, to int) {
	n := k.w.BlockTiles(b)
	return n * c / k.chunks, n * (c + 1) / k.chunks
}

type winogradInput struct{ k *convWinograd }

func (t *winogradInput) Do(a *Args, i, worker int) {
	k := t.k
	args, b := k.args(a, worker), i/k.chunks
	from, to := k.part(b, i%k.chunks)
	k.w.Input(&args, k.slot(a, b), b, from, to)
}

// winogradRound is products first and behind of all blocks, at the same time.
type winogradRound struct {
	k               *convWinograd
	first, products int
}

func (t *winogradRound) Do(a *Args, i, worker int) {
	k := t.k
	args, b := k.args(a, worker), i/t.products
	product := t.first + i%t.products
	k.w.Multiply(&args, k.slot(a, b), b, product, product+1)
}

type winogradOutput struct{ k *convWinograd }

func (t *winogradOutput) Do(a *Args, i, worker int) {
	k := t.k
	args, b := k.args(a, worker), i/k.chunks
	from, to := k.part(b, i%k.chunks)
	k.w.Output(&args, k.slot(a, b), b, from, to)
}
