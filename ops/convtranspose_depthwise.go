package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// transposeDepthwise is a transposed convolution of one filter a channel, as a
// bilinear upsampling is: each phase (see transposeFast) is a depthwise convolution
// of stride 1, whose results lie a stride apart.
type transposeDepthwise struct {
	*convSpec
	params      []tensor.Tensor
	late        *Act
	args        []kern.DWF32Args // but for In and Out, of each residue of a result's row and column
	band, bands int              // rows of a task, tasks of an image
}

// prepareDepthwise is nil where the form does not fit: the kernel is packed once, and
// every result must have a tap.
func (c *ConvTranspose) prepareDepthwise(p *Prep, s *convSpec) Kernel {
	if p.Training || len(p.Params) == 0 || s.groups < 2 || s.icg != 1 || s.ocg != 1 || s.In[0] != 1 || s.Kernel[0] != 1 || s.n*s.OutSize() == 0 {
		return nil
	}
	k := &transposeDepthwise{convSpec: s, params: p.Params}
	t := transposeFast{convSpec: s, step: s.Stride}
	one := kern.DWF32Args{H: s.Out[1], W: s.Out[2], C: s.ic, Pixel: s.ic, SH: 1, SW: 1, OutPixel: s.Stride[2] * s.ic}
	one.Min, one.Max, k.late = c.Act.limits()
	if s.bias {
		one.Bias = f32(&p.Params[1])
	}
	var steps [2]int
	for i := range steps {
		steps[i] = s.Stride[1+i] / gcd(s.Stride[1+i], s.Dilation[1+i])
	}
	one.DH, one.DW = s.Dilation[1]*steps[0]/s.Stride[1], s.Dilation[2]*steps[1]/s.Stride[2]
	columns := t.phases(2, steps[1])
	for _, fy := range t.phases(1, steps[0]) {
		for _, fx := range columns {
			one.KH, one.KW, one.PT, one.PL, one.OW = fy.taps, fx.taps, -fy.low, -fx.low, fx.size
			if one.KH*one.KW == 0 || one.PT < 0 || one.PL < 0 {
				return nil
			}
			one.Weights = make([]float32, one.KH*one.KW*s.ic)
			for i := range one.Weights {
				tap := i / s.ic
				y, x := fy.last[0]-tap/one.KW*steps[0], fx.last[0]-tap%one.KW*steps[1]
				one.Weights[i] = f32(&p.Params[0])[i%s.ic*s.Taps()+y*s.Kernel[2]+x]
			}
			k.args = append(k.args, one)
		}
	}
	k.band = max(1, taskMACs*s.In[1]/max(1, depthwiseMACs*s.OutSize()*s.Taps()*s.ic))
	k.bands = (s.In[1] + k.band - 1) / k.band
	p.Path("transposed/depthwise")
	return k
}

func (k *transposeDepthwise) Run(a *Args) { a.Parallel(k.n*k.bands, k) }

// Do computes some rows of an image.
func (k *transposeDepthwise) Do(a *Args, i, _ int) {
	n, from := i/k.bands, i%k.bands*k.band
	x, out := argF32(a, k.params, 0)[n*k.OutSize()*k.ic:], f32(&a.Out)[n*k.InSize()*k.ic:]
	k.rows(x, out, from, min(k.In[1], from+k.band))
}

// rows computes rows r to end of an image out from x.
func (k *transposeDepthwise) rows(x, out []float32, r, end int) {
	columns, width, n := min(k.Stride[2], k.In[2]), k.In[2]*k.ic, 1
	if k.Stride[1] == 1 {
		n = end - r
	}
	for ; r < end; r += n {
		y, row := r/k.Stride[1], out[:(r+n)*width]
		for j := range columns {
			args := k.args[r%k.Stride[1]*columns+j]
			args.In, args.OH = x, y+n
			args.Out = row[r*width+j*k.ic-y*args.OW*args.OutPixel:] // row y of the phase is row r of the result
			args.Run(y, y+n)
		}
		if k.late != nil {
			actRow(k.late, row[r*width:])
		}
	}
}
