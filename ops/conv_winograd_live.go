package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// winoLive is a 3x3 convolution of stride 1 by F(4x4, 3x3) whose weights
// change between runs, so that transforming them is a part of each. turned, it
// is the gradient of the input: a convolution of the result's gradient with
// the weights turned round and transposed.
//
// All transformed weights of a small layer lie in the scratch, and blocks of
// tiles pass over them, each in its worker's share. Those of a large layer
// would be four times its weights: there all tiles of a block wait transformed
// while one column of planes after the other is made and used.
type winoLive struct {
	w      kern.WinogradF32
	turned bool
	ic, oc int // of the weights as stored
	steps  []winoStep

	panels  int // of packed weights
	plane   int // floats of a plane of packed weights
	columns int // of planes that are there at a time
	direct  int // floats of the packed weights that transforms start from
	block   int // floats of a block
	slots   int // blocks at a time
	cuts    int // ranges of panels of a product that is split
	chunks  int // ranges of tiles of a transform that is split
}

// winoStep is a part of the work that starts when the last one is complete.
type winoStep struct {
	kind          winoStepKind
	block, column int
	parts         int
}

type winoStepKind uint8

const (
	winoPack winoStepKind = iota
	winoFilter
	winoBlocks // transforms and products of whole blocks
	winoInput
	winoMultiply
	winoOutput
)

// winoLiveWeights bounds the transformed weights that lie there whole,
// winoLiveTiles the tiles that wait transformed, in bytes.
const (
	winoLiveWeights = 3 << 20
	winoLiveTiles   = 10 << 20
	winoLeastTiles  = 16
)

// winoTrains says whether training may take this path for a convolution.
func (s *convSpec) winoTrains() bool {
	if s.groups != 1 || s.Kernel != [MaxSpatial]int{1, 3, 3} || s.Stride != [MaxSpatial]int{1, 1, 1} || s.Dilation != [MaxSpatial]int{1, 1, 1} ||
		s.In[0] != 1 || s.PadLo[0] != 0 || max(s.ic, s.oc) > kern.MaxTap || s.In[1] < 4 || s.In[2] < 4 {
		return false
	}
	w := s.winograd()
	return w.Worthwhile() && w.N*((w.OH+3)/4)*((w.OW+3)/4) >= winoLeastTiles
}

// winograd is the forward convolution's sizes.
func (s *convSpec) winograd() kern.WinogradF32 {
	return kern.WinogradF32{
		M: 4, N: s.n, H: s.In[1], W: s.In[2], IC: s.ic, OH: s.Out[1], OW: s.Out[2], OC: s.oc, PT: s.PadLo[1], PL: s.PadLo[2],
		InPixel: s.ic, OutPixel: s.oc, ResPixel: s.oc,
	}
}

func newWinoLive(s *convSpec, outPixel, threads int, turned bool) winoLive {
	l := winoLive{w: s.winograd(), turned: turned, ic: s.ic, oc: s.oc}
	l.w.OutPixel = outPixel
	if turned {
		w := &l.w
		w.H, w.W, w.OH, w.OW = w.OH, w.OW, w.H, w.W
		w.IC, w.OC, w.InPixel, w.OutPixel, w.ResPixel = w.OC, w.IC, w.OC, w.IC, w.IC
		w.PT, w.PL = 2-w.PT, 2-w.PL
	}
	w := &l.w
	w.Plan()
	nr, mr := w.Gemm.NR, w.Gemm.MR
	l.panels = (w.OC + nr - 1) / nr
	l.plane = w.Gemm.PackedSize(w.OC, w.IC)
	if !turned {
		l.direct = roundUp(9*l.plane, 16)
		l.steps = append(l.steps, winoStep{kind: winoPack, parts: l.panels})
	}
	total := w.N * ((w.OH + 3) / 4) * ((w.OW + 3) / 4)
	l.columns = 6
	if 4*l.plane*w.Planes() <= winoLiveWeights {
		for threads > 1 && w.Tiles > mr && w.Blocks() < 4*threads {
			w.Tiles -= mr
		}
		l.slots = threads
		l.steps = append(l.steps, winoStep{kind: winoFilter, parts: 6 * l.panels}, winoStep{kind: winoBlocks, parts: w.Blocks()})
	} else {
		perTile := 4 * w.Planes() * (w.IC + w.OC)
		blocks := max(1, (total*perTile+winoLiveTiles-1)/winoLiveTiles)
		w.Tiles = min(total, roundUp((total+blocks-1)/blocks, mr))
		l.columns, l.slots = 1, 1
		l.cuts, l.chunks = 1, 1
		if threads > 1 {
			l.cuts, l.chunks = min(l.panels, 4), min(4*threads, w.Tiles)
		}
		for b := range w.Blocks() {
			l.steps = append(l.steps, winoStep{winoInput, b, 0, l.chunks})
			for j := range 6 {
				l.steps = append(l.steps, winoStep{winoFilter, b, j, l.panels}, winoStep{winoMultiply, b, j, 6 * l.cuts})
			}
			l.steps = append(l.steps, winoStep{winoOutput, b, 0, l.chunks})
		}
	}
	l.block = roundUp(w.ScratchSize(), 16)
	return l
}

