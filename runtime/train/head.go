package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Head is the last layer with weights before the network's first output: a
// Dense, or the 1x1 convolution some networks end with.
func Head(g *graph.Graph) (graph.ID, error) {
	seen := map[graph.ID]bool{}
	id := g.Outputs()[0].ID
	for !seen[id] {
		seen[id] = true
		n := g.Node(id)
		switch n.Op.Kind() {
		case ops.KindDense, ops.KindConv:
			if len(n.Params) > 0 && n.Params[0].DType == tensor.F32 {
				return id, nil
			}
			return 0, fmt.Errorf("train: the last layer %q has no float weights", n.Name)
		}
		if len(n.In) == 0 {
			break
		}
		id = n.In[0]
	}
	return 0, fmt.Errorf("train: the network has no dense or convolution layer at its end")
}

// WithClasses is g with a head of that many outputs, its weights drawn anew
// from the seed; the rest keeps its weights. Where the head already has that
// many outputs and reset is false, g itself.
func WithClasses(g *graph.Graph, classes int, seed uint64, reset bool) (*graph.Graph, error) {
	if classes < 2 || classes > 1<<20 {
		return nil, fmt.Errorf("train: %d classes", classes)
	}
	head, err := Head(g)
	if err != nil {
		return nil, err
	}
	w := g.Node(head).Params[0]
	if w.Shape.Dim(0) == classes && !reset {
		return g, nil
	}
	dims := w.Shape.Dims()
	old := dims[0]
	dims[0] = classes
	in := 1
	for _, d := range dims[1:] {
		in *= d
	}
	rng := rand.New(rand.NewPCG(seed, 0x4ead))
	fresh := tensor.New(tensor.F32Spec(dims...))
	for i := range fresh.F32() {
		fresh.F32()[i] = float32(rng.NormFloat64() / math.Sqrt(float64(in)))
	}
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if r, ok := n.Op.(*ops.Reshape); ok && id > head && slices.Contains(r.Dims, old) {
			// Exporters write the number of classes out.
			c := *r
			c.Dims = slices.Clone(r.Dims)
			c.Dims[slices.Index(c.Dims, old)] = classes
			return b.Add(n.Name, &c, n.Params, in...)
		}
		if id != head {
			return b.Keep(n, in)
		}
		params := slices.Clone(n.Params)
		params[0] = fresh
		if len(params) > 1 {
			params[1] = tensor.New(tensor.F32Spec(classes))
		}
		return b.Add(n.Name, n.Op, params, in...)
	})
}

// Split cuts g before its head: backbone gives the head's input, and head takes
// it. Features of a data set can then be computed once, by any runtime form of
// the backbone, and the head trained on them. Join puts a trained head back.
func Split(g *graph.Graph) (backbone, head *graph.Graph, err error) {
	at, err := Head(g)
	if err != nil {
		return nil, nil, err
	}
	cut := g.Node(at).In[0]
	bb := graph.NewBuilderBatch(g.Name(), g.Batch())
	for i := range int(cut) + 1 {
		n := g.Node(graph.ID(i))
		bb.Add(n.Name, n.Op, n.Params, n.In...)
	}
	bb.Output("features", cut)
	if backbone, err = bb.Build(); err != nil {
		return nil, nil, fmt.Errorf("train: %w", err)
	}
	hb := graph.NewBuilderBatch(g.Name(), g.Batch())
	m := map[graph.ID]graph.ID{cut: hb.Input("features", g.Node(cut).Out, g.Batched())}
	for i := int(at); i < g.Len(); i++ {
		n := g.Node(graph.ID(i))
		in := make([]graph.ID, len(n.In))
		for j, x := range n.In {
			y, ok := m[x]
			if !ok {
				return nil, nil, fmt.Errorf("train: layer %q after the head reads something before it", n.Name)
			}
			in[j] = y
		}
		m[graph.ID(i)] = hb.Add(n.Name, n.Op, n.Params, in...)
	}
	hb.Output(g.Outputs()[0].Name, m[g.Outputs()[0].ID])
	head, err = hb.Build()
	if err != nil {
		err = fmt.Errorf("train: %w", err)
	}
	return backbone, head, err
}

// Join is g with the parameters that layers of the same name have in trained.
func Join(g, trained *graph.Graph) (*graph.Graph, error) {
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
