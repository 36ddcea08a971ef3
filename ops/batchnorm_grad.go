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

// Backward prepares, with xhat the normalised x, s = scale/sqrt(var+eps) and means
// over the batch,
//
//	dx     += s * (dy - mean of dy - xhat * mean of dy*xhat)    batch statistics
//	dx     += s * dy                                            running statistics
//	dscale += sum of dy*xhat,   dbias += sum of dy
//
// The running statistics have no gradient.
func (b *BatchNorm) Backward(p *GradPrep) (GradKernel, error) { return b.backward(p, Act{}) }

func (b *BatchNorm) backward(p *GradPrep, act Act) (GradKernel, error) {
	if b.Output != 0 {
		return nil, errf(KindBatchNorm, "has no gradient for output %d", b.Output)
	}
	x := operands(p.In, Specs(p.Params))[0]
	k := &batchNormGrad{op: b, channelLines: newChannelLines(x.Shape), batch: b.batchStats(true, p.FrozenNorm)}
	k.lo, k.hi, k.clamped = act.Clamp()
	if k.clamped = k.clamped && act.Fn != UnaryNone; !k.clamped && act.Fn != UnaryNone {
		k.lo, k.hi, k.act = negInf, posInf, &Unary{Fn: act.Fn, A: act.A, B: act.B}
	}
	k.reference = p.Reference || x.Shape.Elems() == 0
	if !k.reference {
		k.sets = p.replaces(0)
	}
	k.sumTask.k, k.addTask.k = k, k
	p.NeedScratch(4 * (normFactors*k.width() + k.scratch(max(1, p.Threads))))
	return k, nil
}

type batchNormGrad struct {
	channelLines
	op        *BatchNorm
	batch     bool
	reference bool
	sets      bool // dx is set, not added to
	clamped   bool
	lo, hi    float32
	act       *Unary // behind the norm where it is no clamp, or nil
	sumTask   batchNormGradSums
	addTask   batchNormGradAdd
}

// The lines of factors at the start of scratch: mean, the scale and shift of the
// forward run, then a, b, c of dx = a*dy + b*x + c.
const (
	normMean = iota
	normScale
	normShift
	normA
	normB
	normC
	normFactors
)

func (k *batchNormGrad) factor(g *Grads, i int) []float32 {
	return tensor.CastSlice[float32](g.Scratch)[i*k.width():][:k.n]
}

// stats is the mean and inverse standard deviation of channel c.
func (k *batchNormGrad) stats(g *Grads, c int) (mean, inv float64) {
	if k.batch {
		s := tensor.CastSlice[float32](g.Aux)
		return float64(s[c]), float64(s[k.c+c])
	}
	return float64(gradArg(g, 3).F32()[c]), 1 / math.Sqrt(float64(gradArg(g, 4).F32()[c])+float64(k.op.Eps))
}

// forward makes the scale and shift that the forward run had.
func (k *batchNormGrad) forward(g *Grads, s, t []float32) {
	scale, bias := gradArg(g, 1).F32(), gradArg(g, 2).F32()
	if k.batch {
		aux := tensor.CastSlice[float32](g.Aux)
		batchScale(s, t, aux[:k.c], aux[k.c:2*k.c], scale, bias)
		return
	}
	runningScale(s, t, scale, bias, gradArg(g, 3).F32(), gradArg(g, 4).F32(), k.op.Eps)
}

func (k *batchNormGrad) Run(g *Grads) {
	if k.reference {
		k.plain(g)
		return
	}
	mean, ta, tb, tc := k.factor(g, normMean), k.factor(g, normA), k.factor(g, normB), k.factor(g, normC)
	k.forward(g, k.factor(g, normScale), k.factor(g, normShift))
	for c := range k.c {
		m, _ := k.stats(g, c)
		mean[c] = float32(m)
	}
	for i := range normA {
		k.repeat(k.factor(g, i))
	}
	scale, dscale, dbias, dx := gradArg(g, 1).F32(), gradOf(g, 1), gradOf(g, 2), gradOf(g, 0)
	sums := k.batch || !dscale.IsZero() || !dbias.IsZero() || k.act != nil // which then sees dy first
	if sums {
		g.Parallel(k.blocks, &k.sumTask)
	}
	n := float64(k.rows)
	for c := range k.c {
		m, inv := k.stats(g, c)
		sum, cross := 0.0, 0.0
		if sums {
			sum, cross = k.total(k.partials(g), c)
			cross *= inv
		}
		if !dscale.IsZero() {
			dscale.F32()[c] += float32(cross)
		}
		if !dbias.IsZero() {
			dbias.F32()[c] += float32(sum)
		}
		a := float64(scale[c]) * inv
		ta[c], tb[c], tc[c] = float32(a), 0, 0
		if k.batch {
			b := -a * inv * cross / n
			tb[c], tc[c] = float32(b), float32(-a*sum/n-b*m)
		}
	}
	if dx.IsZero() {
		return
	}
	for i := normA; i < normFactors; i++ {
		k.repeat(k.factor(g, i))
	}
	g.Parallel(k.blocks, &k.addTask)
}