// scratch is in floats: transformed weights, then blocks; the weights that
// transforms start from lie where blocks will when these come later.
func (l *winoLive) scratch() int {
	u := 6 * l.columns * roundUp(l.plane, 16)
	if l.columns == 6 {
		return u + max(l.direct, l.slots*l.block)
	}
	return u + l.direct + l.block
}

// do computes part i of a step.
func (l *winoLive) do(s *winoStep, a *kern.WinogradArgs, weights, scratch []float32, i, worker int) {
	w := &l.w
	u := 6 * l.columns * roundUp(l.plane, 16)
	blocks := scratch[u:]
	if l.columns == 1 {
		blocks = blocks[l.direct:]
	}
	switch s.kind {
	case winoPack:
		j := i * w.Gemm.NR
		w.Gemm.Pack(scratch[u+j*9*w.IC:], weights[j*9*w.IC:], min(w.Gemm.NR, w.OC-j), 9*w.IC, 9*w.IC)
	case winoFilter:
		column, at := s.column, 0
		if l.columns == 6 {
			column, at = i/l.panels, i/l.panels
		}
		l.filter(scratch[6*at*l.plane:], weights, scratch[u:], column, i%l.panels)
	case winoBlocks:
		a.Packed = scratch
		w.Run(a, blocks[worker*l.block:][:l.block], i, i+1)
	case winoInput:
		n := w.BlockTiles(s.block)
		w.Input(a, blocks, s.block, n*i/l.chunks, n*(i+1)/l.chunks)
	case winoMultiply:
		p, cut := i/l.cuts, i%l.cuts
		nr := w.Gemm.NR
		w.MultiplyPlane(scratch[p*l.plane:][:l.plane], a.Bias, blocks, s.block, 6*s.column+p, l.panels*cut/l.cuts*nr, min(w.OC, l.panels*(cut+1)/l.cuts*nr))
	case winoOutput:
		n := w.BlockTiles(s.block)
		w.Output(a, blocks, s.block, n*i/l.chunks, n*(i+1)/l.chunks)
	}
}

// filter makes a panel of a column of planes.
func (l *winoLive) filter(dst, weights, direct []float32, column, panel int) {
	w := &l.w
	j := panel * w.Gemm.NR
	have := min(w.Gemm.NR, w.OC-j)
	width := w.Gemm.PackedSize(have, 1)
	f := kern.Filter4{Rows: 1, N: w.IC * width, Tap: w.IC * width, Plane: l.plane, Weights: direct, Columns: dst[j*w.IC:]}
	if l.turned {
		f = kern.Filter4{Rows: l.oc, N: have, Tap: -l.ic, TapRow: 9 * l.ic, Plane: l.plane, PlaneRow: width, Weights: weights[j:], Columns: dst[j*w.IC:]}
		if have < width { // what no column is made of must not be slow to multiply
			for p := range 6 {
				clear(f.Columns[p*l.plane:][:w.IC*width])
			}
		}
	} else {
		f.Weights = direct[j*9*w.IC:]
	}
	f.Transform(column)
}

