package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// denseLive is a dense layer of few rows whose large weights change between runs: each panel of columns is packed as it
// is used, some inputs deep, in a worker's own room that stays in its cache. Weights are read once, and no copy of them
// is written, held and read again.
type denseLive struct {
	denseLayer
	weight tensor.Tensor
	depth  int // inputs packed at once
	slot   int // floats of one worker's room
}

const (
	// liveBytes is the least size of weights that go this way: smaller ones stay in a cache beside their packed copy.
	liveBytes = 8 << 20
	// liveRows is as many rows as packing costs no more than the products; liveDepth inputs of a panel are half a megabyte.
	liveRows, liveDepth = 32, 4096
)

// prepareLive is nil where packed weights are to be kept.
func (l denseLayer) prepareLive(p *Prep) Kernel {
	w := &p.Params[0]
	if !p.Training || l.rows > liveRows || w.Held() < liveBytes || w.Source() != nil || w.Scale() != nil {
		return nil
	}
	k := &denseLive{denseLayer: l, weight: *w, depth: min(l.in, liveDepth)}
	k.slot = roundUp(k.gemm.NR*k.depth, 16)
	p.NeedScratch(4 * k.slot * max(1, p.Threads))
	p.Path("live/" + k.gemm.Name)
	return k
}

func (k *denseLive) Run(a *Args) { a.Parallel((k.out+k.gemm.NR-1)/k.gemm.NR, k) }

// Do computes a panel of columns.
func (k *denseLive) Do(a *Args, i, worker int) {
	n0 := i * k.gemm.NR
	n := min(k.gemm.NR, k.out-n0)
	w, room := f32(&k.weight)[n0*k.in:], tensor.CastSlice[float32](a.Scratch)[worker*k.slot:][:k.slot]
	args := k.args(a)
	lo, hi, x := args.Min, args.Max, args.A
	args.N, args.C, args.Min, args.Max = n, args.C[n0:], negInf, posInf
	if args.Bias != nil {
		args.Bias = args.Bias[n0:]
	}
	if args.Res != nil {
		args.Res = args.Res[n0:]
	}
	for d := 0; d < k.in; d += k.depth {
		args.A, args.KC = x[d:], min(k.depth, k.in-d)
		args.B = room[:k.gemm.PackedSize(n, args.KC)]
		packPanel(k.gemm, args.B, w[d:], n, args.KC, k.in)
		if d > 0 {
			args.Bias, args.Res, args.LDR = nil, args.C, k.pitch
		}
		if d+k.depth >= k.in {
			args.Min, args.Max = lo, hi
		}
		k.gemm.Run(&args, 0, k.rows, 0, n)
	}
	k.activate(f32(&a.Out), 0, k.rows, n0, n0+n)
}

// packPanel packs n columns of a panel, which are depth inputs of rows of weights, ld apart.
func packPanel(g *kern.GemmF32, dst, w []float32, n, depth, ld int) {
	width := g.PackedSize(n, 1)
	for d := 0; d < depth; d += packDepth {
		g.Pack(dst[d*width:], w[d:], n, min(packDepth, depth-d), ld)
	}
}
