package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convGrouped is convolution in groups, vectors over output channels. A task
// is a band of output rows, of so many vectors at once that their weights stay in
// the first-level cache.
type convGrouped struct {
	*convSpec
	args   kern.GroupedF32Args // but for In and Out
	weight tensor.Tensor
	act    *Act // one that is no clamp, applied to stored rows
	bands  int  // tasks of an image
	some   int  // vectors at once
}

// groupedWeights is bytes of weights that stay there.
const groupedWeights = 24 << 10

// groupedShape says that a kernel for groups may be for a convolution's shape.
func (s *convSpec) groupedShape() bool {
	return s.groups > 1 && s.Kernel[0] == 1 && s.In[0] == 1 && s.PadLo[0] == 0 && s.Kernel[2] == 3 && s.Dilation == [MaxSpatial]int{1, 1, 1}
}

// prepareGrouped is nil where the matrix product is to do it.
func (c *Conv) prepareGrouped(p *Prep, s *convSpec) Kernel {
	if !s.groupedShape() || c.Residual {
		return nil
	}
	k := &convGrouped{convSpec: s, weight: p.Params[0]}
	a := &k.args
	a.H, a.W, a.Pixel, a.IC, a.OC, a.Channels, a.KH = s.In[1], s.In[2], s.ic, s.icg, s.ocg, s.oc, s.Kernel[1]
	a.SH, a.SW, a.PT, a.PL, a.OH, a.OW, a.OutPixel = s.Stride[1], s.Stride[2], s.PadLo[1], s.PadLo[2], s.Out[1], s.Out[2], outPitch(p.OutPitch, s.oc)
	if !a.Plan() {
		return nil
	}
	a.Bias = make([]float32, s.oc)
	if s.bias {
		a.Bias = f32(&p.Params[1])
	}
	a.Min, a.Max, k.act = c.Act.limits()
	k.some = groupedSome(a)
	a.Weights = tensor.CastSlice[float32](p.Pack(&k.weight, "grouped", 4*a.Packed()*a.Blocks(), k.pack))
	k.bands = 1
	if threads := max(1, p.Threads); s.n < 4*threads {
		k.bands = min(a.OH, parts(s.OutSize()*s.oc*s.Taps()*s.icg, taskMACs, threads))
	}
	p.Path("grouped")
	return k
}

// groupedSome is how many blocks have weights that stay in the first-level cache, about evenly.
func groupedSome(a *kern.GroupedF32Args) int {
	most := max(1, groupedWeights/(4*a.Packed()))
	chunks := (a.Blocks() + most - 1) / most
	return (a.Blocks() + chunks - 1) / chunks
}

func (k *convGrouped) pack(dst []byte) {
	k.args.Pack(tensor.CastSlice[float32](dst), f32(&k.weight))
}

// Repack packs changed weights again.
func (k *convGrouped) Repack(*Args) { k.pack(tensor.BytesOf(k.args.Weights)) }

func (k *convGrouped) Run(a *Args) { a.Parallel(k.n*k.bands, k) }

// Do computes a band of one image.
func (k *convGrouped) Do(a *Args, i, _ int) {
	args, n, band := k.args, i/k.bands, i%k.bands
	y0, y1 := args.OH*band/k.bands, args.OH*(band+1)/k.bands
	args.In = f32(&a.In[0])[n*k.InSize()*k.ic:]
	args.Out = f32(&a.Out)[n*k.OutSize()*args.OutPixel:]
	for b := 0; b < args.Blocks(); b += k.some {
		args.Run(y0, y1, b, min(b+k.some, args.Blocks()))
	}
	k.act.rows(args.Out[y0*args.OW*args.OutPixel:], (y1-y0)*args.OW, k.oc, args.OutPixel)
}
