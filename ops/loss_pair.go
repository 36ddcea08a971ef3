package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// pairLoss is a loss made of one term for each element of x and target, shared
// by MSELoss and BCELoss.
type pairLoss struct {
	kind      Kind
	logits    bool // of BCELoss
	reduction Reduction
	n         int
}

// term is the loss of one element.
func (k *pairLoss) term(x, t float64) float64 {
	switch {
	case k.kind == KindMSELoss:
		return (x - t) * (x - t)
	case k.logits:
		return softplus64(x) - x*t
	}
	return -(t*log100(x) + (1-t)*log100(1-x))
}

// log100 is the logarithm, not less than -100.
func log100(v float64) float64 { return max(math.Log(v), -100) }

// slope is the derivatives of term by x and by t.
func (k *pairLoss) slope(x, t float64) (dx, dt float64) {
	switch {
	case k.kind == KindMSELoss:
		return 2 * (x - t), 2 * (t - x)
	case k.logits:
		return sigmoid64(x) - t, -x
	}
	return (x - t) / max(x*(1-x), 1e-12), log100(1-x) - log100(x)
}

func (k *pairLoss) tasks() int { return (k.n + chunkElems - 1) / chunkElems }

// Prepare has one path.
func (o *MSELoss) Prepare(p *Prep) (Kernel, error) {
	return preparePairLoss(p, pairLoss{kind: KindMSELoss, reduction: o.Reduction}), nil
}

// Prepare has one path.
func (o *BCELoss) Prepare(p *Prep) (Kernel, error) {
	return preparePairLoss(p, pairLoss{kind: KindBCELoss, logits: o.FromLogits, reduction: o.Reduction}), nil
}

func preparePairLoss(p *Prep, l pairLoss) Kernel {
	x, _ := p.Operand(0)
	l.n = x.Shape.Elems()
	p.NeedScratch(8 * l.tasks())
	p.Path("reference")
	return &pairLossKernel{l, p.Params}
}

// pairLossKernel sums terms by task, then the tasks' sums in order.
type pairLossKernel struct {
	pairLoss
	params []tensor.Tensor
}

func (k *pairLossKernel) Run(a *Args) {
	a.Parallel(k.tasks(), k)
	if k.reduction == LossNone {
		return
	}
	sum := 0.0
	for _, v := range tensor.CastSlice[float64](a.Scratch)[:k.tasks()] {
		sum += v
	}
	if k.reduction == LossMean {
		sum /= float64(k.n)
	}
	f32(&a.Out)[0] = float32(sum)
}

func (k *pairLossKernel) Do(a *Args, i, _ int) {
	x, t := argF32(a, k.params, 0), argF32(a, k.params, 1)
	sum := 0.0
	from, to := i*chunkElems, min(k.n, (i+1)*chunkElems)
	if k.kind == KindMSELoss && k.reduction != LossNone { // the loop below, with nothing to ask
		t := t[from:to]
		for j, v := range x[from:to] {
			d := float64(v) - float64(t[j])
			sum += d * d
		}
		from = to
	}
	for j := from; j < to; j++ {
		v := k.term(float64(x[j]), float64(t[j]))
		if k.reduction == LossNone {
			f32(&a.Out)[j] = float32(v)
		}
		sum += v
	}
	if k.reduction != LossNone {
		tensor.CastSlice[float64](a.Scratch)[i] = sum
	}
}

// Keeps is both operands.
func (*MSELoss) Keeps(in, params []tensor.Spec) Keep { return KeepIn }

// Backward prepares dx += d * 2*(x-target) and dtarget -= the same.
func (o *MSELoss) Backward(p *GradPrep) (GradKernel, error) {
	k := newPairLossGrad(p, pairLoss{kind: KindMSELoss, reduction: o.Reduction})
	k.vec = !p.Reference && o.Reduction != LossNone
	for i := range k.sets {
		k.sets[i] = k.vec && p.writes(i)
	}
	return k, nil
}

// Keeps is both operands.
func (*BCELoss) Keeps(in, params []tensor.Spec) Keep { return KeepIn }

// Backward prepares dx += d * (p-t) / (p*(1-p)), or with FromLogits
// d * (sigmoid(x)-t), and the gradient of the target.
func (o *BCELoss) Backward(p *GradPrep) (GradKernel, error) {
	return newPairLossGrad(p, pairLoss{kind: KindBCELoss, logits: o.FromLogits, reduction: o.Reduction}), nil
}

func newPairLossGrad(p *GradPrep, l pairLoss) *pairLossGrad {
	l.n = operands(p.In, Specs(p.Params))[0].Shape.Elems()
	return &pairLossGrad{pairLoss: l}
}

type pairLossGrad struct {
	pairLoss
	vec  bool    // of MSELoss reduced: by rows of differences
	sets [2]bool // the gradient of x and of the target is set, not added to
}

func (k *pairLossGrad) Run(g *Grads) { g.Parallel(k.tasks(), k) }

// rows is a chunk of the mean or sum of squares.
func (k *pairLossGrad) rows(g *Grads, i int) {
	x, t := gradArg(g, 0).F32(), gradArg(g, 1).F32()
	f := 2 * float64(g.DOut.F32()[0])
	if k.reduction == LossMean {
		f /= float64(k.n)
	}
	var room [rowBuffer]float32
	for from := i * chunkElems; from < min(k.n, (i+1)*chunkElems); from += rowBuffer {
		d := room[:min(rowBuffer, k.n-from)] // chunks are whole numbers of rowBuffer
		kern.BinaryF32(kern.Sub, d, x[from:], t[from:], negInf, posInf)
		for operand, sets := range k.sets {
			dx := gradOf(g, operand)
			if dx.IsZero() {
				continue
			}
			to, f := dx.F32()[from:][:len(d)], float32(f)*float32(1-2*operand)
			if sets {
				kern.BinaryScalarF32(kern.Mul, to, d, f, negInf, posInf)
			} else {
				kern.AxpyF32(to, d, f, 1)
			}
		}
	}
}

func (k *pairLossGrad) Do(g *Grads, i, _ int) {
	if k.vec {
		k.rows(g, i)
		return
	}
	x, t, d := gradArg(g, 0).F32(), gradArg(g, 1).F32(), g.DOut.F32()
	dx, dt := gradOf(g, 0), gradOf(g, 1)
	for j := i * chunkElems; j < min(k.n, (i+1)*chunkElems); j++ {
		sx, st := k.slope(float64(x[j]), float64(t[j]))
		f := 0.0
		switch k.reduction {
		case LossNone:
			f = float64(d[j])
		case LossMean:
			f = float64(d[0]) / float64(k.n)
		default:
			f = float64(d[0])
		}
		if !dx.IsZero() {
			dx.F32()[j] += float32(f * sx)
		}
		if !dt.IsZero() {
			dt.F32()[j] += float32(f * st)
		}
	}
}
