package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Keeps is x, and the statistics when they are inputs.
func (b *BatchNorm) Keeps(in, params []tensor.Spec) Keep {
	if len(params) < 4 {
		return KeepIn
	}
	return KeepIn0
}

// Backward prepares, with xhat the normalised x, s = scale/sqrt(var+eps) and
// means over the batch,
//
//	dx     += s * (dy - mean of dy - xhat * mean of dy*xhat)    batch statistics
//	dx     += s * dy                                            running statistics
//	dscale += sum of dy*xhat,   dbias += sum of dy
//
// The running statistics have no gradient.
func (b *BatchNorm) Backward(p *GradPrep) (GradKernel, error) {
	if b.Output != 0 {
		return nil, errf(KindBatchNorm, "has no gradient for output %d", b.Output)
	}
	x := operands(p.In, Specs(p.Params))[0]
	k := &batchNormGrad{op: b, channelTiles: newChannelTiles(x.Shape), batch: b.batchStats(true, p.FrozenNorm)}
	k.reference = p.Reference || x.Shape.Elems() == 0
	k.sums.k, k.add.k = k, k
	k.tile = roundUp(k.width, 16)
	p.NeedScratch(4 * (4*k.tile + k.scratch(max(1, p.Threads), 2)))
	return k, nil
}

type batchNormGrad struct {
	channelTiles
	op        *BatchNorm
	batch     bool
	reference bool
	tile      int // floats between tiles at the start of scratch: mean, then a, b, c of dx += a*dy + b*x + c
	sums      batchNormGradSums
	add       batchNormGradAdd
}

// stats is the mean and inverse standard deviation of channel c.
func (k *batchNormGrad) stats(g *Grads, c int) (mean, inv float64) {
	if k.batch {
		s := tensor.CastSlice[float32](g.Aux)
		return float64(s[c]), float64(s[k.c+c])
	}
	return float64(gradArg(g, 3).F32()[c]), 1 / math.Sqrt(float64(gradArg(g, 4).F32()[c])+float64(k.op.Eps))
}

func (k *batchNormGrad) Run(g *Grads) {
	if k.reference {
		k.plain(g)
		return
	}
	f := tensor.CastSlice[float32](g.Scratch)
	mean, ta, tb, tc := f[:k.width], f[k.tile:][:k.width], f[2*k.tile:][:k.width], f[3*k.tile:][:k.width]
	for c := range k.c {
		m, _ := k.stats(g, c)
		mean[c] = float32(m)
	}
	k.repeat(mean)
	scale, dscale, dbias, dx := gradArg(g, 1).F32(), gradOf(g, 1), gradOf(g, 2), gradOf(g, 0)
	if k.batch || !dscale.IsZero() || !dbias.IsZero() {
		g.Parallel(k.blocks, &k.sums)
	}
	n := float64(k.rows)
	for c := range k.c {
		m, inv := k.stats(g, c)
		sum, cross := 0.0, 0.0
		if k.batch || !dscale.IsZero() || !dbias.IsZero() {
			sum, cross = k.total(f, c)
			cross *= inv
		}
		if !dscale.IsZero() {
			dscale.F32()[c] += float32(cross)
		}
		if !dbias.IsZero() {
			dbias.F32()[c] += float32(sum)
		}
		a := float64(scale[c]) * inv
		ta[c] = float32(a)
		if k.batch {
			b := -a * inv * cross / n
			tb[c], tc[c] = float32(b), float32(-a*sum/n-b*m)
		}
	}
	if dx.IsZero() {
		return
	}
	k.repeat(ta)
	k.repeat(tb)
	k.repeat(tc)
	g.Parallel(k.blocks, &k.add)
}

// total is the sums of dy and of dy*(x-mean) of a channel.
func (k *batchNormGrad) total(f []float32, c int) (sum, cross float64) {
	s := f[4*k.tile:]
	for b := range k.blocks {
		p := k.partial(s, 2, b)
		sum += p[c]
		cross += p[k.c+c]
	}
	return sum, cross
}

