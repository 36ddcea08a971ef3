package ops

import (
	"slices"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convWinogradInt is a 3x3 convolution of bytes of stride 1 by exact Winograd:
// the bits of the direct product, from 4 times fewer products of twice the
// width, and with 8 times its weights in memory.
//
// With many blocks of tiles each task computes whole ones. With few, all blocks
// are transformed first; then a task is a panel of output channels of a block.
type convWinogradInt struct {
	*convSpec
	w        kern.WinogradI8
	args     kern.WinogradI8Args // but for what differs between runs
	v, m     int                 // bytes of a block's input and of a panel's sums
	slots    int                 // blocks that are there at once
	perBlock bool
	chunks   int // parts of a block in the transform
	onStack  int // tasks whose scratch lies on the stack, or 0
	input    winogradIntInput
	panels   winogradIntPanels
}

// winoIntTiles is the least tiles of a block that is made smaller to fit.
const winoIntTiles = 16

// winoIntStack is what a block takes on the stack at most, where a small network's arena has no room for it.
const winoIntStack = 28 << 10

// prepareWinogradInt is nil where the direct product is the better choice, was
// asked for, or has sums that only it gets right.
func (c *Conv) prepareWinogradInt(p *Prep, s *convSpec, x *tensor.Spec, rq requant) *convWinogradInt {
	three, one := [MaxSpatial]int{1, 3, 3}, [MaxSpatial]int{1, 1, 1}
	w := p.Params[0]
	if s.groups != 1 || s.Kernel != three || s.Stride != one || s.Dilation != one || s.In[0] != 1 || s.PadLo[0] != 0 ||
		!kern.WinogradI8Fits(s.ic, s.oc) || !symmetricI8(&w.Spec) {
		return nil
	}
	k := &convWinogradInt{convSpec: s, w: kern.WinogradI8{
		N: s.n, H: s.In[1], W: s.In[2], IC: s.ic, OH: s.Out[1], OW: s.Out[2], OC: s.oc, PT: s.PadLo[1], PL: s.PadLo[2],
		OutPixel: outPitch(p.OutPitch, s.oc), Signed: x.DType == tensor.I8, Tiles: p.Choice.Tiles,
	}}
	switch {
	case p.Choice.Winograd == WinogradNone:
		return nil
	case p.Choice.Winograd == 4:
	case !k.w.Worthwhile():
		return nil
	}
	k.w.Plan(max(1, p.Threads))
	scratch := k.plan(max(1, p.Threads))
	for p.ScratchBudget > 0 && scratch > p.ScratchBudget {
		if k.w.Tiles <= winoIntTiles {
			k.w.Tiles = 6
			if scratch = k.plan(1); scratch > winoIntStack || k.perBlock {
				return nil
			}
			k.onStack, scratch = min(max(1, p.Threads), k.w.Blocks()), 0
			break
		}
		k.w.Tiles = max(winoIntTiles, (k.w.Tiles-1)/12*12)
		scratch = k.plan(max(1, p.Threads))
	}
	if need := 2*k.w.PackedSize() + scratch; p.MemoryBudget > 0 && need > p.MemoryBudget {
		return nil
	}
	var bias []int32
	if s.bias {
		bias = i32(&p.Params[1])
	}
	_, zx := x.Quant.At(0)
	cols := k.w.Columns(w.Data, bias, rq.scale, zx)
	if cols == nil {
		return nil
	}
	k.args = kern.WinogradI8Args{Zero: make([]byte, s.ic), Cols: cols, CZero: rq.zero, Lo: rq.lo, Hi: rq.hi}
	kern.Fill(k.args.Zero, byte(zx))
	panel := 9 * s.ic * s.oc / k.w.Panels()
	packed := p.PackParts(&w, "winoi8", 2*k.w.PackedSize(), k.w.Panels(), func(dst []byte, part int, _ *packBuffer) {
		k.w.Pack(tensor.CastSlice[int16](dst), w.Data[part*panel:][:panel], part)
	})
	k.args.Packed = tensor.CastSlice[int16](packed)
	k.input.k, k.panels.k = k, k
	p.NeedScratch(scratch)
	p.Path("winograd-f4/i8" + p.Choice.suffix(k.w.Tiles))
	return k
}

// symmetricI8 says that weights are int8 without zero points.
func symmetricI8(w *tensor.Spec) bool {
	return w.DType == tensor.I8 && !slices.ContainsFunc(w.Quant.Zero, func(z int32) bool { return z != 0 })
}

// plan decides how the work is shared, and is the bytes of scratch that takes.
func (k *convWinogradInt) plan(threads int) int {
	k.v, k.m = k.w.ScratchSize()
	k.v, k.m = roundUp(k.v, 64), roundUp(k.m, 64)
	k.slots, k.perBlock = threads, k.w.Blocks()%threads != 0 && k.w.Blocks() < 2*threads
	if k.perBlock {
		k.slots, k.chunks = k.w.Blocks(), min(4*threads, k.w.BlockTiles(0))
	}
	return k.slots*k.v + threads*k.m
}

// runOnStack computes blocks b0 to b1.
func (k *convWinogradInt) runOnStack(a *Args, b0, b1 int) {
	var room [winoIntStack / 8]int64
	k.blocks(a, tensor.BytesOf(room[:]), 0, b0, b1)
}

// blocks computes blocks b0 to b1 with the worker's part of scratch.
//
//go:noinline
func (k *convWinogradInt) blocks(a *Args, scratch []byte, worker, b0, b1 int) {
	args := k.at(a, scratch, worker, worker)
	k.w.Run(&args, b0, b1)
}

// at is the arguments of a run, with the input of one slot and a worker's sums.
func (k *convWinogradInt) at(a *Args, scratch []byte, slot, worker int) kern.WinogradI8Args {
	w := k.args
	w.In, w.Out = a.In[0].Data, a.Out.Data
	w.V = tensor.CastSlice[int16](scratch[slot*k.v : (slot+1)*k.v])
	w.M = tensor.CastSlice[int32](scratch[k.slots*k.v+worker*k.m:][:k.m])
	return w
}

func (k *convWinogradInt) Run(a *Args) {
	switch {
	case k.onStack > 0:
		a.Parallel(k.onStack, k)
	case k.perBlock:
		a.Parallel(k.w.Blocks()*k.chunks, &k.input)
		a.Parallel(k.w.Blocks()*k.w.Panels(), &k.panels)
	default:
		a.Parallel(k.w.Blocks(), k)
	}
}

// Do computes block b with the worker's scratch, or part b of the blocks on the stack.
func (k *convWinogradInt) Do(a *Args, b, worker int) {
	if n := k.w.Blocks(); k.onStack > 0 {
		k.runOnStack(a, n*b/k.onStack, n*(b+1)/k.onStack)
		return
	}
	k.blocks(a, a.Scratch, worker, b, b+1)
}

type winogradIntInput struct{ k *convWinogradInt }

func (t *winogradIntInput) Do(a *Args, i, worker int) {
	k := t.k
	b, c := i/k.chunks, i%k.chunks
	args, n := k.at(a, a.Scratch, b, worker), k.w.BlockTiles(b)
	k.w.Input(&args, b, n*c/k.chunks, n*(c+1)/k.chunks)
}

type winogradIntPanels struct{ k *convWinogradInt }

func (t *winogradIntPanels) Do(a *Args, i, worker int) {
	k := t.k
	args := k.at(a, a.Scratch, i/k.w.Panels(), worker)
	k.w.Panel(&args, i/k.w.Panels(), i%k.w.Panels())
}
