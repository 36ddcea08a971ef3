package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// depthwiseGradRows is the weights' gradient of a depthwise convolution of 3x3 whose results have a pixel for each of the
// input's, or for each square of four: all nine taps pass over some rows together. Each part of the rows has sums of its
// own, added in order, so that bits do not depend on the number of threads.
type depthwiseGradRows struct {
	k     *convGrad
	parts int
	most  int // rows of a call
	size  int // floats of a part's sums, [taps][oc], and room for those of a row of the kernel that sees the padding
}

// tapRowsBytes is about what a call reads of a line of the cache in each pixel: the next vector of channels lies there, too.
const tapRowsBytes = 48 << 10

// tapRowsColumns is the longest row of outputs that it pays for: of 112 three passes over the cache's lines are too many.
const tapRowsColumns = 64

// newDepthwiseGradRows is nil where tap after tap is as good, or the form does not fit.
func newDepthwiseGradRows(p *GradPrep, k *convGrad) *depthwiseGradRows {
	s := k.Stride[2]
	if !kern.TapRowsPays() || p.Reference || !p.NeedParam[0] || !k.isDepthwise() || k.Kernel != [MaxSpatial]int{1, 3, 3} || k.PadLo != [MaxSpatial]int{0, 1, 1} ||
		k.Dilation != [MaxSpatial]int{1, 1, 1} || s > 2 || k.Stride[1] != s || k.In[1] != s*k.Out[1] || k.In[2] != s*k.Out[2] || k.n*k.OutSize() == 0 || k.Out[2] > tapRowsColumns {
		return nil
	}
	t := &depthwiseGradRows{k: k, parts: min(depthwiseParts, k.n*k.Out[1]), most: max(1, tapRowsBytes/(64*k.Out[2]*(1+s*s))), size: (k.Taps() + 3) * k.oc}
	p.NeedScratch(4 * t.size * t.parts)
	return t
}

func (t *depthwiseGradRows) Run(g *Grads) {
	k := t.k
	g.Parallel(t.parts, t)
	sums, dw := tensor.CastSlice[float32](g.Scratch), g.DParams[0].F32()
	for c := range k.oc {
		for tap := range k.Taps() {
			sum := 0.0
			for p := range t.parts {
				sum += float64(sums[p*t.size+tap*k.oc+c])
			}
			dw[c*k.Taps()+tap] += float32(sum)
		}
	}
}

// Do sums a part of the rows of all images.
func (t *depthwiseGradRows) Do(g *Grads, part, _ int) {
	k := t.k
	sums := tensor.CastSlice[float32](g.Scratch)[part*t.size:][:t.size]
	clear(sums)
	all, s := k.n*k.Out[1], k.Stride[1]
	for row, end := part*all/t.parts, (part+1)*all/t.parts; row < end; {
		y := row % k.Out[1]
		rows := min(t.most, end-row, k.Out[1]-y)
		// A row in whose reach there is padding is a call of its own: what the kernel's row there sees instead counts for nothing.
		if y == 0 {
			rows = 1
		} else if rows > 1 && (y+rows-1)*s+1 == k.In[1] {
			rows--
		}
		a := kern.TapRows{D: g.DOut.F32()[row*k.Out[2]*k.oc:], N: k.oc, Pixel: k.oc, Stride: s, Rows: rows, Columns: k.Out[2]}
		for i := range 3 {
			a.Dst[i] = sums[3*i*k.oc:]
			line := y*s + i - 1
			if line < 0 || line >= k.In[1] {
				a.Dst[i], line = sums[k.Taps()*k.oc:], y*s
			}
			a.X[i] = g.In[0].F32()[(row/k.Out[1]*k.In[1]+line)*k.In[2]*k.oc:]
		}
		a.Run()
		row += rows
	}
}
