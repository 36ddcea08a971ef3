package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// winoGradWeight is the gradient of a 3x3 convolution's weights by Winograd
// (kern.Filter4): input and gradient of a chunk of tiles are transformed, then
// multiplied plane by plane, [oc, tiles] by [tiles, ic]; what the 36 planes sum
// to over all chunks, transformed back, is the gradient. Chunks go in a few parts
// with sums of their own, added in order at the end: a worker that makes the
// chunks of a part alone finds what it transformed in its own cache. Chunks and
// parts are the same for every number of threads, and so is the order of every
// sum; with more threads than parts the work on each chunk is split.
//
// The sums of all planes of a large layer would be four times its weights.
// There a task owns some rows of them, of one column of planes at a time, and
// adds each chunk's to the gradient by itself.
type winoGradWeight struct {
	w     kern.WinogradF32
	tasks []winoWeightTask
	rows  int // of a task that adds by itself; 0: sums of all planes are kept
	sums  int // floats of the sums: of all planes of a part, or of one worker
	block int // floats of a chunk
	slots int // chunks at a time
	parts int // of the chunks
	cuts  int // of a chunk's transforms
}

type winoWeightTask struct {
	k     *winoGradWeight
	kind  winoWeightKind
	chunk int
	n     int
}

type winoWeightKind uint8

const (
	winoWeightPart winoWeightKind = iota
	winoWeightTransform
	winoWeightMultiply
	winoWeightGather
	winoWeightRows
)

// winoSumBytes bounds the sums that are kept for all planes, winoPartBytes those
// of more than one part, winoChunkBytes a chunk beside them, winoRowsChunk one
// whose tasks add by themselves.
const (
	winoSumBytes   = 5 << 19
	winoPartBytes  = 5 << 18
	winoParts      = 8
	winoChunkBytes = 1 << 20
	winoRowsChunk  = 10 << 20
	winoRowsSums   = 448 << 10
	winoGatherRows = 8
)

func newWinoGradWeight(p *GradPrep, s *convSpec) *winoGradWeight {
	threads := max(1, p.Threads)
	k := &winoGradWeight{w: s.winograd(), sums: 36 * s.oc * s.ic, slots: 1, parts: 1, cuts: 1}
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
	if k.rows == 0 {
		k.sums = roundUp(k.sums, 16)
		k.parts = max(1, min(winoPartBytes/(4*k.sums), winoParts, w.Blocks()))
	}
	switch {
	case k.parts >= threads:
		k.slots = threads
	case threads > 1:
		k.cuts = min(4*threads, w.Tiles)
	}
	k.plan(s.oc)
	k.block = roundUp(w.ScratchSize(), 16)
	need := k.slots*k.block + k.parts*k.sums
	if k.rows > 0 {
		need = k.block + threads*k.sums
	}
	p.NeedScratch(4 * need)
	return k
}

// plan lists what is done.
func (k *winoGradWeight) plan(rows int) {
	if k.rows == 0 && k.cuts == 1 {
		k.tasks = append(k.tasks, winoWeightTask{k, winoWeightPart, 0, k.parts})
	} else {
		for c := range k.w.Blocks() {
			k.tasks = append(k.tasks, winoWeightTask{k, winoWeightTransform, c, k.cuts})
			if k.rows > 0 {
				k.tasks = append(k.tasks, winoWeightTask{k, winoWeightRows, c, (rows + k.rows - 1) / k.rows})
			} else {
				k.tasks = append(k.tasks, winoWeightTask{k, winoWeightMultiply, c, k.w.Planes()})
			}
		}
	}
	if k.rows == 0 {
		k.tasks = append(k.tasks, winoWeightTask{k, winoWeightGather, 0, (rows + winoGatherRows - 1) / winoGatherRows})
	}
}

// part is the chunks of a part.
func (k *winoGradWeight) part(i int) (from, to int) {
	n := k.w.Blocks()
	return n * i / k.parts, n * (i + 1) / k.parts
}

// multiply adds plane p of a chunk to the sums of its part.
func (k *winoGradWeight) multiply(sums, block []float32, chunk, p int) {
	part := 0
	for _, to := k.part(part); to <= chunk; _, to = k.part(part) {
		part++
	}
	from, _ := k.part(part)
	plane := k.w.OC * k.w.IC
	k.w.GradPlane(sums[part*k.sums+p*plane:][:plane], block, chunk, p, 0, k.w.OC, chunk > from)
}

// transform makes tiles from to to of a chunk, of both operands.
func (k *winoGradWeight) transform(g *Grads, block []float32, chunk, from, to int) {
	k.w.Input(&kern.WinogradArgs{In: g.In[0].F32()}, block, chunk, from, to)
	k.w.SpreadBlock(g.DOut.F32(), block, chunk, from, to)
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
	block, sums := scratch[:k.block], scratch[k.slots*k.block:]
	plane := w.OC * w.IC
	switch t.kind {
	case winoWeightPart:
		block = scratch[worker*k.block:][:k.block]
		for from, to := k.part(i); from < to; from++ {
			k.transform(g, block, from, 0, w.BlockTiles(from))
			for p := range w.Planes() {
				k.multiply(sums, block, from, p)
			}
		}
	case winoWeightTransform:
		n := w.BlockTiles(t.chunk)
		k.transform(g, block, t.chunk, n*i/k.cuts, n*(i+1)/k.cuts)
	case winoWeightMultiply:
		k.multiply(sums, block, t.chunk, i)
	case winoWeightGather:
		m0 := i * winoGatherRows
		m1 := min(w.OC, m0+winoGatherRows)
		for p := range w.Planes() {
			from, to := p*plane+m0*w.IC, p*plane+m1*w.IC
			for part := 1; part < k.parts; part++ {
				kern.AxpyF32(sums[from:to], sums[part*k.sums+from:], 1, 1)
			}
		}
		k.gather(g, sums[m0*w.IC:], plane, m0, m1, -1)
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
