package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// batchStats says whether statistics are the batch's own.
func (b *BatchNorm) batchStats(training, frozen bool) bool {
	return b.Training || training && !frozen
}

// Prepare picks running or batch statistics, each plain or in tiles of about a
// thousand channels.
func (b *BatchNorm) Prepare(p *Prep) (Kernel, error) { return b.prepare(p, Act{}) }

func (b *BatchNorm) prepare(p *Prep, act Act) (Kernel, error) {
	x, _ := p.Operand(0)
	k := &batchNorm{op: b, params: p.Params, channelTiles: newChannelTiles(x.Shape), reference: p.Reference || x.Shape.Elems() == 0, update: p.Training && !b.Training}
	var clamps bool
	if k.lo, k.hi, clamps = act.Clamp(); !clamps {
		k.lo, k.hi, k.act = negInf, posInf, &act
	}
	p.Path("reference")
	if !k.reference {
		p.Path("vec")
	}
	if len(p.In) > 0 && b.Output == 0 {
		p.InPlace(0)
	}
	scratch := 2 * roundUp(k.width, 16) // tiled scale and shift
	if b.batchStats(p.Training, p.FrozenNorm) {
		k.batch = true
		k.sumLines = newChannelLines(x.Shape)
		scratch += k.sumLines.scratch(max(1, p.Threads))
		p.NeedAux(8 * k.c)
	} else if len(p.Params) == 4 && !p.Training {
		k.ready = make([]float32, 2*roundUp(k.width, 16))
		k.setScale(k.ready, f32(&p.Params[0]), f32(&p.Params[1]), f32(&p.Params[2]), f32(&p.Params[3]))
	}
	p.NeedScratch(4 * scratch)
	k.apply.k, k.sum.k = k, k
	return k, nil
}

// channelTiles walks [rows, c] in tiles: as many rows as make about a thousand
// elements, so that loops are long even for few channels.
type channelTiles struct {
	rows, c int
	reps    int // rows of a tile
	width   int // reps * c
	tiles   int
	blocks  int // of tiles; one task each
	perBlk  int // tiles of a block
}

const tileWidth = 1024

func newChannelTiles(s tensor.Shape) channelTiles {
	t := channelTiles{rows: s.Rows(), c: s.Channels()}
	t.reps = max(1, tileWidth/max(1, t.c))
	t.reps = max(1, min(t.reps, t.rows))
	t.width = t.reps * t.c
	t.tiles = (t.rows + t.reps - 1) / t.reps
	t.perBlk = max(1, (t.tiles+maxBlocks-1)/maxBlocks)
	t.blocks = (t.tiles + t.perBlk - 1) / t.perBlk
	return t
}

// span is the elements of tile i.
func (t *channelTiles) span(i int) (from, to int) {
	return i * t.width, min(t.rows*t.c, (i+1)*t.width)
}

// repeat fills a tile with copies of its first row.
func (t *channelTiles) repeat(tile []float32) {
	for j := t.c; j < t.width; j += t.c {
		copy(tile[j:j+t.c], tile[:t.c])
	}
}

// batchNorm is the forward kernel. Scratch holds the tiled scale and shift,
// then what sums need.
type batchNorm struct {
	channelTiles
	op        *BatchNorm
	params    []tensor.Tensor
	reference bool
	batch     bool      // statistics of the batch
	update    bool      // running statistics move in place
	ready     []float32 // scale and shift made ahead, or nil
	apply     batchNormApply
	sum       batchNormSum
	sumLines  channelLines
	lo, hi    float32 // of a clamp behind it
	act       *Act    // what else is behind it, or nil
}

func (k *batchNorm) Run(a *Args) {
	if k.batch {
		k.runBatch(a)
		return
	}
	scale, bias, mean, variance := argF32(a, k.params, 1), argF32(a, k.params, 2), argF32(a, k.params, 3), argF32(a, k.params, 4)
	if k.reference {
		x, y := argF32(a, k.params, 0), f32(&a.Out)
		for i, v := range x {
			c := i % k.c
			inv := 1 / math.Sqrt(float64(variance[c])+float64(k.op.Eps))
			y[i] = k.clamp((float64(v)-float64(mean[c]))*inv*float64(scale[c]) + float64(bias[c]))
		}
		return
	}
	if k.ready == nil {
		k.setScale(tensor.CastSlice[float32](a.Scratch), scale, bias, mean, variance)
	}
	a.Parallel(k.blocks, &k.apply)
}

// setScale makes scale and shift of running statistics.
func (k *batchNorm) setScale(dst, scale, bias, mean, variance []float32) {
	s, t := dst[:k.width], dst[roundUp(k.width, 16):][:k.width]
	if k.width == 0 {
		return
	}
	runningScale(s, t, scale, bias, mean, variance, k.op.Eps)
	k.repeat(s)
	k.repeat(t)
}

// runningScale makes the scale and shift of each channel from running
// statistics.
func runningScale(s, t, scale, bias, mean, variance []float32, eps float32) {
	for c, v := range variance {
		f := float64(scale[c]) / math.Sqrt(float64(v)+float64(eps))
		s[c] = float32(f)
		t[c] = float32(float64(bias[c]) - float64(mean[c])*f)
	}
}

// batchNormApply computes a block of y = x*scale + shift.
type batchNormApply struct{ k *batchNorm }

