package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// convStem is a first layer of stride 2 and a large kernel by Winograd's minimal
// filtering of folded pixels (see kern.StemF32), alone or by bands before a pool.
type convStem struct {
	*convSpec
	stem   kern.StemF32
	weight tensor.Tensor
	packed []float32
	bias   []float32
	lo, hi float32
	act    *Act // an activation that is no clamp, applied to stored rows
	pitch  int
	part   int // rows of a task
	parts  int // tasks of an image
}

// newStem is nil where the layer is another one, or was asked to round no more
// than it has to.
func (c *Conv) newStem(p *Prep, s *convSpec) *convStem {
	two, one := [MaxSpatial]int{1, 2, 2}, [MaxSpatial]int{1, 1, 1}
	if p.Exact || p.Choice.Winograd == WinogradNone || c.Residual || s.groups != 1 || s.Stride != two || s.Dilation != one ||
		s.Kernel[0] != 1 || s.In[0] != 1 || s.Out[0] != 1 || !kern.StemWorthwhile(s.Kernel[1], s.Kernel[2], s.ic, s.oc) {
		return nil
	}
	k := &convStem{convSpec: s, pitch: outPitch(p.OutPitch, s.oc), stem: kern.StemF32{
		H: s.In[1], W: s.In[2], C: s.ic, OH: s.Out[1], OW: s.Out[2], OC: s.oc, KH: s.Kernel[1], KW: s.Kernel[2], PT: s.PadLo[1], PL: s.PadLo[2],
	}}
	k.stem.Plan()
	if need := 4 * (k.stem.PackedSize() + k.stem.ScratchSize()); p.MemoryBudget > 0 && need > p.MemoryBudget {
		return nil
	}
	weight := p.Params[0]
	k.weight = weight
	packed := p.PackParts(&weight, "winostem", 4*k.stem.PackedSize(), 1, func(dst []byte, _ int, buf *packBuffer) {
		k.stem.Pack(tensor.CastSlice[float32](dst), weightRows(&weight, 0, s.oc, buf))
	})
	k.packed = tensor.CastSlice[float32](packed)
	if s.bias {
		k.bias = f32(&p.Params[1])
	}
	k.lo, k.hi, k.act = c.Act.limits()
	p.Path("winograd-f3/" + kern.StemName())
	return k
}

// prepareStem is newStem for a layer of its own.
func (c *Conv) prepareStem(p *Prep, s *convSpec) *convStem {
	k := c.newStem(p, s)
	if k == nil {
		return nil
	}
	threads := max(1, p.Threads)
	k.part = s.Out[1]
	if threads > 1 {
		k.part = min(k.part, roundUp((s.Out[1]+2*threads-1)/(2*threads), 2*kern.StemTile))
	}
	k.parts = (s.Out[1] + k.part - 1) / k.part
	p.NeedScratch(4 * roundUp(k.stem.ScratchSize(), 16) * threads)
	return k
}

// Repack transforms changed weights again.
func (k *convStem) Repack(*Args) { k.stem.Pack(k.packed, weightRows(&k.weight, 0, k.oc, nil)) }

func (k *convStem) Run(a *Args) { a.Parallel(k.n*k.parts, k) }

// Do computes the rows of one task.
func (k *convStem) Do(a *Args, i, worker int) {
	n, y0 := i/k.parts, i%k.parts*k.part
	size := roundUp(k.stem.ScratchSize(), 16)
	scratch := tensor.CastSlice[float32](a.Scratch)[worker*size : (worker+1)*size]
	k.rows(a, scratch, n, y0, min(k.Out[1], y0+k.part), f32(&a.Out)[(n*k.Out[1]+y0)*k.Out[2]*k.pitch:], k.pitch)
}

// rows computes rows y0, a multiple of StemTile, to y1 of image n.
func (k *convStem) rows(a *Args, scratch []float32, n, y0, y1 int, out []float32, pitch int) {
	args := kern.StemArgs{
		In: f32(&a.In[0])[n*k.InSize()*k.ic:], Packed: k.packed, Bias: k.bias, Out: out, OutPixel: pitch, Min: k.lo, Max: k.hi,
	}
	k.stem.Run(&args, scratch, y0, y1)
	k.act.rows(out, (y1-y0)*k.Out[2], k.oc, pitch)
}

// stemBands is the layer by bands, which start and end at tiles.
type stemBands struct{ *convStem }

func (k stemBands) bandAlign() int                           { return kern.StemTile }
func (k stemBands) bandScratch(int) int                      { return k.stem.ScratchSize() }
func (k stemBands) bandOpen(*Args, []float32, int, int, int) {}

func (k stemBands) bandRun(a *Args, room []float32, n, _, y0, y1, _, _ int, out []float32) {
	k.rows(a, room, n, y0, y1, out, k.oc)
}
