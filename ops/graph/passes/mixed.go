package passes

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Mixed is every Reshape of g that does not keep the samples of an open batch
// apart: which elements belong to a sample is then another matter at each batch
// size. Exporters that trace a network write such a Reshape where the program
// computed a shape from the batch with numbers instead of tensors: the batch it
// was traced with stays in it, and a -1 elsewhere takes in all others.
//
// At batches 1 and 2 an extent that holds the batch is told from a fixed one. In
// a row of elements the batch stands behind what lies before that extent, and
// before, within or behind the extent's other factor. If that can be no single
// place in the input and in the result, samples are mixed.
func Mixed(g *graph.Graph) (ids []graph.ID) {
	one, err := g.WithBatch(1)
	if err != nil || !g.Batched() {
		return nil
	}
	two, err := g.WithBatch(2)
	if err != nil {
		return nil
	}
	for i := range one.Len() {
		id := graph.ID(i)
		n := one.Node(id)
		if _, ok := n.Op.(*ops.Reshape); !ok || len(n.In) != 1 {
			continue
		}
		lo, hi, ok := batchPlace(one.Node(n.In[0]).Out.Shape, two.Node(n.In[0]).Out.Shape)
		from, to, ok2 := batchPlace(n.Out.Shape, two.Node(id).Out.Shape)
		if ok && ok2 && (hi < from || to < lo) {
			ids = append(ids, id)
		}
	}
	return ids
}

// batchPlace is how many steps along a row of elements, counted in all extents
// before it, the batch may lie behind: one is a shape at batch 1, two at 2. It
// is not ok unless exactly one extent holds the batch.
func batchPlace(one, two tensor.Shape) (lo, hi int, ok bool) {
	before := 1
	for i := range one.Rank() {
		d := one.Dim(i)
		switch two.Dim(i) {
		case d:
			before *= d
			continue
		case 2 * d:
			if !ok {
				lo, hi, ok = before, before*d, true
				continue
			}
		}
		return 0, 0, false
	}
	return lo, hi, ok
}
