package ops

import (
	"math"

	"github.com/teff-ml/teff/ops/internal/kern"
	"github.com/teff-ml/teff/ops/tensor"
)

// Keeps is nothing for maximum (its taps are noted) and average, both values
// for a p-norm.
func (o *Pool) Keeps(in, params []tensor.Spec) Keep {
	if o.Fn == PoolLp {
		return KeepIn0 | KeepOut
	}
	return KeepNone
}

// Backward sends the gradient of a maximum to the tap that won, shares that of
// an average among its taps, and that of a p-norm by x*|x|^(P-2)/y^(P-1).
func (o *Pool) Backward(p *GradPrep) (GradKernel, error) {
	if o.Act.Fn != UnaryNone || o.Output != 0 || p.In[0].DType != tensor.F32 {
		return nil, errf(KindPool, "has no gradient with an activation, of indices, or on %v", p.In[0].DType)
	}
	x := &p.In[0]
	g, err := o.Resolve(KindPool, x.Shape, nil)
	if err != nil {
		return nil, err
	}
	k := &poolGrad{poolKernel: poolKernel{Geom: g, op: o, n: x.Shape.Dim(0), c: x.Shape.Channels(), pitch: x.Shape.Channels()}}
	k.wins = newPoolTaps(&k.poolKernel)
	return k, nil
}

type poolGrad struct {
	poolKernel
	wins poolTaps
}

func (k *poolGrad) Run(g *Grads) {
	if !g.DIn[0].IsZero() {
		g.Parallel(k.n, k)
	}
}

// Do computes one image.
func (k *poolGrad) Do(g *Grads, n, _ int) {
	dx := g.DIn[0].F32()[n*k.InSize()*k.c:]
	if k.op.Fn == PoolMax {
		k.largest(g, dx, n)
		return
	}
	for row := range k.OutSize() {
		at := (n*k.OutSize() + row) * k.c
		dy := g.DOut.F32()[at:][:k.c]
		switch k.op.Fn {
		case PoolAvg:
			k.share(dx, dy, row)
		case PoolLp:
			k.norm(g, dx, dy, n, row)
		}
	}
}

// largest sends the gradient of an image's maxima to the taps that won.
func (k *poolGrad) largest(g *Grads, dx []float32, n int) {
	from := n * k.OutSize() * k.c
	k.wins.each(&k.poolKernel, kern.Winners{X: dx[:k.InSize()*k.c], Y: g.DOut.F32()[from:], Won: g.Aux[from:], N: k.c}, true)
}

func (k *poolGrad) share(dx, dy []float32, row int) {
	count := 0
	for t := range k.Taps() {
		if _, inside, inPad := k.tap(row, t); inside || k.op.CountIncludePad && inPad {
			count++
		}
	}
	part := 1 / float32(max(count, 1))
	for t := range k.Taps() {
		if pos, inside, _ := k.tap(row, t); inside {
			kern.AxpyF32(dx[pos*k.c:][:len(dy)], dy, part, 1)
		}
	}
}

func (k *poolGrad) norm(g *Grads, dx, dy []float32, n, row int) {
	p := float64(k.op.P)
	if p == 0 {
		p = 2
	}
	x := g.In[0].F32()[n*k.InSize()*k.c:]
	y := g.Out.F32()[(n*k.OutSize()+row)*k.c:]
	for t := range k.Taps() {
		pos, inside, _ := k.tap(row, t)
		if !inside {
			continue
		}
		for c, v := range dy {
			xv, yv := float64(x[pos*k.c+c]), float64(y[c])
			if yv > 0 && xv != 0 {
				dx[pos*k.c+c] += v * float32(xv*math.Pow(math.Abs(xv), p-2)/math.Pow(yv, p-1))
			}
		}
	}
}
