package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Keeps is the result.
func (*Softmax) Keeps(in, params []tensor.Spec) Keep { return KeepOut }

// Backward prepares dx += beta * y * (dy - sum of dy*y), or with Log
// dx += beta * (dy - exp(y) * sum of dy).
func (s *Softmax) Backward(p *GradPrep) (GradKernel, error) {
	x := operands(p.In, Specs(p.Params))[0]
	if x.DType != tensor.F32 {
		return nil, errf(KindSoftmax, "has no gradient on %v", x.DType)
	}
	l, err := s.resolve(x.Shape)
	if err != nil {
		return nil, err
	}
	k := &softmaxGrad{lines: l, log: s.Log, beta: float64(s.beta()), vec: !p.Reference && l.inner == 1}
	k.sets = p.replaces(0)
	return k, nil
}

type softmaxGrad struct {
	lines
	log  bool
	beta float64
	vec  bool // rows on vector units
	sets bool // the gradient is set, not added to
}

func (k *softmaxGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel(k.tasks(), k)
	}
}

func (k *softmaxGrad) Do(g *Grads, i, _ int) {
	y, d, dx := g.Out.F32(), g.DOut.F32(), gradOf(g, 0).F32()
	from, to := k.of(i)
	for l := from; l < to; l++ {
		at := k.at(l)
		if k.vec {
			k.row(dx[at:at+k.n], d[at:at+k.n], y[at:at+k.n])
		} else {
			k.plain(dx, d, y, at)
		}
	}
}

// row is a line of neighbours.
func (k *softmaxGrad) row(dx, d, y []float32) {
	var sum float32
	if k.log {
		sum = kern.SumF32(d)
	} else {
		sum = kern.DotF32(d, y)
	}
	var buf [rowBuffer]float32
	for len(dx) > 0 {
		n := min(len(dx), rowBuffer)
		b := buf[:n]
		if k.log {
			kern.ExpF32(b, y[:n])
			kern.AxpyF32(b, d[:n], 1, -sum)
		} else {
			kern.BinaryScalarF32(kern.Sub, b, d[:n], sum, negInf, posInf)
			kern.BinaryF32(kern.Mul, b, b, y[:n], negInf, posInf)
		}
		if k.sets {
			kern.BinaryScalarF32(kern.Mul, dx[:n], b, float32(k.beta), negInf, posInf)
		} else {
			kern.AxpyF32(dx[:n], b, float32(k.beta), 1)
		}
		dx, d, y = dx[n:], d[n:], y[n:]
	}
}

// plain is the definition, of the line that starts at the given element.
func (k *softmaxGrad) plain(dx, d, y []float32, at int) {
	sum := 0.0
	for j := range k.n {
		o := at + j*k.inner
		if k.log {
			sum += float64(d[o])
		} else {
			sum += float64(d[o]) * float64(y[o])
		}
	}
	for j := range k.n {
		o := at + j*k.inner
		v := 0.0
		if k.log {
			v = k.beta * (float64(d[o]) - math.Exp(float64(y[o]))*sum)
		} else {
			v = k.beta * float64(y[o]) * (float64(d[o]) - sum)
		}
		if k.sets {
			dx[o] = float32(v)
		} else {
			dx[o] += float32(v)
		}
	}
}
