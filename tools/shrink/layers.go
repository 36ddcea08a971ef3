package shrink

import (
	"context"
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant"
	"github.com/teff-ml/teff/quant/ptq/moments"
	"github.com/teff-ml/teff/runtime"
)

// layer is a product whose weights are to be stored in few bits.
type layer struct {
	*moments.Product
	square float64 // mean square of the weights
	top    float64 // the largest magnitude

	sense float64 // what the outputs change by, for a step of 1
	step  float64
	ints  *quant.Ints
}

// minElems is the size from which a tensor is worth a scale of its own.
const minElems = 64

// findLayers lists what is worth compressing, in order.
func findLayers(g *graph.Graph) []*layer {
	var list []*layer
	for _, p := range moments.Find(g, minElems) {
		l := &layer{Product: p}
		for _, x := range p.Weight.F32() {
			l.square += float64(x) * float64(x) / float64(p.Weight.Shape.Elems())
			l.top = max(l.top, math.Abs(float64(x)))
		}
		list = append(list, l)
	}
	return list
}

// observe runs the samples through g and gathers each layer's moments and
// feedback.
func observe(ctx context.Context, g *graph.Graph, layers []*layer, src Source, samples, threads int) error {
	ids := map[graph.ID]int{}
	var taps []graph.ID
	var list []*moments.Product
	for _, l := range layers {
		list = append(list, l.Product)
		if _, ok := ids[l.In]; !ok {
			ids[l.In] = len(taps)
			taps = append(taps, l.In)
		}
	}
	r, err := newRunner(g, taps, threads)
	if err != nil {
		return err
	}
	defer r.close()
	w := moments.NewWatch(list, samples, threads)
	defer w.Close()
	for i := range samples {
		if err := r.run(ctx, src, i*src.Len()/samples); err != nil {
			return err
		}
		if err := w.Look(ctx, i, func(id graph.ID) tensor.Tensor { return r.tap(ids[id]) }); err != nil {
			return err
		}
	}
	return w.Finish(ctx, 0, func(p *moments.Product) bool { return shiftOf(g, p) != nil })
}

// runner runs a graph, batch 1, and shows some values inside.
type runner struct {
	model   *runtime.Model
	session *runtime.Session
	results int
}

// newRunner compiles g with the values of taps as further outputs.
func newRunner(g *graph.Graph, taps []graph.ID, threads int) (*runner, error) {
	if g.Batched() {
		var err error
		if g, err = g.WithBatch(1); err != nil {
			return nil, err
		}
	}
	opts := []runtime.Option{runtime.WithThreads(threads)}
	if len(taps) > 0 {
		b := graph.NewBuilderBatch(g.Name(), g.Batch())
		for i := range g.Len() {
			n := g.Node(graph.ID(i))
			b.Add(n.Name, n.Op, n.Params, n.In...)
		}
		for _, o := range g.Outputs() {
			b.Output(o.Name, o.ID)
		}
		for i, id := range taps {
			b.Output(fmt.Sprintf("tap/%d", i), id)
		}
		var err error
		if g, err = b.Build(); err != nil {
			return nil, err
		}
		opts = append(opts, runtime.WithGraphAsIs())
	}
	m, err := runtime.New(g, opts...)
	if err != nil {
		return nil, err
	}
	s, err := m.NewSession()
	if err != nil {
		m.Close()
		return nil, err
	}
	return &runner{m, s, s.NumOutputs() - len(taps)}, nil
}

func (r *runner) run(ctx context.Context, src Source, i int) error {
	if err := src.Fill(i, r.session.Input(0)); err != nil {
		return err
	}
	return r.session.Run(ctx)
}

func (r *runner) tap(i int) tensor.Tensor { return r.session.Output(r.results + i) }

func (r *runner) close() { r.model.Close() }
