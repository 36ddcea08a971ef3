package ptq

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// reach tells what a square of noise in channel c of a product's input is at its
// outputs, over how much these vary.
func (b *balancer) reach(id graph.ID, f func(c int, noise float64)) {
	n := b.g.Node(id)
	energy := b.energy(id)
	w := n.Params[0].F32()
	row := len(w) / max(1, n.Params[0].Shape.Dim(0))
	for i, x := range w {
		first, channels := reads(n, i/row)
		f(first+i%row%channels, float64(x)*float64(x)/energy)
	}
}

// hear finds what a square of noise in a channel of each value is to all that reads
// it: to products, and, over how much the value itself varies, to what is none. What
// only passes channels on counts by its own readers, so a concatenation hears nothing
// of those that read its parts before.
func (b *balancer) hear() {
	b.heard = make([][]float64, b.g.Len())
	for i := range b.heard {
		b.heard[i] = make([]float64, b.width(graph.ID(i)))
		for c := range b.heard[i] {
			if b.plain[i] {
				b.heard[i][c] = 1 / b.energy(graph.ID(i))
			}
		}
	}
	for id := graph.ID(b.g.Len() - 1); id >= 0; id-- {
		n, at := b.g.Node(id), 0
		switch {
		case b.seen[id] == nil || b.width(id) == 0:
		case isProduct(n):
			if b.width(n.In[0]) > 0 {
				b.reach(id, func(c int, noise float64) { b.heard[n.In[0]][c] += noise })
			}
		case b.moves(n, id):
			for _, x := range n.In {
				for c := range b.heard[x] {
					b.heard[x][c] += b.heard[id][at+c]
				}
				if n.Op.Kind() == ops.KindConcat {
					at += b.width(x)
				}
			}
		}
	}
}
