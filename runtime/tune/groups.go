package tune

import (
	"slices"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops/graph"
)

// group is the layers of two programs that compute the same nodes: one of each
// where no chain is in the way.
type group struct {
	nodes   []graph.ID
	a, b    []int // layers
	differs bool  // something is computed in another way
}

// groups are those of two programs of one graph, in order.
func groups(a, b []accel.Layer) []group {
	root := map[graph.ID]graph.ID{}
	find := func(id graph.ID) graph.ID {
		for {
			up, ok := root[id]
			if !ok {
				return id
			}
			id = up
		}
	}
	for _, layers := range [][]accel.Layer{a, b} {
		for _, l := range layers {
			for _, id := range l.Chain {
				if from, to := find(id), find(l.ID); from != to {
					root[from] = to
				}
			}
		}
	}
	var all []group
	at := map[graph.ID]int{}
	of := func(l accel.Layer) *group {
		r := find(l.ID)
		i, ok := at[r]
		if !ok {
			i = len(all)
			at[r], all = i, append(all, group{})
		}
		for _, id := range append(slices.Clone(l.Chain), l.ID) {
			if !slices.Contains(all[i].nodes, id) {
				all[i].nodes = append(all[i].nodes, id)
			}
		}
		return &all[i]
	}
	for i, l := range a {
		g := of(l)
		g.a = append(g.a, i)
	}
	for i, l := range b {
		g := of(l)
		g.b = append(g.b, i)
	}
	for i := range all {
		g := &all[i]
		g.differs = !slices.EqualFunc(g.a, g.b, func(i, j int) bool { return a[i].ID == b[j].ID && a[i].Path == b[j].Path })
	}
	return all
}
