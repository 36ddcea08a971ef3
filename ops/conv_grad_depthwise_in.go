package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// depthwiseGradPhases sets dx as the transposed convolution that it is, by kernels of
// the way forward: each result is stored once, where tap after tap loads and stores it
// for each of them.
type depthwiseGradPhases struct {
	*transposeDepthwise
	taps [][]int // of the kernel, in the order of a phase's weights
}

// newDepthwiseGradIn adds tap after tap where the phases do not fit or dx holds a
// gradient already.
func newDepthwiseGradIn(p *GradPrep, k *convGrad) GradKernel {
	if kern.DWBackPays() && p.NeedIn[0] && k.ic > 0 {
		if t := newDepthwiseGradPhases(k, max(1, p.Threads)); t != nil && p.writes(0) {
			return t
		}
	}
	return &depthwiseGradIn{newDepthwiseGrad(p, k, p.NeedIn[0], false)}
}

func newDepthwiseGradPhases(k *convGrad, threads int) *depthwiseGradPhases {
	s := *k.convSpec
	s.bias = false
	// With their numbers as weights, what a phase has packed says which taps it has.
	numbers := tensor.New(tensor.Spec{DType: tensor.F32, Shape: tensor.Of(s.ic * s.Taps())})
	for i, w := 0, numbers.F32(); i < len(w); i++ {
		w[i] = float32(i % s.Taps())
	}
	f, _ := new(ConvTranspose).prepareDepthwise(&Prep{Params: []tensor.Tensor{numbers}}, &s).(*transposeDepthwise)
	if f == nil {
		return nil
	}
	t := &depthwiseGradPhases{transposeDepthwise: f}
	for _, a := range f.args {
		var taps []int
		for i := range a.KH * a.KW {
			taps = append(taps, int(a.Weights[i*s.ic]))
		}
		t.taps = append(t.taps, taps)
	}
	if f.band = s.In[1]; s.n < 4*threads {
		f.band = (s.In[1] + threads - 1) / threads
	}
	f.bands = (s.In[1] + f.band - 1) / f.band
	return t
}

func (t *depthwiseGradPhases) Run(g *Grads) {
	w, all := g.Params[0].F32(), t.Taps()
	for i, taps := range t.taps {
		to := t.args[i].Weights
		for j, tap := range taps {
			for c := range to[j*t.ic:][:t.ic] {
				to[j*t.ic+c] = w[c*all+tap]
			}
		}
	}
	g.Parallel(t.n*t.bands, t)
}

// Do computes some rows of an image.
func (t *depthwiseGradPhases) Do(g *Grads, i, _ int) {
	n, from := i/t.bands, i%t.bands*t.band
	t.rows(g.DOut.F32()[n*t.OutSize()*t.ic:], g.DIn[0].F32()[n*t.InSize()*t.ic:], from, min(t.In[1], from+t.band))
}
