package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// isDepthwise reports one filter a channel over at most two dimensions.
//
//go:noinline
func (s *convSpec) isDepthwise() bool {
	return s.groups > 1 && s.icg == 1 && s.ocg == 1 && s.Kernel[0] == 1 && s.In[0] == 1 && s.PadLo[0] == 0
}

// convDepthwise is depthwise convolution, vectors over channels. Tasks are
// bands of output rows.
type convDepthwise struct {
	*convSpec
	args   kern.DWF32Args // but for In and Out
	weight tensor.Tensor
	packed []float32 // [taps][c]
	act    *Act      // applied to stored rows, after the residual
	lo, hi float32   // applied with the residual
	add    bool
	plans  []*kern.DWPlan // of small layers, a band each; or nil
	band   int            // output rows of a task
	bands  int
}

func (c *Conv) prepareDepthwise(p *Prep, s *convSpec) *convDepthwise {
	k := &convDepthwise{convSpec: s, weight: p.Params[0], add: c.Residual}
	packed := p.Pack(&k.weight, "depthwise", 4*s.Taps()*s.oc, func(dst []byte) { k.pack(tensor.CastSlice[float32](dst)) })
	k.packed = tensor.CastSlice[float32](packed)
	k.args = kern.DWF32Args{
		H: s.In[1], W: s.In[2], C: s.oc, Pixel: s.ic, Weights: k.packed,
		KH: s.Kernel[1], KW: s.Kernel[2], SH: s.Stride[1], SW: s.Stride[2], DH: s.Dilation[1], DW: s.Dilation[2],
		PT: s.PadLo[1], PL: s.PadLo[2], OH: s.Out[1], OW: s.Out[2], OutPixel: outPitch(p.OutPitch, s.oc),
	}
	if s.bias {
		k.args.Bias = f32(&p.Params[1])
	}
	lo, hi, clamp := c.Act.Clamp()
	inf := float32(math.Inf(1))
	switch {
	case !clamp:
		k.args.Min, k.args.Max, k.lo, k.hi, k.act = -inf, inf, -inf, inf, &c.Act
	case c.Residual:
		k.args.Min, k.args.Max, k.lo, k.hi = -inf, inf, lo, hi
	default:
		k.args.Min, k.args.Max = lo, hi
	}
	work := s.Out[1] * s.Out[2] * s.oc * s.Taps()
	k.bands = 1
	if threads := max(1, p.Threads); s.n < 4*threads {
		k.bands = parts(depthwiseMACs*work, taskMACs, threads)
	}
	k.band = (s.Out[1] + k.bands - 1) / k.bands
	k.bands = (s.Out[1] + k.band - 1) / k.band
	if work <= plannedMACs {
		for y := 0; y < s.Out[1]; y += k.band {
			k.plans = append(k.plans, k.args.Plan(y, min(y+k.band, s.Out[1])))
		}
	}
	p.Path("depthwise")
	return k
}

// plannedMACs is the work up to which finding the kernels to call matters.
const plannedMACs = 1 << 19

func (k *convDepthwise) pack(dst []float32) {
	w, taps := f32(&k.weight), k.Taps()
	for c := range k.oc {
		for t := range taps {
			dst[t*k.oc+c] = w[c*taps+t]
		}
	}
}

// Repack packs changed weights again.
func (k *convDepthwise) Repack(*Args) { k.pack(k.packed) }

func (k *convDepthwise) Run(a *Args) { a.Parallel(k.n*k.bands, k) }

// Do computes a band of one image.
func (k *convDepthwise) Do(a *Args, i, _ int) {
	n, band := i/k.bands, i%k.bands
	y0 := band * k.band
	y1 := min(y0+k.band, k.Out[1])
	args := k.args
	args.In = f32(&a.In[0])[n*k.InSize()*k.ic:]
	args.Out = f32(&a.Out)[n*k.OutSize()*args.OutPixel:]
	var res []float32
	if k.add {
		res = f32(&a.In[1])[n*k.OutSize()*k.oc:]
	}
	var plan *kern.DWPlan
	if k.plans != nil {
		plan = k.plans[band]
	}
	k.rowsInto(plan, &args, res, y0, y1)
}

// rowsInto computes output rows y0 to y1 of args, for which there may be a plan, with what the kernel leaves
// to do: the residual, and activations that are no clamp.
func (k *convDepthwise) rowsInto(plan *kern.DWPlan, args *kern.DWF32Args, res []float32, y0, y1 int) {
	if plan != nil {
		plan.Run(args.In, args.Out)
	} else {
		args.Run(y0, y1)
	}
	m0, m1 := y0*k.Out[2], y1*k.Out[2]
	for m := m0; k.add && m < m1; m++ {
		row := args.Out[m*args.OutPixel:][:k.oc]
		for j, v := range res[m*k.oc:][:len(row)] {
			row[j] = min(max(row[j]+v, k.lo), k.hi)
		}
	}
	k.act.rows(args.Out[m0*args.OutPixel:], m1-m0, k.oc, args.OutPixel)
}
