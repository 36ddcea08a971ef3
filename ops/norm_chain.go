package ops

import "github.com/teff-ml/teff/ops/internal/kern"

// Fixed says that the norm of a node with n parameters is one scale and one shift for each channel.
func (b *BatchNorm) Fixed(n int) bool { return b.Output == 0 && !b.Training && n == 4 }

// ChainNorm prepares a Fixed batch norm, the clamp behind it, and what concatenations before it would have joined as one step:
// clamp is nil, or reads the norm and nothing else; parts are the channels of the step's inputs, nil where there is one. A wide
// value is gone over once instead of three times, which a DenseNet does at every layer. p are the preparations of norm and
// clamp.
func ChainNorm(parts []int, bn *BatchNorm, clamp *Unary, p []*Prep) Kernel {
	act := Act{}
	if clamp != nil {
		act = Act{clamp.Fn, clamp.A, clamp.B}
	}
	if _, _, ok := act.Clamp(); !ok || p[0].Reference || p[0].Training || p[0].Out.Shape.Elems() == 0 {
		return nil
	}
	made, err := bn.prepare(p[0], act)
	k, ok := made.(*batchNorm)
	if err != nil || !ok || k.ready == nil {
		return nil
	}
	p[len(p)-1].Path("vec")
	if parts == nil {
		return k
	}
	return &normParts{k, parts}
}

// normParts lays its inputs side by side, tile by tile, and normalises each tile while it is in a first-level cache.
type normParts struct {
	norm  *batchNorm
	parts []int
}

func (k *normParts) Run(a *Args) { a.Parallel(k.norm.blocks, k) }

// Do computes block i.
func (k *normParts) Do(a *Args, i, _ int) {
	n, y := k.norm, f32(&a.Out)
	scale, shift := n.ready[:n.width], n.ready[roundUp(n.width, 16):][:n.width]
	for tile := i * n.perBlk; tile < min(n.tiles, (i+1)*n.perBlk); tile++ {
		from, to := n.span(tile)
		at := from
		for j, c := range k.parts {
			x := f32(&a.In[j])[from/n.c*c : to/n.c*c]
			for r := at; len(x) > 0; r += n.c {
				copy(y[r:][:c], x)
				x = x[c:]
			}
			at += c
		}
		kern.ScaleShiftF32(y[from:to], y[from:to], scale, shift, n.lo, n.hi)
	}
}
