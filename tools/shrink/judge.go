package shrink

import (
	"context"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq/moments"
)

// maxJudged is the number of samples that tells sensitivities apart.
const maxJudged = 128

// judge says how far a network's outputs are from those of the source.
type judge struct {
	src     Source
	samples int
	threads int
	out     graph.ID // of a softmax what comes in: probabilities hide most of a change
	want    []float32
	norm    float64
}

func newJudge(ctx context.Context, g *graph.Graph, src Source, samples, threads int) (*judge, error) {
	j := &judge{src: src, samples: samples, threads: threads, out: g.Outputs()[0].ID}
	if n := g.Node(j.out); n.Op.Kind() == ops.KindSoftmax {
		j.out = n.In[0]
	}
	err := j.run(ctx, g, func(v []float32) {
		j.want = append(j.want, v...)
		for _, x := range v {
			j.norm += float64(x) * float64(x)
		}
	})
	return j, err
}

func (j *judge) run(ctx context.Context, g *graph.Graph, f func(v []float32)) error {
	r, err := newRunner(g, []graph.ID{j.out}, j.threads)
	if err != nil {
		return err
	}
	defer r.close()
	for i := range j.samples {
		if err := r.run(ctx, j.src, i*j.src.Len()/j.samples); err != nil {
			return err
		}
		f(r.tap(0).F32())
	}
	return nil
}

// change is the squared distance from the source's outputs over their square.
func (j *judge) change(ctx context.Context, g *graph.Graph) (float64, error) {
	at, sum := 0, 0.0
	err := j.run(ctx, g, func(v []float32) {
		for _, x := range v {
			d := float64(x) - float64(j.want[at])
			sum += d * d
			at++
		}
	})
	return sum / max(j.norm, 1e-30), err
}

// shiftOf is the parameter that takes up what a layer's outputs change by on
// average: its bias, or the mean of the batch norm that alone reads it. nil:
// there is none.
func shiftOf(g *graph.Graph, l *moments.Product) *shift {
	n := g.Node(l.ID)
	if len(n.Params) > 1 && n.Params[1].DType == tensor.F32 && n.Params[1].Shape.Elems() == l.Weight.Shape.Dim(0) {
		return &shift{l.ID, 1, 1}
	}
	readers := g.Consumers()[l.ID]
	if len(readers) != 1 || g.IsOutput(l.ID) {
		return nil
	}
	bn := g.Node(readers[0])
	if op, ok := bn.Op.(*ops.BatchNorm); ok && !op.Training && len(bn.Params) == 4 && len(bn.In) == 1 {
		return &shift{readers[0], 2, -1}
	}
	return nil
}

type shift struct {
	id    graph.ID
	param int
	sign  float32
}

// rebuilt is g with the layers' weights as they are rounded, and what that
// changes on average taken up.
func rebuilt(g *graph.Graph, layers []*layer) (*graph.Graph, error) {
	params := map[graph.ID][]tensor.Tensor{}
	of := func(id graph.ID) []tensor.Tensor {
		if _, ok := params[id]; !ok {
			params[id] = append([]tensor.Tensor(nil), g.Node(id).Params...)
		}
		return params[id]
	}
	for _, l := range layers {
		if l.ints == nil {
			continue
		}
		now := l.ints.Decoded()
		of(l.ID)[0] = tensor.FromF32(now, l.Weight.Shape.Dims()...)
		s := shiftOf(g, l.Product)
		if s == nil {
			continue
		}
		p := of(s.id)
		p[s.param] = p[s.param].Clone()
		b := p[s.param].F32()
		for o := range b {
			b[o] -= s.sign * float32(l.Shift(o, func(i int) float64 { return float64(now[o*l.Cols+i]) }))
		}
	}
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if p, ok := params[id]; ok {
			return b.Add(n.Name, n.Op, p, in...)
		}
		return b.Keep(n, in)
	})
}