// batchNormGradSums sums dy and dy*(x-mean) over a block.
type batchNormGradSums struct{ k *batchNormGrad }

func (t *batchNormGradSums) Do(g *Grads, i, worker int) {
	k := t.k
	f := tensor.CastSlice[float32](g.Scratch)
	mean, s := f[:k.width], f[4*k.tile:]
	x, d := gradArg(g, 0).F32(), g.DOut.F32()
	sums := k.partial(s, 2, i)
	clear(sums)
	acc, cross, tmp := k.own(s, 2, worker, 0), k.own(s, 2, worker, 1), k.own(s, 2, worker, 2)
	end := min(k.tiles, (i+1)*k.perBlk)
	for first := i * k.perBlk; first < end; first += tileRun {
		clear(acc)
		clear(cross)
		for tile := first; tile < min(end, first+tileRun); tile++ {
			from, to := k.span(tile)
			n := to - from
			kern.BinaryF32(kern.Add, acc[:n], acc, d[from:to], negInf, posInf)
			kern.BinaryF32(kern.Sub, tmp[:n], x[from:to], mean, negInf, posInf)
			kern.BinaryF32(kern.Mul, tmp[:n], tmp, d[from:to], negInf, posInf)
			kern.BinaryF32(kern.Add, cross[:n], cross, tmp, negInf, posInf)
		}
		k.fold(sums[:k.c], acc)
		k.fold(sums[k.c:], cross)
	}
}

// batchNormGradAdd computes a block of dx += a*dy + b*x + c.
type batchNormGradAdd struct{ k *batchNormGrad }

func (t *batchNormGradAdd) Do(g *Grads, i, worker int) {
	k := t.k
	f := tensor.CastSlice[float32](g.Scratch)
	ta, tb, tc := f[k.tile:][:k.width], f[2*k.tile:][:k.width], f[3*k.tile:][:k.width]
	tmp := k.own(f[4*k.tile:], 2, worker, 0)
	d, dx := g.DOut.F32(), gradOf(g, 0).F32()
	for tile := i * k.perBlk; tile < min(k.tiles, (i+1)*k.perBlk); tile++ {
		from, to := k.span(tile)
		n := to - from
		kern.BinaryF32(kern.Mul, tmp[:n], d[from:to], ta, negInf, posInf)
		kern.BinaryF32(kern.Add, dx[from:to], dx[from:to], tmp, negInf, posInf)
		if k.batch {
			kern.ScaleShiftF32(tmp[:n], gradArg(g, 0).F32()[from:to], tb, tc, negInf, posInf)
			kern.BinaryF32(kern.Add, dx[from:to], dx[from:to], tmp, negInf, posInf)
		}
	}
}

// plain is the definition.
func (k *batchNormGrad) plain(g *Grads) {
	x, d, scale := gradArg(g, 0).F32(), g.DOut.F32(), gradArg(g, 1).F32()
	dx, dscale, dbias := gradOf(g, 0), gradOf(g, 1), gradOf(g, 2)
	n := float64(k.rows)
	for c := range k.c {
		mean, inv := k.stats(g, c)
		sum, cross := 0.0, 0.0
		for r := range k.rows {
			v := float64(d[r*k.c+c])
			sum += v
			cross += v * (float64(x[r*k.c+c]) - mean) * inv
		}
		if !dscale.IsZero() {
			dscale.F32()[c] += float32(cross)
		}
		if !dbias.IsZero() {
			dbias.F32()[c] += float32(sum)
		}
		if dx.IsZero() {
			continue
		}
		for r := range k.rows {
			v := float64(d[r*k.c+c])
			if k.batch {
				v -= sum/n + (float64(x[r*k.c+c])-mean)*inv*cross/n
			}
			dx.F32()[r*k.c+c] += float32(v * float64(scale[c]) * inv)
		}
	}
}
