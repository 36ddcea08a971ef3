package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// classTarget is what a classifier's loss asks for, shared by
// SoftmaxCrossEntropy and NLLLoss. The loss of example l is
//
//	-sum over c of q[l, c] * logp[l, c],   q = w[c] * ((1-smoothing)*t[l, c] + smoothing/classes)
//
// with t the label's distribution, and the mean divides by the sum of w[label].
type classTarget struct {
	classLoss
	lines
	reduction Reduction
	ignore    int64
	hasIgnore bool
	smoothing float64
	softmax   bool // scores need a softmax; else they are log probabilities
}

func (o *SoftmaxCrossEntropy) target(in, params []tensor.Spec) (classTarget, error) {
	c, _, err := resolveClasses(KindSoftmaxCrossEntropy, in, params, o.Axis)
	return classTarget{c, newLines(c.outer, c.classes, c.inner), o.Reduction, int64(o.IgnoreIndex), o.HasIgnore, float64(o.Smoothing), true}, err
}

func (o *NLLLoss) target(in, params []tensor.Spec) (classTarget, error) {
	c, _, err := resolveClasses(KindNLLLoss, in, params, o.Axis)
	return classTarget{c, newLines(c.outer, c.classes, c.inner), o.Reduction, int64(o.IgnoreIndex), o.HasIgnore, 0, false}, err
}

// classExample is one example's label and weights.
type classExample struct {
	t      *classTarget
	label  int64
	labels []float32 // probabilities, or nil
	w      []float32 // class weights, or nil
	at     int       // where the example's scores start
}

// example is example l; ok is false when it counts for nothing, and valid when
// its label is a class.
func (t *classTarget) example(l int, labels, weights *tensor.Tensor) (e classExample, ok, valid bool) {
	e = classExample{t: t, at: t.lines.at(l)}
	if t.weighted {
		e.w = f32(weights)
	}
	if t.soft {
		e.labels = f32(labels)
		return e, true, true
	}
	e.label = int64At(labels, l)
	if t.hasIgnore && e.label == t.ignore {
		return e, false, false
	}
	return e, true, e.label >= 0 && e.label < int64(t.classes)
}

func (e *classExample) weight(c int) float64 {
	if e.w == nil {
		return 1
	}
	return float64(e.w[c])
}

// want is q[c].
func (e *classExample) want(c int) float64 {
	p := 0.0
	switch {
	case e.labels != nil:
		p = float64(e.labels[e.at+c*e.t.lines.inner])
	case int64(c) == e.label:
		p = 1
	}
	s := e.t.smoothing
	return e.weight(c) * ((1-s)*p + s/float64(e.t.classes))
}

// plain says that q is not 0 for the label alone.
func (t *classTarget) plain() bool { return !t.soft && t.smoothing == 0 }

// logSum is the logarithm of the sum of exponentials of an example's scores, 0
// when they are log probabilities.
func (t *classTarget) logSum(x []float32, at int) float64 {
	if !t.softmax {
		return 0
	}
	top, sum := math.Inf(-1), 0.0
	for c := range t.classes {
		top = max(top, float64(x[at+c*t.lines.inner]))
	}
	for c := range t.classes {
		sum += math.Exp(float64(x[at+c*t.lines.inner]) - top)
	}
	return top + math.Log(sum)
}

// total is what the mean divides by.
func (t *classTarget) total(labels, weights *tensor.Tensor) float64 {
	if t.soft {
		return float64(t.count())
	}
	sum := 0.0
	for l := range t.count() {
		if e, ok, valid := t.example(l, labels, weights); ok {
			w := 1.0
			if valid {
				w = e.weight(int(e.label))
			}
			sum += w
		}
	}
	return sum
}