// convWinogradLive is the forward convolution of a training step.
type convWinogradLive struct {
	*convSpec
	live     winoLive
	weights  tensor.Tensor
	bias     []float32
	lo, hi   float32
	late     lateAct
	residual bool
	pitch    int
	tasks    []winoForward
}

type winoForward struct {
	k *convWinogradLive
	s winoStep
}

// PrepareLive is Prepare where the weights change between runs.
func (c *Conv) PrepareLive(p *Prep) (Kernel, error) {
	if p.Training && !p.Reference && len(p.Params) > 0 {
		s, x, err := c.resolve(p.In, Specs(p.Params))
		if err != nil {
			return nil, err
		}
		if !x.DType.IsInt8() && !s.isDepthwise() {
			if k := c.prepareWinogradLive(p, s); k != nil {
				return k, nil
			}
		}
	}
	return c.Prepare(p)
}

// prepareWinogradLive is nil where the direct product is the better choice or
// was asked for.
func (c *Conv) prepareWinogradLive(p *Prep, s *convSpec) *convWinogradLive {
	if p.Exact || !s.winoTrains() {
		return nil
	}
	k := &convWinogradLive{convSpec: s, weights: p.Params[0], residual: c.Residual, pitch: outPitch(p.OutPitch, s.oc)}
	k.live = newWinoLive(s, k.pitch, max(1, p.Threads), false)
	if s.bias {
		k.bias = f32(&p.Params[1])
	}
	k.lo, k.hi, k.late.act = c.Act.limits()
	k.late.plan(s.n*s.OutSize(), s.oc, k.pitch, max(1, p.Threads))
	for _, st := range k.live.steps {
		k.tasks = append(k.tasks, winoForward{k, st})
	}
	p.NeedScratch(4 * k.live.scratch())
	p.Path("winograd-f4-live/" + k.live.w.Gemm.Name)
	return k
}

func (k *convWinogradLive) Run(a *Args) {
	for i := range k.tasks {
		a.Parallel(k.tasks[i].s.parts, &k.tasks[i])
	}
	k.late.run(a)
}

func (t *winoForward) Do(a *Args, i, worker int) {
	k := t.k
	w := kern.WinogradArgs{In: f32(&a.In[0]), Bias: k.bias, Out: f32(&a.Out), Min: k.lo, Max: k.hi}
	if k.residual {
		w.Res = f32(&a.In[1])
	}
	k.live.do(&t.s, &w, k.weights.F32(), tensor.CastSlice[float32](a.Scratch), i, worker)
}

// winoGradIn is the gradient of the input.
type winoGradIn struct {
	live  winoLive
	sets  bool // the gradient is set, not added to
	tasks []winoBackward
}

type winoBackward struct {
	k *winoGradIn
	s winoStep
}

func newWinoGradIn(p *GradPrep, s *convSpec) *winoGradIn {
	k := &winoGradIn{live: newWinoLive(s, s.oc, max(1, p.Threads), true), sets: p.writes(0)}
	for _, st := range k.live.steps {
		k.tasks = append(k.tasks, winoBackward{k, st})
	}
	p.NeedScratch(4 * k.live.scratch())
	return k
}

func (k *winoGradIn) Run(g *Grads) {
	for i := range k.tasks {
		g.Parallel(k.tasks[i].s.parts, &k.tasks[i])
	}
}

func (t *winoBackward) Do(g *Grads, i, worker int) {
	dx := g.DIn[0].F32()
	w := kern.WinogradArgs{In: g.DOut.F32(), Out: dx, Min: negInf, Max: posInf}
	if !t.k.sets {
		w.Res = dx
	}
	t.k.live.do(&t.s, &w, g.Params[0].F32(), tensor.CastSlice[float32](g.Scratch), i, worker)
}
