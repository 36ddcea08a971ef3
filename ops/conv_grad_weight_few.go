package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradWeightFew is dw where the input has few channels, as a picture has:
// columns of one tap would leave most of a vector empty, and d would be read
// again for each. So output channels are the columns, and the taps of a row of
// the kernel, whose inputs lie side by side, the rows of a product over the
// positions of an output line. Input lines are copied with their padding around
// them, a few at a time. Output lines go in a fixed number of parts with sums of
// their own, which are added in order, so that bits do not depend on the number
// of threads.
type convGradWeightFew struct {
	k     *convGrad
	parts int
	depth int // floats of what a position sees
	sums  int // floats of one part's sums, [groups][depth][ocg]
	line  int // floats of an input line with its padding
	lines int // output lines of one image at a time
	slot  int // floats of one worker's copies
	taps  int // of a row that lie side by side: all, or one
	total convGradWeightFewTotal
}

const (
	fewParts = 8
	fewBytes = 16 << 10 // of copied lines: with d's they stay in the first-level cache
	// With fewer than fewPositions the copies and sums would be a large part of
	// what training holds; fewChannels is as many as leave more than half of the
	// widest vectors empty.
	fewPositions = 4096
	fewChannels  = 8
)

// fewGrad says whether this form is for a convolution.
func (s *convSpec) fewGrad() bool {
	return s.icg <= fewChannels && s.Taps() > 1 && s.n*s.OutSize() >= fewPositions
}

func newConvGradWeightFew(p *GradPrep, k *convGrad) *convGradWeightFew {
	t := &convGradWeightFew{k: k, parts: fewParts, depth: k.Taps() * k.icg, taps: 1}
	t.sums = roundUp(t.depth*k.oc, 16)
	if k.groups == 1 && k.Dilation[2] == 1 {
		t.taps = k.Kernel[2]
	}
	t.line = roundUp(((k.Out[2]-1)*k.Stride[2]+(k.Kernel[2]-1)*k.Dilation[2]+1)*k.ic, 16)
	t.lines = 1
	for t.lines < k.Out[1] && 4*t.line*k.Kernel[0]*t.rows(t.lines+1) <= fewBytes {
		t.lines++
	}
	t.slot = t.line * k.Kernel[0] * t.rows(t.lines)
	t.total.t = t
	p.NeedScratch(4 * (t.parts*t.sums + max(1, p.Threads)*t.slot))
	return t
}

// rows is how many input lines some output lines see, one depth of the kernel.
func (t *convGradWeightFew) rows(lines int) int {
	return (lines-1)*t.k.Stride[1] + (t.k.Kernel[1]-1)*t.k.Dilation[1] + 1
}

func (t *convGradWeightFew) Run(g *Grads) {
	g.Parallel(t.parts, t)
	g.Parallel(1, &t.total)
}

// Do sums a part of the output lines.
func (t *convGradWeightFew) Do(g *Grads, part, worker int) {
	k := t.k
	f := tensor.CastSlice[float32](g.Scratch)
	sums, copied := f[part*t.sums:][:t.sums], f[t.parts*t.sums+worker*t.slot:][:t.slot]
	clear(sums)
	all := k.n * k.Out[0] * k.Out[1]
	to := all * (part + 1) / t.parts
	for at := all * part / t.parts; at < to; {
		n := min(t.lines, to-at, k.Out[1]-at%k.Out[1]) // of the same image and depth
		t.copy(copied, g.In[0].F32(), at, n)
		t.add(sums, copied, g.DOut.F32()[at*k.Out[2]*k.oc:], n)
		at += n
	}
}

// copy writes the input lines that n output lines from the given one on see,
// padding and all.
func (t *convGradWeightFew) copy(dst, x []float32, at, n int) {
	k := t.k
	image, d, h := at/(k.Out[0]*k.Out[1]), at/k.Out[1]%k.Out[0], at%k.Out[1]
	lo := k.PadLo[2] * k.ic
	for kd := range k.Kernel[0] {
		d := d*k.Stride[0] + kd*k.Dilation[0] - k.PadLo[0]
		for r := range t.rows(n) {
			h := h*k.Stride[1] - k.PadLo[1] + r
			to := dst[(kd*t.rows(t.lines)+r)*t.line:][:t.line]
			if uint(d) >= uint(k.In[0]) || uint(h) >= uint(k.In[1]) {
				clear(to)
				continue
			}
			clear(to[:min(lo, t.line)])
			have := lo
			if lo < t.line {
				have += copy(to[lo:], x[((image*k.In[0]+d)*k.In[1]+h)*k.In[2]*k.ic:][:k.In[2]*k.ic])
				clear(to[have:])
			}
		}
	}
}

// add sums n output lines.
func (t *convGradWeightFew) add(sums, copied, d []float32, n int) {
	k := t.k
	a := kern.GemmTNArgs{LDA: k.Stride[2] * k.ic, M: t.taps * k.icg, LDB: k.oc, N: k.ocg, K: k.Out[2], LDC: k.ocg, Accumulate: true}
	for row := range k.groups * k.Taps() / t.taps {
		tap := row * t.taps % k.Taps()
		group := row * t.taps / k.Taps()
		kd, kh, kw := tap/(k.Kernel[1]*k.Kernel[2]), tap/k.Kernel[2]%k.Kernel[1], tap%k.Kernel[2]
		from := (kd*t.rows(t.lines)+kh*k.Dilation[1])*t.line + kw*k.Dilation[2]*k.ic + group*k.icg
		a.C = sums[(group*k.Taps()+tap)*k.icg*k.ocg:]
		for line := range n {
			a.A, a.B = copied[from+line*k.Stride[1]*t.line:], d[line*k.Out[2]*k.oc+group*k.ocg:]
			a.Run(0, a.M, 0, a.N)
		}
	}
}

// convGradWeightFewTotal adds the parts' sums to the gradient.
type convGradWeightFewTotal struct{ t *convGradWeightFew }

func (t *convGradWeightFewTotal) Do(g *Grads, _, _ int) {
	f := t.t
	s, dw := tensor.CastSlice[float32](g.Scratch), g.DParams[0].F32()
	for part := 1; part < f.parts; part++ {
		kern.AxpyF32(s[:f.sums], s[part*f.sums:], 1, 1)
	}
	ocg := f.k.ocg
	for group := range f.k.groups {
		from, to := s[group*f.depth*ocg:], dw[group*f.depth*ocg:]
		for o := range ocg {
			for i := range f.depth {
				to[o*f.depth+i] += from[i*ocg+o]
			}
		}
	}
}
