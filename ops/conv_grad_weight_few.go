package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGradWeightFew is dw where the input has few channels, as a picture has:
// columns of one tap would leave most of a vector empty, and d would be read
// again for each. What all taps see of some positions is copied side by side,
// [positions, taps * channels], and one product serves them all. Positions go
// in a fixed number of parts with sums of their own, which are added in order,
// so that bits do not depend on the number of threads.
type convGradWeightFew struct {
	k     *convGrad
	parts int
	depth int // floats of what a position sees
	sums  int // floats of one part's sums
	slot  int // floats of one worker's copies
	total convGradWeightFewTotal
}

const (
	fewParts = 8
	fewChunk = 64 // positions copied at once: they stay in the first-level cache
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
	t := &convGradWeightFew{k: k, parts: fewParts, depth: k.Taps() * k.icg}
	t.sums = roundUp(t.depth*k.oc, 16)
	t.slot = roundUp(fewChunk*t.depth, 16)
	t.total.t = t
	p.NeedScratch(4 * (t.parts*t.sums + max(1, p.Threads)*t.slot))
	return t
}

func (t *convGradWeightFew) Run(g *Grads) {
	g.Parallel(t.parts*t.k.groups, t)
	g.Parallel(1, &t.total)
}

// Do sums a part of the positions for one group.
func (t *convGradWeightFew) Do(g *Grads, i, worker int) {
	k := t.k
	part, group := i%t.parts, i/t.parts
	f := tensor.CastSlice[float32](g.Scratch)
	patches := f[t.parts*t.sums+worker*t.slot:][:t.slot]
	all := k.n * k.OutSize()
	from, to := all*part/t.parts, all*(part+1)/t.parts
	d, x := g.DOut.F32(), g.In[0].F32()
	for at := from; at < to; at += fewChunk {
		n := min(fewChunk, to-at)
		t.copy(patches, x[group*k.icg:], at, n)
		a := kern.GemmTNArgs{
			A: d[at*k.oc+group*k.ocg:], LDA: k.oc, M: k.ocg, B: patches, LDB: t.depth, N: t.depth, K: n,
			C: f[part*t.sums+group*k.ocg*t.depth:], LDC: t.depth, Accumulate: at > from,
		}
		a.Run(0, k.ocg, 0, t.depth)
	}
}

// copy writes what n positions from the given one on see, one row of the result
// after the other.
func (t *convGradWeightFew) copy(dst, x []float32, at, n int) {
	g := &t.k.Geom
	image, o := at/t.k.OutSize(), t.k.outAt(at%t.k.OutSize())
	for n > 0 {
		m := min(n, g.Out[2]-o[2])
		tap := 0
		for kd := range g.Kernel[0] {
			d := o[0]*g.Stride[0] + kd*g.Dilation[0] - g.PadLo[0]
			for kh := range g.Kernel[1] {
				h := o[1]*g.Stride[1] + kh*g.Dilation[1] - g.PadLo[1]
				line := -1
				if uint(d) < uint(g.In[0]) && uint(h) < uint(g.In[1]) {
					line = ((image*g.In[0]+d)*g.In[1] + h) * g.In[2] * t.k.ic
				}
				t.row(dst[tap:], x, line, o[2], m)
				tap += g.Kernel[2] * t.k.icg
			}
		}
		dst = dst[m*t.depth:]
		n -= m
		if o[2] = 0; o[1]+1 < g.Out[1] {
			o[1]++
		} else if o[1] = 0; o[0]+1 < g.Out[0] {
			o[0]++
		} else {
			o[0], image = 0, image+1
		}
	}
}

// row copies a row of taps of n positions from column o on. Taps inside lie side
// by side in the input, whose row is x[line:]; -1: in the padding.
func (t *convGradWeightFew) row(dst, x []float32, line, o, n int) {
	k := t.k
	size, step := k.Kernel[2]*k.icg, k.Stride[2]*k.ic
	w := o*k.Stride[2] - k.PadLo[2]
	for n > 0 {
		m := 0 // positions whose taps are all inside
		if line >= 0 && k.groups == 1 && k.Dilation[2] == 1 && w >= 0 && w+k.Kernel[2] <= k.In[2] {
			m = min(n, (k.In[2]-k.Kernel[2]-w)/k.Stride[2]+1)
		}
		switch {
		case m == 0:
			t.edge(dst[:size], x, line, w)
			m = 1
		case size == 9:
			for i := range m {
				*(*[9]float32)(dst[i*t.depth:]) = *(*[9]float32)(x[line+w*k.ic+i*step:])
			}
		case size == 21:
			for i := range m {
				*(*[21]float32)(dst[i*t.depth:]) = *(*[21]float32)(x[line+w*k.ic+i*step:])
			}
		default:
			for i := range m {
				copy(dst[i*t.depth:][:size], x[line+w*k.ic+i*step:])
			}
		}
		w += m * k.Stride[2]
		if n -= m; n > 0 {
			dst = dst[m*t.depth:]
		}
	}
}

// edge is a row of taps of which some lie in the padding or apart; the first is
// in column w.
func (t *convGradWeightFew) edge(dst, x []float32, line, w int) {
	k := t.k
	for kw := range k.Kernel[2] {
		c := w + kw*k.Dilation[2]
		to := dst[kw*k.icg:][:k.icg]
		if line >= 0 && uint(c) < uint(k.In[2]) {
			for i, v := range x[line+c*k.ic:][:len(to)] { // too few for copy to pay
				to[i] = v
			}
		} else {
			clear(to)
		}
	}
}

// convGradWeightFewTotal adds the parts' sums to the gradient.
type convGradWeightFewTotal struct{ t *convGradWeightFew }

func (t *convGradWeightFewTotal) Do(g *Grads, _, _ int) {
	f := t.t
	s, dw := tensor.CastSlice[float32](g.Scratch), g.DParams[0].F32()
	for part := range f.parts {
		kern.AxpyF32(dw, s[part*f.sums:], 1, 1)
	}
}