// Prepare has one path; logp is a log softmax.
func (o *SoftmaxCrossEntropy) Prepare(p *Prep) (Kernel, error) {
	t, err := o.target(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	if o.Output == 1 {
		p.Path("reference")
		return &softmaxKernel{lines: t.lines, log: true, beta: 1, params: p.Params}, nil
	}
	return t.prepare(p), nil
}

// Prepare has one path.
func (o *NLLLoss) Prepare(p *Prep) (Kernel, error) {
	t, err := o.target(p.In, Specs(p.Params))
	if err != nil {
		return nil, err
	}
	return t.prepare(p), nil
}

func (t *classTarget) prepare(p *Prep) Kernel {
	p.NeedScratch(8 * t.count())
	p.Path("reference")
	return &classLossKernel{*t, p.Params}
}

// classLossKernel computes each example's loss on its own, then their sum in
// order.
type classLossKernel struct {
	classTarget
	params []tensor.Tensor
}

// weights are the class weights, or nil.
//
//go:noinline
func (k *classLossKernel) weights(a *Args) *tensor.Tensor {
	if k.weighted {
		return arg(a, k.params, 2)
	}
	return nil
}

func (k *classLossKernel) Run(a *Args) {
	a.Parallel(k.tasks(), k)
	if k.reduction == LossNone {
		return
	}
	sum := 0.0
	for _, v := range tensor.CastSlice[float64](a.Scratch)[:k.count()] {
		sum += v
	}
	if k.reduction == LossMean {
		sum /= k.total(arg(a, k.params, 1), k.weights(a))
	}
	f32(&a.Out)[0] = float32(sum)
}

func (k *classLossKernel) Do(a *Args, i, _ int) {
	x, labels, weights := argF32(a, k.params, 0), arg(a, k.params, 1), k.weights(a)
	losses := tensor.CastSlice[float64](a.Scratch)
	from, to := k.of(i)
	for l := from; l < to; l++ {
		e, ok, valid := k.example(l, labels, weights)
		loss := 0.0
		switch {
		case ok && !valid:
			loss = math.NaN()
		case ok && k.plain():
			loss = e.weight(int(e.label)) * (k.logSum(x, e.at) - float64(x[e.at+int(e.label)*k.lines.inner]))
		case ok:
			norm := k.logSum(x, e.at)
			for c := range k.classes {
				if q := e.want(c); q != 0 {
					loss += q * (norm - float64(x[e.at+c*k.lines.inner]))
				}
			}
		}
		if k.reduction == LossNone {
			f32(&a.Out)[l] = float32(loss)
		} else {
			losses[l] = loss
		}
	}
}

// Keeps is scores, labels and weights.
func (*SoftmaxCrossEntropy) Keeps(in, params []tensor.Spec) Keep { return KeepIn }

// Backward prepares dscores[c] += d * (softmax[c] * sum of q - q[c]), with d the
// gradient of the example's loss, and for probabilities as labels
// dt[c] += d * (1-smoothing) * w[c] * -logp[c]. The class weights have no
// gradient.
func (o *SoftmaxCrossEntropy) Backward(p *GradPrep) (GradKernel, error) {
	if o.Output != 0 {
		return nil, errf(KindSoftmaxCrossEntropy, "has no gradient for output %d", o.Output)
	}
	t, err := o.target(p.In, Specs(p.Params))
	return &classLossGrad{classTarget: t}, err
}

// Keeps is scores, labels and weights.
func (*NLLLoss) Keeps(in, params []tensor.Spec) Keep { return KeepIn }

// Backward prepares dscores[c] -= d * q[c], and for probabilities as labels
// dt[c] -= d * w[c] * scores[c].
func (o *NLLLoss) Backward(p *GradPrep) (GradKernel, error) {
	t, err := o.target(p.In, Specs(p.Params))
	return &classLossGrad{classTarget: t}, err
}

type classLossGrad struct {
	classTarget
	factor float64 // of DOut; set before the tasks of a run start
}

func (k *classLossGrad) weights(g *Grads) *tensor.Tensor {
	if k.weighted {
		return gradArg(g, 2)
	}
	return nil
}

func (k *classLossGrad) Run(g *Grads) {
	k.factor = 1
	if k.reduction == LossMean {
		k.factor = 1 / k.total(gradArg(g, 1), k.weights(g))
	}
	g.Parallel(k.tasks(), k)
}

func (k *classLossGrad) Do(g *Grads, i, _ int) {
	x, labels, weights := gradArg(g, 0).F32(), gradArg(g, 1), k.weights(g)
	dx, dt := gradOf(g, 0), gradOf(g, 1)
	from, to := k.of(i)
	for l := from; l < to; l++ {
		e, _, valid := k.example(l, labels, weights)
		if !valid {
			continue
		}
		d := k.factor
		if k.reduction == LossNone {
			d *= float64(g.DOut.F32()[l])
		} else {
			d *= float64(g.DOut.F32()[0])
		}
		norm := k.logSum(x, e.at)
		if !dx.IsZero() {
			k.scores(dx.F32(), x, &e, d, norm)
		}
		if !dt.IsZero() && k.soft {
			for c := range k.classes {
				o := e.at + c*k.lines.inner
				dt.F32()[o] += float32(d * (1 - k.smoothing) * e.weight(c) * (norm - float64(x[o])))
			}
		}
	}
}

// scores adds the gradient of one example's scores.
func (k *classLossGrad) scores(dx, x []float32, e *classExample, d, norm float64) {
	if k.plain() {
		d *= e.weight(int(e.label))
		if k.softmax {
			for c := range k.classes {
				o := e.at + c*k.lines.inner
				dx[o] += float32(d * math.Exp(float64(x[o])-norm))
			}
		}
		dx[e.at+int(e.label)*k.lines.inner] -= float32(d)
		return
	}
	sum := 0.0
	if k.softmax {
		for c := range k.classes {
			sum += e.want(c)
		}
	}
	for c := range k.classes {
		o := e.at + c*k.lines.inner
		v := -e.want(c)
		if k.softmax {
			v += sum * math.Exp(float64(x[o])-norm)
		}
		dx[o] += float32(d * v)
	}
}
