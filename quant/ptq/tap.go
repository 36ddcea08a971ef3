package ptq

import (
	"context"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// tap runs a graph and shows the values inside.
type tap struct {
	model   *runtime.Model
	session *runtime.Session
	in      []tensor.Tensor
	value   map[graph.ID]tensor.Tensor // of the graph given, after a run
}

// newTap compiles g, as it is, with the values that want says as outputs.
func newTap(g *graph.Graph, want func(tensor.Spec) bool, threads int) (*tap, error) {
	g, err := g.WithBatch(1)
	if err != nil {
		return nil, err
	}
	var ids []graph.ID
	at := map[graph.ID]int{} // an output of g is not named twice
	tapped, err := graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		k := n.Op.Kind()
		nid := b.Keep(n, in)
		if want(n.Out) && k != ops.KindInput && k != ops.KindConstant && !g.IsOutput(id) {
			ids = append(ids, id)
			b.Output("tap/"+n.Name, nid)
		}
		return nid
	})
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		at[id] = i
	}
	for i, o := range g.Outputs() {
		if n := g.Node(o.ID); want(n.Out) && n.Op.Kind() != ops.KindInput {
			at[o.ID] = len(ids) + i
		}
	}
	t := &tap{value: map[graph.ID]tensor.Tensor{}}
	if t.model, err = runtime.New(tapped, runtime.WithGraphAsIs(), runtime.WithExact(), runtime.WithThreads(threads)); err != nil {
		return nil, err
	}
	if t.session, err = t.model.NewSession(); err != nil {
		t.model.Close()
		return nil, err
	}
	for i, id := range g.Inputs() {
		x := t.session.Input(i)
		t.in = append(t.in, x)
		if want(x.Spec) {
			t.value[id] = x
		}
	}
	for id, i := range at {
		t.value[id] = t.session.Output(i)
	}
	return t, nil
}

func (t *tap) run(ctx context.Context, src Source, i int) error {
	if err := src.Fill(i, t.in); err != nil {
		return err
	}
	return t.session.Run(ctx)
}

func (t *tap) close() { t.model.Close() }
