package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradWeight is dw as a product over output positions: dw = dᵀ · patches.
// Positions go in chunks: d's chunk is transposed once, then each task gathers
// the patches of its columns (some taps and channels) and adds its product to
// dw. A column belongs to one task and chunks come in order, so the sum's order
// does not depend on the number of threads.
type convGradWeight struct {
	k         *convGrad
	gemm      *kern.GemmF32
	chunk     int // positions at once
	cols      int // channels of a task, a multiple of NR or all
	colTasks  int // tasks a tap
	dT        int // floats of the transposed chunk
	panel     int // floats of one worker's packed patches
	lo, hi    float32
	transpose gradTranspose
	first     int // of the current chunk; set between forks only
	rows      int
}

func newConvGradWeight(p *GradPrep, k *convGrad, gemm *kern.GemmF32) *convGradWeight {
	t := &convGradWeight{k: k, gemm: gemm, lo: float32(math.Inf(-1)), hi: float32(math.Inf(1))}
	t.chunk = min(512, roundUp(k.n*k.OutSize(), 16))
	t.cols = min(k.icg, 4*gemm.NR)
	t.colTasks = (k.icg + t.cols - 1) / t.cols
	t.dT = roundUp(k.oc*t.chunk, 16)
	t.panel = roundUp(gemm.PackedSize(t.cols, t.chunk), 16)
	t.transpose.t = t
	p.NeedScratch(4 * (t.dT + (t.panel+roundUp(t.chunk*t.cols, 16)+16)*max(1, p.Threads)))
	return t
}

// Run goes chunk by chunk. A trainer runs one step at a time, so the chunk's
// position can live in the kernel.
func (t *convGradWeight) Run(g *Grads) {
	k := t.k
	total := k.n * k.OutSize()
	for first := 0; first < total; first += t.chunk {
		t.first, t.rows = first, min(t.chunk, total-first)
		g.Parallel((k.oc+gradChannels-1)/gradChannels, &t.transpose)
		g.Parallel(k.groups*k.Taps()*t.colTasks, t)
	}
}

// gradTranspose writes d's chunk as [oc][chunk].
type gradTranspose struct{ t *convGradWeight }

func (x *gradTranspose) Do(g *Grads, i, _ int) {
	t := x.t
	oc := t.k.oc
	d := g.DOut.F32()[t.first*oc:]
	dT := tensor.CastSlice[float32](g.Scratch)[:t.dT]
	c0, c1 := i*gradChannels, min(oc, (i+1)*gradChannels)
	for r := range t.rows {
		for c, v := range d[r*oc+c0 : r*oc+c1] {
			dT[(c0+c)*t.chunk+r] = v
		}
	}
}

// Do adds to the columns of one tap and some channels of one group.
func (t *convGradWeight) Do(g *Grads, i, worker int) {
	k := t.k
	taps := k.Taps()
	col := i % t.colTasks
	i /= t.colTasks
	tap, group := i%taps, i/taps
	c0 := col * t.cols
	n := min(t.cols, k.icg-c0)

	s := tensor.CastSlice[float32](g.Scratch)
	per := t.panel + roundUp(t.chunk*t.cols, 16)
	own := s[t.dT+worker*per:][:per]
	packed, patches := own[:t.panel], own[t.panel:]
	x := g.In[0].F32()
	for r := range t.rows {
		to := patches[r*n : (r+1)*n]
		m := t.first + r
		pos, ok := k.inAt(k.outAt(m%k.OutSize()), tap)
		if !ok {
			clear(to)
			continue
		}
		copy(to, x[(m/k.OutSize()*k.InSize()+pos)*k.ic+group*k.icg+c0:])
	}
	t.gemm.PackKN(packed, patches, n, t.rows, n)
	dw := g.DParams[0].F32()[(group*k.ocg*taps+tap)*k.icg+c0:]
	args := kern.GemmF32Args{
		A: s[group*k.ocg*t.chunk : t.dT], LDA: t.chunk, Taps: 1, KC: t.rows, B: packed, N: n,
		Res: dw, LDR: taps * k.icg, C: dw, LDC: taps * k.icg, Min: t.lo, Max: t.hi,
	}
	t.gemm.Run(&args, 0, k.ocg, 0, n)
}
