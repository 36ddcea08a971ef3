package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convStride2 is a 3x3 convolution of stride 2 by minimal filtering (see
// kern.PhaseF32): 1.44 times fewer products, with 2.1 times the weights in
// memory.
//
// Many blocks of tiles are a task each. Of few, all are transformed first, and
// then tasks are panels of a block's outputs. The bits are the same.
type convStride2 struct {
	*convSpec
	w       kern.PhaseF32
	packed  []float32
	bias    []float32
	lo, hi  float32
	block   int // floats of a block's transformed input
	sums    int // of a worker's sums
	room    int // of all blocks that are there at a time
	chunks  int // parts of a block's transform, 0: blocks are tasks
	columns int // output channels of a task
	input   stride2Input
}

// prepareStride2 is nil where the direct product is the better choice or was
// asked for.
func (c *Conv) prepareStride2(p *Prep, s *convSpec) *convStride2 {
	three, two, one := [MaxSpatial]int{1, 3, 3}, [MaxSpatial]int{1, 2, 2}, [MaxSpatial]int{1, 1, 1}
	lo, hi, act := c.Act.limits()
	if p.Exact || p.Training || c.Residual || act != nil || p.Choice.Winograd == WinogradNone || s.groups != 1 || s.Kernel != three || s.Stride != two || s.Dilation != one ||
		s.In[0] != 1 || s.PadLo[0] != 0 || !kern.PhaseFast() || s.ic > kern.MaxTap/8 {
		return nil
	}
	k := &convStride2{convSpec: s, lo: lo, hi: hi, w: kern.PhaseF32{
		N: s.n, H: s.In[1], W: s.In[2], IC: s.ic, OH: s.Out[1], OW: s.Out[2], OC: s.oc, PT: s.PadLo[1], PL: s.PadLo[2],
		OutPixel: outPitch(p.OutPitch, s.oc), Gemm: kern.SelectGemmF32(), Tiles: p.Choice.Tiles,
	}}
	k.w.Plan()
	if p.Choice.Winograd <= 0 && (!k.w.Worthwhile() || bf16Suits(p, s)) {
		return nil
	}
	threads := max(1, p.Threads)
	floats := k.split(threads)
	for p.ScratchBudget > 0 && 4*floats > p.ScratchBudget && k.w.Tiles > 1 {
		k.w.Tiles /= 2
		k.w.Plan()
		floats = k.split(threads)
	}
	packedSize := k.w.PackedSize()
	if p.MemoryBudget > 0 && 4*(packedSize+floats) > p.MemoryBudget {
		return nil
	}
	nr := k.w.Gemm.NR
	weight := p.Params[0]
	packed := p.PackParts(&weight, "phase/"+k.w.Gemm.Name, 4*packedSize, (s.oc+nr-1)/nr, func(dst []byte, part int, buf *packBuffer) {
		n0 := part * nr
		n := min(nr, s.oc-n0)
		k.w.Pack(tensor.CastSlice[float32](dst), weightRows(&weight, n0, n0+n, buf), n0, n)
	})
	k.packed = tensor.CastSlice[float32](packed)
	if s.bias {
		k.bias = f32(&p.Params[1])
	}
	k.input.k = k
	p.NeedScratch(4 * floats)
	p.Path("winograd-s2/" + k.w.Gemm.Name + p.Choice.suffix(k.w.Tiles))
	return k
}

// split cuts the work into tasks; it returns the floats of scratch.
func (k *convStride2) split(threads int) int {
	slots := threads
	k.chunks, k.columns = 0, k.oc
	if blocks := k.w.Blocks(); threads > 1 && blocks < 2*threads {
		nr := k.w.Gemm.NR
		slots = blocks
		k.chunks = min(4*threads, k.w.BlockTiles(0))
		k.columns = min(k.oc, nr*max(1, k.oc/nr*blocks/(4*threads)))
	}
	k.block, k.sums = roundUp(k.w.InputSize(), 16), roundUp(k.w.SumsSize(k.columns), 16)
	k.room = slots * k.block
	return k.room + threads*k.sums
}

func (k *convStride2) args(a *Args) kern.WinogradArgs {
	return kern.WinogradArgs{In: f32(&a.In[0]), Packed: k.packed, Bias: k.bias, Out: f32(&a.Out), Min: k.lo, Max: k.hi}
}

func (k *convStride2) Run(a *Args) {
	if k.chunks > 0 {
		a.Parallel(k.w.Blocks()*k.chunks, &k.input)
		a.Parallel(k.w.Blocks()*k.parts(), k)
	} else {
		a.Parallel(k.w.Blocks(), k)
	}
}

// parts is the tasks of a block's products.
func (k *convStride2) parts() int { return (k.oc + k.columns - 1) / k.columns }

// Do computes block i, or the i-th part of all blocks' products.
func (k *convStride2) Do(a *Args, i, worker int) {
	args, scratch := k.args(a), tensor.CastSlice[float32](a.Scratch)
	sums := scratch[k.room+worker*k.sums:][:k.sums]
	if k.chunks == 0 {
		v := scratch[worker*k.block:][:k.block]
		k.w.Input(&args, v, i, 0, k.w.BlockTiles(i))
		k.w.Columns(&args, v, sums, i, 0, k.oc)
		return
	}
	b, n := i/k.parts(), i%k.parts()*k.columns
	k.w.Columns(&args, scratch[b*k.block:][:k.block], sums, b, n, min(k.oc, n+k.columns))
}

type stride2Input struct{ k *convStride2 }

func (t *stride2Input) Do(a *Args, i, _ int) {
	k := t.k
	args, b, c := k.args(a), i/k.chunks, i%k.chunks
	n := k.w.BlockTiles(b)
	k.w.Input(&args, tensor.CastSlice[float32](a.Scratch)[b*k.block:][:k.block], b, n*c/k.chunks, n*(c+1)/k.chunks)
}
