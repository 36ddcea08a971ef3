package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/tensor"
)

// Keeps is what the slope is told from.
func (r *Reduce) Keeps(in, params []tensor.Spec) Keep {
	switch r.Fn {
	case ReduceMean, ReduceSum:
		return KeepNone
	case ReduceL1, ReduceSumSquare:
		return KeepIn0
	case ReduceLogSum:
		return KeepOut
	}
	return KeepIn0 | KeepOut
}

// Backward prepares dx += dy * dfn/dx. Elements that tie for Max or Min share
// the gradient evenly.
func (r *Reduce) Backward(p *GradPrep) (GradKernel, error) {
	x := operands(p.In, Specs(p.Params))[0]
	if x.DType != tensor.F32 {
		return nil, errf(KindReduce, "has no gradient on %v", x.DType)
	}
	reduced, _, err := r.resolve(x.Shape)
	if err != nil {
		return nil, err
	}
	return &reduceGrad{r.Fn, newSumWalk(x.Shape, withOnes(x.Shape, reduced))}, nil
}

type reduceGrad struct {
	fn   ReduceFn
	walk sumWalk
}

func (k *reduceGrad) Run(g *Grads) {
	if !gradOf(g, 0).IsZero() {
		g.Parallel(k.walk.tasks, k)
	}
}

func (k *reduceGrad) Do(g *Grads, task, _ int) {
	w := &k.walk
	d, dx := g.DOut.F32(), gradOf(g, 0).F32()
	for e := task * w.block; e < min(w.kept, (task+1)*w.block); e += w.width(e) {
		n, at := w.width(e), w.keptAt(e)
		if k.fn == ReduceMean || k.fn == ReduceSum {
			scale := float32(1)
			if k.fn == ReduceMean {
				scale = 1 / float32(w.repeats)
			}
			for r := range w.repeats {
				o := w.add(at, r)[0]
				for j := range n {
					dx[o+j*w.step[0]] += d[e+j] * scale
				}
			}
			continue
		}
		for j := range n {
			k.one(g, dx, at, j, e+j)
		}
	}
}

// one is the gradient of all elements that element e of the result is made of.
func (k *reduceGrad) one(g *Grads, dx []float32, at [4]int, j, e int) {
	w := &k.walk
	d := float64(g.DOut.F32()[e])
	if k.fn == ReduceLogSum {
		d *= math.Exp(-float64(g.Out.F32()[e]))
		for r := range w.repeats {
			dx[w.add(at, r)[0]+j*w.step[0]] += float32(d)
		}
		return
	}
	x := gradArg(g, 0).F32()
	y, ties := 0.0, 0
	if k.fn != ReduceL1 && k.fn != ReduceSumSquare {
		y = float64(g.Out.F32()[e])
	}
	if k.fn == ReduceMax || k.fn == ReduceMin {
		for r := range w.repeats {
			if float64(x[w.add(at, r)[0]+j*w.step[0]]) == y {
				ties++
			}
		}
	}
	for r := range w.repeats {
		o := w.add(at, r)[0] + j*w.step[0]
		v, slope := float64(x[o]), 0.0
		switch k.fn {
		case ReduceMax, ReduceMin:
			slope = step(v == y, 1/float64(max(ties, 1)))
		case ReduceProd:
			slope = k.others(x, at, j, r)
		case ReduceL1:
			slope = plain64(UnarySign, v)
		case ReduceL2:
			if y != 0 {
				slope = v / y
			}
		case ReduceLogSumExp:
			slope = math.Exp(v - y)
		case ReduceSumSquare:
			slope = 2 * v
		}
		dx[o] += float32(d * slope)
	}
}

// others is the product of all elements but repeat r, which a quotient would
// not give where one of them is 0.
func (k *reduceGrad) others(x []float32, at [4]int, j, r int) float64 {
	w, p := &k.walk, 1.0
	for q := range w.repeats {
		if q != r {
			p *= float64(x[w.add(at, q)[0]+j*w.step[0]])
		}
	}
	return p
}
