package ops

import (
	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// rowNormGrad is normGrad where a set is a row and scale and bias have a value for each
// of its elements: all gradients in one pass over the rows. Sums over rows go by blocks,
// each in runs whose sums are float32, so that bits do not depend on the number of threads.
type rowNormGrad struct {
	normSets
	perBlk, blocks int  // rows of a block
	pitch          int  // floats between a worker's rows
	fresh          bool // the gradient is set, not added to
}

// The rows of a worker's scratch: the normalised x, dy*scale, sums of dy and of dy*xhat.
const (
	rowHat = iota
	rowScaled
	rowSum
	rowCross
	rowCount
)

func newRowNormGrad(p *GradPrep, s normSets) *rowNormGrad {
	k := &rowNormGrad{normSets: s, pitch: roundUp(s.width, 16)}
	k.perBlk = (s.sets() + maxBlocks - 1) / maxBlocks
	k.blocks = (s.sets() + k.perBlk - 1) / k.perBlk
	k.fresh = p.replaces(0)
	p.NeedScratch(8*2*k.blocks*k.pitch + 4*rowCount*k.pitch*max(1, p.Threads))
	return k
}

func (k *rowNormGrad) Run(g *Grads) {
	g.Parallel(k.blocks, k)
	dscale, dbias := gradOf(g, 1), gradOf(g, 2)
	for c := range k.width {
		sum, cross := 0.0, 0.0
		for b := range k.blocks {
			s, x := k.partial(g, b)
			sum += s[c]
			cross += x[c]
		}
		if !dscale.IsZero() {
			dscale.F32()[c] += float32(cross)
		}
		if !dbias.IsZero() {
			dbias.F32()[c] += float32(sum)
		}
	}
}

// partial is the sums of a block: of dy and of dy*xhat.
func (k *rowNormGrad) partial(g *Grads, block int) (sum, cross []float64) {
	s := tensor.CastSlice[float64](g.Scratch)[2*block*k.pitch:]
	return s[:k.width], s[k.pitch:][:k.width]
}

// row is a worker's row i.
func (k *rowNormGrad) row(g *Grads, worker, i int) []float32 {
	return tensor.CastSlice[float32](g.Scratch[8*2*k.blocks*k.pitch:])[(rowCount*worker+i)*k.pitch:][:k.width]
}

// Do takes the rows of a block.
func (k *rowNormGrad) Do(g *Grads, block, worker int) {
	x, d, dx := gradArg(g, 0).F32(), g.DOut.F32(), gradOf(g, 0)
	kept := tensor.CastSlice[float32](g.Aux)
	sum, cross := k.row(g, worker, rowSum), k.row(g, worker, rowCross)
	totals, crosses := k.partial(g, block)
	clear(totals)
	clear(crosses)
	first, end := block*k.perBlk, min(k.normSets.sets(), (block+1)*k.perBlk)
	for from := first; from < end; from += lineRun {
		clear(sum)
		clear(cross)
		for r := from; r < min(end, from+lineRun); r++ {
			at := r * k.width
			dr, hat := d[at:at+k.width], k.row(g, worker, rowHat)
			kern.BinaryScalarF32(kern.Sub, hat, x[at:at+k.width], kept[2*r], negInf, posInf)
			kern.BinaryScalarF32(kern.Mul, hat, hat, kept[2*r+1], negInf, posInf)
			addInto(sum, dr)
			l := kern.TapLines{A: dr, B: hat, Dst: cross, N: k.width, Lines: 1}
			l.Axpy()
			if !dx.IsZero() {
				k.input(g, dx.F32()[at:at+k.width], dr, hat, k.row(g, worker, rowScaled), kept[2*r+1])
			}
		}
		for c := range sum {
			totals[c] += float64(sum[c])
			crosses[c] += float64(cross[c])
		}
	}
}

// input is the gradient of one row of x: (t - mean of t - xhat * mean of t*xhat) * inv. hat is spent.
func (k *rowNormGrad) input(g *Grads, dx, d, hat, t []float32, inv float32) {
	if len(g.In)+len(g.Params) > 1 {
		kern.BinaryF32(kern.Mul, t, d, gradArg(g, 1).F32(), negInf, posInf)
	} else {
		t = d
	}
	part := inv / float32(k.width)
	mean, slope := kern.SumF32(t)*part, kern.DotF32(t, hat)*part
	kern.AxpyF32(hat, t, inv, -slope)
	if k.fresh {
		kern.BinaryScalarF32(kern.Sub, dx, hat, mean, negInf, posInf)
		return
	}
	kern.BinaryScalarF32(kern.Sub, hat, hat, mean, negInf, posInf)
	addInto(dx, hat)
}