func (t *batchNormApply) Do(a *Args, i, _ int) {
	k := t.k
	f := k.ready
	if f == nil {
		f = tensor.CastSlice[float32](a.Scratch)
	}
	s, sh := f[:k.width], f[roundUp(k.width, 16):][:k.width]
	x, y := argF32(a, k.params, 0), f32(&a.Out)
	for tile := i * k.perBlk; tile < min(k.tiles, (i+1)*k.perBlk); tile++ {
		from, to := k.span(tile)
		kern.ScaleShiftF32(y[from:to], x[from:to], s, sh, k.lo, k.hi)
		if k.act != nil {
			unaryRow(k.act.Fn, k.act.A, k.act.B, y[from:to], y[from:to])
		}
	}
}

// sums is the scratch of the batch's statistics.
func (k *batchNorm) sums(a *Args) []float32 {
	return tensor.CastSlice[float32](a.Scratch)[2*roundUp(k.width, 16):]
}

// runBatch finds the statistics, keeps them in Aux, moves the running ones and
// normalises.
func (k *batchNorm) runBatch(a *Args) {
	if k.reference {
		k.plainStats(a)
	} else {
		k.fastStats(a)
	}
	stats := tensor.CastSlice[float32](a.Aux)
	mean, inv := stats[:k.c], stats[k.c:2*k.c]
	runningMean, runningVar := argF32(a, k.params, 3), argF32(a, k.params, 4)
	switch {
	case k.op.Output == 1:
		copy(f32(&a.Out), runningMean)
		k.move(f32(&a.Out), mean, false)
		return
	case k.op.Output == 2:
		copy(f32(&a.Out), runningVar)
		k.move(f32(&a.Out), inv, true)
		return
	case k.update && k.rows > 0:
		k.move(runningMean, mean, false)
		k.move(runningVar, inv, true)
	}
	k.Redo(a)
}

// Redo normalises by the statistics of the last run on a batch.
func (k *batchNorm) Redo(a *Args) {
	stats := tensor.CastSlice[float32](a.Aux)
	mean, inv := stats[:k.c], stats[k.c:2*k.c]
	scale, bias := argF32(a, k.params, 1), argF32(a, k.params, 2)
	if k.reference {
		x, y := argF32(a, k.params, 0), f32(&a.Out)
		for i, v := range x {
			c := i % k.c
			y[i] = k.clamp((float64(v)-float64(mean[c]))*float64(inv[c])*float64(scale[c]) + float64(bias[c]))
		}
		return
	}
	f := tensor.CastSlice[float32](a.Scratch)
	s, t := f[:k.width], f[roundUp(k.width, 16):][:k.width]
	batchScale(s, t, mean, inv, scale, bias)
	k.repeat(s)
	k.repeat(t)
	a.Parallel(k.blocks, &k.apply)
}

// batchScale makes the scale and shift of each channel from a batch's
// statistics.
func batchScale(s, t, mean, inv, scale, bias []float32) {
	for c, v := range inv {
		s[c] = v * scale[c]
		t[c] = float32(float64(bias[c]) - float64(mean[c])*float64(s[c]))
	}
}

// clamp rounds a result and bounds it, or does what else is behind the norm.
func (k *batchNorm) clamp(v float64) float32 {
	if k.act != nil {
		return unaryScalar(k.act.Fn, k.act.A, k.act.B, float32(v))
	}
	return min(max(float32(v), k.lo), k.hi)
}

// move moves running statistics toward the batch's: its mean, or its variance
// told from the inverse standard deviation.
//
//go:noinline
func (k *batchNorm) move(running, batch []float32, variance bool) {
	m := float64(k.op.Momentum)
	for c, v := range batch {
		b := float64(v)
		if variance {
			b = 1/(b*b) - float64(k.op.Eps)
			if k.op.Unbiased && k.rows > 1 {
				b *= float64(k.rows) / float64(k.rows-1)
			}
		}
		running[c] = float32(float64(running[c])*m + b*(1-m))
	}
}

// plainStats is the definition of the statistics.
func (k *batchNorm) plainStats(a *Args) {
	x, stats := argF32(a, k.params, 0), tensor.CastSlice[float32](a.Aux)
	for c := range k.c {
		sum, square := 0.0, 0.0
		for r := range k.rows {
			sum += float64(x[r*k.c+c])
		}
		mean := sum / float64(k.rows)
		for r := range k.rows {
			d := float64(x[r*k.c+c]) - mean
			square += d * d
		}
		stats[c] = float32(mean)
		stats[k.c+c] = float32(1 / math.Sqrt(square/float64(k.rows)+float64(k.op.Eps)))
	}
}

// fastStats sums in float32, runs of sums in float64.
func (k *batchNorm) fastStats(a *Args) {
	stats := tensor.CastSlice[float32](a.Aux)
	s := k.sums(a)
	a.Parallel(k.sumLines.blocks, &k.sum)
	n := float64(k.rows)
	for c := range k.c {
		sum, square := k.sumLines.total(s, c)
		mean := sum / n
		stats[c] = float32(mean)
		stats[k.c+c] = float32(1 / math.Sqrt(max(0, square/n-mean*mean)+float64(k.op.Eps)))
	}
}

// batchNormSum sums a block.
type batchNormSum struct{ k *batchNorm }

func (t *batchNormSum) Do(a *Args, i, worker int) {
	t.k.sumLines.moments(argF32(a, t.k.params, 0), t.k.sums(a), i, worker)
}
