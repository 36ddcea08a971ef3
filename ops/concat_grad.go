package ops

import "github.com/teff-ml/teff/ops/tensor"

// Keeps is nothing.
func (*Concat) Keeps(in, params []tensor.Spec) Keep { return KeepNone }

// Backward gives each operand its part.
func (c *Concat) Backward(p *GradPrep) (GradKernel, error) {
	k := &concatGrad{concatKernel: c.kernel(&p.Out, operands(p.In, Specs(p.Params)), p.Params), sets: make([]bool, len(p.In))}
	for i := range k.sets {
		k.sets[i] = p.writes(i)
	}
	k.tasks = max(1, min(k.outer, parts(byteMACs*p.Out.Shape.Elems()*4, taskMACs, max(1, p.Threads))))
	return k, nil
}

type concatGrad struct {
	*concatKernel
	sets []bool // the gradient is set, not added to
}

func (k *concatGrad) Run(g *Grads) { g.Parallel(k.tasks, k) }

// Do takes some runs of all operands.
func (k *concatGrad) Do(g *Grads, i, _ int) {
	from, to := k.outer*i/k.tasks, k.outer*(i+1)/k.tasks
	at := 0
	for j, run := range k.runs {
		if j < len(g.DIn) && !g.DIn[j].IsZero() {
			dx, dy := g.DIn[j].F32(), g.DOut.F32()
			for o := from; o < to; o++ {
				d, part := dx[o*run:(o+1)*run], dy[o*k.pitch+at:][:run]
				if k.sets[j] {
					copy(d, part)
				} else {
					addInto(d, part)
				}
			}
		}
		at += run
	}
}
