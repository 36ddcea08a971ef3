package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convDepthwiseDepth is depthwise convolution over three dimensions: the
// two-dimensional ones of a filter's slices, added up in bands of rows that stay in
// a first-level cache.
type convDepthwiseDepth struct {
	*convSpec
	args              kern.DWF32Args // but for In and Out; Weights are all slices'
	lo, hi            float32
	late              *Act
	band, bands, room int // rows of a task, tasks of a slice, floats of a worker's scratch
}

// prepareDepthwiseDepth is nil where the form does not fit.
func (c *Conv) prepareDepthwiseDepth(p *Prep, s *convSpec) Kernel {
	if p.Training || c.Residual || len(p.Params) == 0 || s.groups < 2 || s.icg != 1 || s.ocg != 1 || p.OutPitch != 0 && p.OutPitch != s.oc ||
		(s.Out[1]-1)*s.Stride[1]-s.PadLo[1] >= s.In[1] || s.n*s.OutSize() == 0 {
		return nil
	}
	flat := convDepthwise{convSpec: s, weight: p.Params[0]}
	packed := p.Pack(&flat.weight, "depthwise", 4*s.Taps()*s.oc, func(dst []byte) { flat.pack(tensor.CastSlice[float32](dst)) })
	k := &convDepthwiseDepth{convSpec: s}
	k.args = kern.DWF32Args{
		W: s.In[2], C: s.oc, Pixel: s.oc, Weights: tensor.CastSlice[float32](packed), KH: s.Kernel[1], KW: s.Kernel[2], SH: s.Stride[1], SW: s.Stride[2],
		DH: s.Dilation[1], DW: s.Dilation[2], PL: s.PadLo[2], OW: s.Out[2], OutPixel: s.oc, Min: negInf, Max: posInf,
	}
	if s.bias {
		k.args.Bias = f32(&p.Params[1])
	}
	k.lo, k.hi, k.late = c.Act.limits()
	row := s.Out[2] * s.oc
	k.band = min(s.Out[1], max(1, depthRoom/row))
	k.bands = (s.Out[1] + k.band - 1) / k.band
	k.room = roundUp(k.band*row, 16)
	p.NeedScratch(4 * k.room * max(1, p.Threads))
	p.Path("depthwise/depth")
	return k
}

func (k *convDepthwiseDepth) Run(a *Args) { a.Parallel(k.n*k.Out[0]*k.bands, k) }

// Do computes a band of one slice of the result.
func (k *convDepthwiseDepth) Do(a *Args, i, worker int) {
	y0, slice := i%k.bands*k.band, i/k.bands
	args, plane, weights := k.args, k.In[1]*k.In[2]*k.oc, k.Kernel[1]*k.Kernel[2]*k.oc
	args.OH = min(k.band, k.Out[1]-y0)
	top := y0*k.Stride[1] - k.PadLo[1] // the input row of the band's first tap
	skip := max(0, top)
	args.PT, args.H = skip-top, k.In[1]-skip
	size := args.OH * k.Out[2] * k.oc
	out := f32(&a.Out)[(slice*k.Out[1]+y0)*k.Out[2]*k.oc:][:size]
	room := tensor.CastSlice[float32](a.Scratch)[worker*k.room:][:size]
	x := f32(&a.In[0])[slice/k.Out[0]*k.In[0]*plane:]
	args.Out = out
	first := true
	for t := range k.Kernel[0] {
		z := slice%k.Out[0]*k.Stride[0] - k.PadLo[0] + t*k.Dilation[0]
		if z < 0 || z >= k.In[0] {
			continue
		}
		args.In, args.Weights = x[z*plane+skip*k.In[2]*k.oc:(z+1)*plane], k.args.Weights[t*weights:]
		args.Run(0, args.OH)
		if !first {
			rowStep(kern.Add, out, out, room)
		}
		first, args.Out, args.Bias = false, room, nil
	}
	if first { // all in the padding
		clear(out)
		for m := 0; args.Bias != nil && m < size; m += k.oc {
			copy(out[m:], args.Bias)
		}
	}
	if k.late != nil {
		actRow(k.late, out)
	} else if k.lo != negInf || k.hi != posInf {
		kern.ClampF32(out, out, k.lo, k.hi)
	}
}
