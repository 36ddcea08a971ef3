package train

import (
	"fmt"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// Split cuts g before its head: backbone gives the head's input, and head takes
// it. Features of a data set can then be computed once, by any runtime form of
// the backbone, integers included, and the head trained on them. Join puts a
// trained head back.
//
// Where the head is a 1x1 convolution whose scores are averaged over all
// positions, the features are averaged instead: the same sums in another order,
// of a tensor as many times smaller. Dropout before the head goes with it. Of a
// network that takes one image at a time the head takes any number.
func Split(g *graph.Graph) (backbone, head *graph.Graph, err error) {
	at, err := Head(g)
	if err != nil {
		return nil, nil, err
	}
	cut := g.Node(at).In[0]
	for g.Node(cut).Op.Kind() == ops.KindDropout {
		cut = g.Node(cut).In[0]
	}
	pool, pooled := averaged(g, at)
	bb := graph.NewBuilderBatch(g.Name(), g.Batch())
	for i := range int(cut) + 1 {
		n := g.Node(graph.ID(i))
		bb.Add(n.Name, n.Op, n.Params, n.In...)
	}
	features := cut
	if pooled {
		features = bb.Add("features", g.Node(pool).Op, nil, cut)
	}
	spec := bb.Spec(features)
	bb.Output("features", features)
	if backbone, err = bb.Build(); err != nil {
		return nil, nil, fmt.Errorf("train: %w", err)
	}
	hb := graph.NewBuilderBatch(g.Name(), g.Batch())
	// A backbone of one image at a time is no reason for the head to be.
	single := !g.Batched() && g.Batch() == 1 && spec.Shape.Dim(0) == 1
	m := map[graph.ID]graph.ID{cut: hb.Input("features", spec, g.Batched() || single)}
	for i := int(cut) + 1; i < g.Len(); i++ {
		id, n := graph.ID(i), g.Node(graph.ID(i))
		in, known := make([]graph.ID, len(n.In)), true
		for j, x := range n.In {
			y, ok := m[x]
			in[j], known = y, known && ok
		}
		switch {
		case !known && id < at: // another branch's
			continue
		case !known:
			return nil, nil, fmt.Errorf("train: layer %q after the head reads something before it", n.Name)
		case pooled && id == pool:
			m[id] = in[0]
		default:
			m[id] = hb.Add(n.Name, anyRows(n.Op, single), n.Params, in...)
		}
	}
	out, ok := m[g.Outputs()[0].ID]
	if !ok {
		return nil, nil, fmt.Errorf("train: the network's first output does not come from its head")
	}
	hb.Output(g.Outputs()[0].Name, out)
	head, err = hb.Build()
	if err != nil {
		err = fmt.Errorf("train: %w", err)
	}
	return backbone, head, err
}

// anyRows is op for any number of rows where it was for one.
func anyRows(op ops.Op, single bool) ops.Op {
	r, ok := op.(*ops.Reshape)
	if !ok || !single || len(r.Dims) == 0 || r.Dims[0] != 1 {
		return op
	}
	c := *r
	c.Dims = slices.Clone(r.Dims)
	c.Dims[0] = 0 // as many as come in
	return &c
}

// averaged finds the global average that alone reads a linear head at every
// position.
func averaged(g *graph.Graph, head graph.ID) (pool graph.ID, ok bool) {
	n := g.Node(head)
	conv, is := n.Op.(*ops.Conv)
	readers := g.Consumers()[head]
	if !is || conv.Act != (ops.Act{}) || conv.Groups > 1 || len(readers) != 1 || g.IsOutput(head) {
		return 0, false
	}
	in, out := g.Node(n.In[0]).Out.Shape, n.Out.Shape
	for i := range out.Rank() - 1 { // every position once, and nothing but it
		if in.Dim(i) != out.Dim(i) || i > 0 && n.Params[0].Shape.Dim(i) != 1 {
			return 0, false
		}
	}
	p, is := g.Node(readers[0]).Op.(*ops.GlobalPool)
	return readers[0], is && p.Fn == ops.PoolAvg
}

// Join is g with the parameters that layers of the same name have in trained.
func Join(g, trained *graph.Graph) (*graph.Graph, error) {
	if g == nil || trained == nil {
		return nil, errNilGraph
	}
	by := map[string]*graph.Node{}
	for i := range trained.Len() {
		n := trained.Node(graph.ID(i))
		by[n.Name] = n
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		t := by[n.Name]
		if t == nil || t.Op.Kind() != n.Op.Kind() || len(t.Params) == 0 {
			return b.Keep(n, in)
		}
		return b.Add(n.Name, n.Op, t.Params, in...)
	})
}