// partials is where the sums lie.
func (k *batchNormGrad) partials(g *Grads) []float32 {
	return tensor.CastSlice[float32](g.Scratch)[normFactors*k.width():]
}

// batchNormGradSums sums dy and dy*(x-mean) over a block. Before that dy becomes what
// an activation leaves of it, in place.
type batchNormGradSums struct{ k *batchNormGrad }

func (t *batchNormGradSums) Do(g *Grads, block, worker int) {
	k := t.k
	s := k.partials(g)
	x, d := gradArg(g, 0).F32(), g.DOut.F32()
	sum, cross := k.partial(s, block)
	clear(sum)
	clear(cross)
	l := kern.NormLines{
		Mean: k.factor(g, normMean), Scale: k.factor(g, normScale), Shift: k.factor(g, normShift),
		Sums: k.own(s, worker, 0), Cross: k.own(s, worker, 1), Lo: k.lo, Hi: k.hi,
	}
	for i := 0; ; i++ {
		at, n, lines := k.run(block, i)
		if lines == 0 {
			return
		}
		l.X, l.D, l.N, l.Lines = x[at:], d[at:], n, lines
		if k.act != nil {
			k.slope(&l, k.own(s, worker, 2))
		}
		clear(l.Sums)
		clear(l.Cross)
		l.GradSums()
		k.fold(sum, l.Sums[:n])
		k.fold(cross, l.Cross[:n])
	}
}

// slope multiplies D by the slope of the activation where the norm left it; y is room
// for a line.
func (k *batchNormGrad) slope(l *kern.NormLines, y []float32) {
	for i := 0; i < l.N*l.Lines; i += l.N {
		kern.ScaleShiftF32(y[:l.N], l.X[i:i+l.N], l.Scale[:l.N], l.Shift[:l.N], negInf, posInf)
		for j := 0; j < l.N; j += rowBuffer {
			d := l.D[i+j : i+min(l.N, j+rowBuffer)]
			k.act.gradRow(d, d, y[j:])
		}
	}
}

// batchNormGradAdd computes a block of dx = a*dy + b*x + c.
type batchNormGradAdd struct{ k *batchNormGrad }

func (t *batchNormGradAdd) Do(g *Grads, block, _ int) {
	k := t.k
	x, d, dx := gradArg(g, 0).F32(), g.DOut.F32(), gradOf(g, 0).F32()
	l := kern.NormLines{
		A: k.factor(g, normA), B: k.factor(g, normB), C: k.factor(g, normC), Scale: k.factor(g, normScale), Shift: k.factor(g, normShift),
		Lo: k.lo, Hi: k.hi,
	}
	for i := 0; ; i++ {
		at, n, lines := k.run(block, i)
		if lines == 0 {
			return
		}
		l.X, l.D, l.Dst, l.N, l.Lines = x[at:], d[at:], dx[at:], n, lines
		l.Grad(!k.sets)
	}
}

// plain is the definition.
func (k *batchNormGrad) plain(g *Grads) {
	x, d, scale, bias := gradArg(g, 0).F32(), g.DOut.F32(), gradArg(g, 1).F32(), gradArg(g, 2).F32()
	dx, dscale, dbias := gradOf(g, 0), gradOf(g, 1), gradOf(g, 2)
	n := float64(k.rows)
	for c := range k.c {
		mean, inv := k.stats(g, c)
		for r := range k.rows {
			y := float32((float64(x[r*k.c+c])-mean)*inv*float64(scale[c]) + float64(bias[c]))
			if k.act != nil {
				d[r*k.c+c] *= float32(unarySlope(k.act.Fn, float64(k.act.A), float64(k.act.B), float64(y)))
			} else if k.clamped && !(k.lo < y && y < k.hi) {
				d[r*k.c+c] = 0
			}
		}
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
