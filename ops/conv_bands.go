package ops

import (
	"github.com/teff-ml/teff/ops/internal/cpu"
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

var useConvBands = true

func init() { cpu.Register("conv/bands", &useConvBands) }

// convBands is a first layer of its own by gemmBands: a task copies the lines that
// its rows see, with their padding, and multiplies them while they are in the
// cache. Neither is there a padded copy of the image, for which all would wait,
// nor is a table of offsets written at a run.
type convBands struct {
	g           *gemmBands // no part of this, or the linker would keep all its methods
	band, bands int        // rows of results of a task, and tasks of an image
	floats      int        // of a worker's scratch
}

// bandPanels is the width of AVX2's panels: there tables of offsets are written in
// Go, and bands were measured.
const bandPanels = 16

// prepareBands is nil where another way is better.
func (c *Conv) prepareBands(p *Prep, s *convSpec) Kernel {
	depth := s.Taps() * s.icg
	if !useConvBands || s.ic >= fuseTapsBelow || kern.SelectGemmF32().NR != bandPanels || c.Residual || 2*s.oc <= bandPanels/2 ||
		p.Choice.Cut != 0 || s.In[0]*s.Out[0]*s.Kernel[0] != 1 || 4*depth*s.oc > cacheBytes {
		return nil
	}
	g := c.newGemmBands(p, s, s.Out[2])
	rows, threads := s.Out[1], max(1, p.Threads)
	most := keptTable / (4 * g.taps * g.cols)
	if !g.padded || most == 0 {
		return nil
	}
	bands := (rows + most - 1) / most
	if s.n < 4*threads {
		bands = max(bands, parts(rows*g.cols*s.oc*depth, taskMACs, threads))
		if bands > 1 {
			bands = roundUp(bands, threads) // all threads have as many
		}
	}
	k := &convBands{g: g, band: (rows + bands - 1) / bands}
	k.bands = (rows + k.band - 1) / k.band
	k.floats = roundUp(g.bandScratch(k.band), 16)
	need := 4 * k.floats * threads
	if p.ScratchBudget > 0 && need > p.ScratchBudget {
		return nil
	}
	g.pitch = outPitch(p.OutPitch, s.oc)
	g.prepare(p, k.band)
	p.NeedScratch(need)
	return k
}

func (k *convBands) Repack(a *Args) { k.g.Repack(a) }

func (k *convBands) Run(a *Args) { a.Parallel(k.g.n*k.bands, k) }

// Do computes one task.
func (k *convBands) Do(a *Args, i, worker int) {
	g := k.g
	n, y0 := i/k.bands, i%k.bands*k.band
	y1 := min(g.Out[1], y0+k.band)
	room := tensor.CastSlice[float32](a.Scratch)[worker*k.floats:][:k.floats]
	g.bandOpen(a, room, n, y0, y1)
	g.bandRun(a, room, n, y0, y0, y1, 0, g.cols, f32(&a.Out)[(n*g.Out[1]+y0)*g.cols*g.pitch:])
}
