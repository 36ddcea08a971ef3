package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// depthwiseGrad is what both gradients of a depthwise convolution share: each tap of
// the kernel meets each row of outputs in one run of positions, channels in
// blocks whose rows of both tensors a cache holds while all taps pass over them.
type depthwiseGrad struct {
	k     *convGrad
	block int // channels of a task
	parts int // of the rows of all images, for the weights' sums; no thread changes them
}

// depthwiseParts is the most parts of rows whose sums are float32 and of their own.
const depthwiseParts = 8

func newDepthwiseGrad(p *GradPrep, k *convGrad, in, weights bool) depthwiseGrad {
	t := depthwiseGrad{k: k, block: min(max(1, k.oc), roundUp(4096/max(1, k.Out[2]), 64)), parts: min(depthwiseParts, max(1, k.n*k.Out[0]*k.Out[1]))}
	if in {
		p.NeedScratch(4 * k.Taps() * k.oc)
	}
	if weights {
		p.NeedScratch(4 * k.Taps() * k.oc * t.parts)
	}
	return t
}

func (t *depthwiseGrad) blocks() int { return (t.k.oc + t.block - 1) / t.block }

// tapRun is a run of positions along the last dimension that a tap reaches.
type tapRun struct {
	tap, lines int
	out, in    int // the first's place among the outputs and inputs of an image
}

// next is the run of output row i (of all but the last dimension) and the taps from
// tap on, which has as many lines as the tap meets positions inside; ok is false after the last tap.
func (t *depthwiseGrad) next(row, tap int) (r tapRun, ok bool) {
	g := &t.k.Geom
	o := [2]int{row / g.Out[1], row % g.Out[1]}
	for ; tap < g.Taps(); tap++ {
		kt := [3]int{tap / (g.Kernel[1] * g.Kernel[2]), tap / g.Kernel[2] % g.Kernel[1], tap % g.Kernel[2]}
		at, inside := 0, true
		for i, v := range o {
			x := v*g.Stride[i] + kt[i]*g.Dilation[i] - g.PadLo[i]
			inside = inside && uint(x) < uint(g.In[i])
			at = at*g.In[i] + x
		}
		// 0 <= x*stride + shift < In
		shift, s := kt[2]*g.Dilation[2]-g.PadLo[2], g.Stride[2]
		first := max(0, (-shift+s-1)/s)
		if shift >= g.In[2] || !inside {
			continue
		}
		end := min(g.Out[2], (g.In[2]-1-shift)/s+1)
		if first < end {
			return tapRun{tap, end - first, row*g.Out[2] + first, at*g.In[2] + first*s + shift}, true
		}
	}
	return tapRun{}, false
}

// depthwiseGradIn adds d times the weight of each tap to the positions the tap
// saw; one task a block of channels of an image.
type depthwiseGradIn struct{ depthwiseGrad }

func (t *depthwiseGradIn) Run(g *Grads) {
	k, w := t.k, g.Params[0].F32()
	turned := tensor.CastSlice[float32](g.Scratch)
	for c := range k.oc {
		for tap := range k.Taps() {
			turned[tap*k.oc+c] = w[c*k.Taps()+tap]
		}
	}
	g.Parallel(k.n*t.blocks(), t)
}

func (t *depthwiseGradIn) Do(g *Grads, i, _ int) {
	k := t.k
	n, c := i/t.blocks(), i%t.blocks()*t.block
	d, dx := g.DOut.F32()[n*k.OutSize()*k.oc+c:], g.DIn[0].F32()[n*k.InSize()*k.oc+c:]
	w := tensor.CastSlice[float32](g.Scratch)[c:]
	l := kern.TapLines{N: min(t.block, k.oc-c), PitchA: k.oc, PitchDst: k.Stride[2] * k.oc}
	for row := range k.Out[0] * k.Out[1] {
		for r, ok := t.next(row, 0); ok; r, ok = t.next(row, r.tap+1) {
			l.A, l.B, l.Dst, l.Lines = d[r.out*k.oc:], w[r.tap*k.oc:], dx[r.in*k.oc:], r.lines
			l.Axpy()
		}
	}
}

// depthwiseGradWeight sums over positions: each part of the rows for itself, then
// the parts, so that the order does not depend on the number of threads.
type depthwiseGradWeight struct{ depthwiseGrad }

func (t *depthwiseGradWeight) Run(g *Grads) {
	k := t.k
	size := k.Taps() * k.oc
	sums := tensor.CastSlice[float32](g.Scratch)[:size*t.parts]
	clear(sums)
	g.Parallel(t.parts*t.blocks(), t)
	dw := g.DParams[0].F32()
	for tap := range k.Taps() {
		for c := range k.oc {
			sum := 0.0
			for p := range t.parts {
				sum += float64(sums[p*size+tap*k.oc+c])
			}
			dw[c*k.Taps()+tap] += float32(sum)
		}
	}
}

func (t *depthwiseGradWeight) Do(g *Grads, i, _ int) {
	k := t.k
	part, c := i/t.blocks(), i%t.blocks()*t.block
	d, x := g.DOut.F32()[c:], g.In[0].F32()[c:]
	sums := tensor.CastSlice[float32](g.Scratch)[part*k.Taps()*k.oc+c:]
	l := kern.TapLines{N: min(t.block, k.oc-c), PitchA: k.oc, PitchB: k.Stride[2] * k.oc}
	rows := k.Out[0] * k.Out[1]
	all := k.n * rows
	for row := part * all / t.parts; row < (part+1)*all/t.parts; row++ {
		n := row / rows
		t.row(&l, row%rows, d[n*k.OutSize()*k.oc:], x[n*k.InSize()*k.oc:], sums)
	}
}

// row adds what an image's row of outputs has of the sums. Three taps side by side share the outputs that all of them reach.
func (t *depthwiseGradWeight) row(l *kern.TapLines, row int, d, x, sums []float32) {
	k := t.k
	three := k.Kernel[2] == 3 && kern.TapsPay()
	var side [3]tapRun
	for r, ok := t.next(row, 0); ok; {
		n := 0
		for first := r.tap / k.Kernel[2]; ok && n < len(side) && r.tap/k.Kernel[2] == first; n++ {
			side[n] = r
			r, ok = t.next(row, r.tap+1)
		}
		from, to := 0, 0 // outputs that have been
		if three && n == len(side) {
			from = max(side[0].out, side[1].out, side[2].out)
			to = max(from, min(side[0].end(), side[1].end(), side[2].end()))
			k.linesOf(l, &side[0], from, to, d, x, sums)
			l.DotTaps(k.Dilation[2]*k.oc, k.oc)
		}
		for i := range side[:n] {
			s := &side[i]
			if from == to {
				k.linesOf(l, s, s.out, s.end(), d, x, sums)
				l.Dot()
				continue
			}
			k.linesOf(l, s, s.out, from, d, x, sums)
			l.Dot()
			k.linesOf(l, s, to, s.end(), d, x, sums)
			l.Dot()
		}
	}
}

// end is after the last output of an image.
func (r *tapRun) end() int { return r.out + r.lines }

// linesOf sets l to what outputs from to to, of a tap's run, have of its sums; there may be none.
func (k *convGrad) linesOf(l *kern.TapLines, r *tapRun, from, to int, d, x, sums []float32) {
	if l.Lines = to - from; l.Lines > 0 {
		l.A, l.B, l.Dst = d[from*k.oc:], x[(r.in+(from-r.out)*k.Stride[2])*k.oc:], sums[r.tap*k.oc:]
	}
}
