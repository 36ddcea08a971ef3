package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// winoGradWeight is the gradient of a 3x3 convolution's weights by Winograd
// (kern.Filter4): input and gradient of a chunk of tiles are transformed, then
// multiplied plane by plane, [oc, tiles] by [tiles, ic]; what the 36 planes sum
// to over all chunks, transformed back, is the gradient. Chunks are the same
// for every number of threads, and so is the order of every sum.
//
// The sums of all planes of a large layer would be four times its weights.
// There a task owns some rows of them, of one column of planes at a time, and
// adds each chunk's to the gradient by itself.
type winoGradWeight struct {
	w     kern.WinogradF32
	tasks []winoWeightTask
	rows  int // of a task that adds by itself; 0: sums of all planes are kept
	sums  int // floats of the sums: of all planes, or of one worker
	block int // floats of a chunk
	parts int // of the transforms
}

type winoWeightTask struct {
	k     *winoGradWeight
	kind  winoWeightKind
	chunk int
	n     int
}

type winoWeightKind uint8

const (
	winoWeightTransform winoWeightKind = iota
	winoWeightMultiply
	winoWeightGather
	winoWeightRows
)

// winoSumBytes bounds the sums that are kept for all planes, winoChunkBytes a
// chunk beside them, winoRowsChunk one whose tasks add by themselves.
const (
	winoSumBytes   = 5 << 19
	winoChunkBytes = 1 << 20
	winoRowsChunk  = 10 << 20
	winoRowsSums   = 448 << 10
	winoGatherRows = 8
)

func newWinoGradWeight(p *GradPrep, s *convSpec) *winoGradWeight {
	threads := max(1, p.Threads)
	k := &winoGradWeight{w: s.winograd(), sums: 36 * s.oc * s.ic, parts: 1}
	w := &k.w
	w.Plan()
	budget := winoChunkBytes
	if 4*k.sums > winoSumBytes {
		budget = winoRowsChunk
		k.rows = max(12, min(winoRowsSums/(4*6*s.ic)/12*12, roundUp((s.oc+7)/8, 12)))
		k.sums = roundUp(6*k.rows*s.ic, 16)
	}
	total := w.N * ((w.OH + 3) / 4) * ((w.OW + 3) / 4)
	perTile := 4 * w.Planes() * (w.IC + w.OC)
	chunks := max(1, (total*perTile+budget-1)/budget)
	w.Tiles = max(min(total, 48), (total+chunks-1)/chunks)
	if threads > 1 {
		k.parts = min(4*threads, w.Tiles)
	}
	for c := range w.Blocks() {
		k.tasks = append(k.tasks, winoWeightTask{k, winoWeightTransform, c, k.parts})
		if k.rows > 0 {
			k.tasks = append(k.tasks, winoWeightTask{k, winoWeightRows, c, (s.oc + k.rows - 1) / k.rows})
		} else {
			k.tasks = append(k.tasks, winoWeightTask{k, winoWeightMultiply, c, w.Planes()})
		}
	}
	if k.rows == 0 {
		k.tasks = append(k.tasks, winoWeightTask{k, winoWeightGather, 0, (s.oc + winoGatherRows - 1) / winoGatherRows})
	}
	k.block = roundUp(w.ScratchSize(), 16)
	need := k.block + roundUp(k.sums, 16)
	if k.rows > 0 {
		need = k.block + threads*k.sums
	}
	p.NeedScratch(4 * need)
	return k
}

func (k *winoGradWeight) Run(g *Grads) {
	for i := range k.tasks {
		g.Parallel(k.tasks[i].n, &k.tasks[i])
	}
}

func (t *winoWeightTask) Do(g *Grads, i, worker int) {
	k := t.k
	w := &k.w
	scratch := tensor.CastSlice[float32](g.Scratch)
	block, sums := scratch[:k.block], scratch[k.block:]
	plane := w.OC * w.IC
	switch t.kind {
	case winoWeightTransform:
		n := w.BlockTiles(t.chunk)
		from, to := n*i/k.parts, n*(i+1)/k.parts
		w.Input(&kern.WinogradArgs{In: g.In[0].F32()}, block, t.chunk, from, to)
		w.SpreadBlock(g.DOut.F32(), block, t.chunk, from, to)
	case winoWeightMultiply:
		w.GradPlane(sums[i*plane:][:plane], block, t.chunk, i, 0, w.OC, t.chunk > 0)
	case winoWeightGather:
		m0 := i * winoGatherRows
		k.gather(g, sums[m0*w.IC:], plane, m0, min(w.OC, m0+winoGatherRows), -1)
	case winoWeightRows:
		m0, m1 := i*k.rows, min(w.OC, (i+1)*k.rows)
		sums = sums[worker*k.sums:][:k.sums]
		for column := range 6 {
			for p := range 6 {
				w.GradPlane(sums[p*k.rows*w.IC:], block, t.chunk, 6*column+p, m0, m1, false)
			}
			k.gather(g, sums, k.rows*w.IC, m0, m1, column)
		}
	}
}

// gather adds rows m0 to m1 of a column of planes, of all for -1, to the
// gradient.
func (k *winoGradWeight) gather(g *Grads, sums []float32, plane, m0, m1, column int) {
	ic := k.w.IC
	f := kern.Filter4{Rows: m1 - m0, N: ic, Tap: ic, TapRow: 9 * ic, Plane: plane, PlaneRow: ic, Weights: g.DParams[0].F32()[m0*9*ic:], Columns: sums}
	if column >= 0 {
		f.Gather(column)
		return
	}
	for column := range 6 {
		f.Columns = sums[6*column*plane:]
		f.Gather(column)
	}
}
