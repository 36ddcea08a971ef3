package shrink

import (
	"context"
	"fmt"
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant"
	"github.com/teff-ml/teff/runtime"
)

// layer is a product whose weights are to be stored in few bits.
type layer struct {
	id     graph.ID
	name   string
	weight tensor.Tensor // [oc, ...]
	in     graph.ID      // whose value it reads
	window *ops.Conv     // nil: dense
	groups int
	cols   int // weights of one output

	seen     []moments // of each group
	feedback []*quant.Feedback
	square   float64 // mean square of the weights
	top      float64 // the largest magnitude

	sense float64 // what the outputs change by, for a step of 1
	step  float64
	ints  *quant.Ints
}

// moments sums what a group's inputs were.
type moments struct {
	n    int
	mean []float64 // [cols]
	h    []float64 // [cols, cols]; of very wide layers [cols]
	rows []float32 // still to be added to h
}

// maxFull is the number of inputs up to which their covariances are kept.
const maxFull = 2304

// minElems is the size from which a tensor is worth a scale of its own.
const minElems = 64

// findLayers lists what is worth compressing, in order.
func findLayers(g *graph.Graph) []*layer {
	var list []*layer
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		if len(n.Params) == 0 || len(n.In) == 0 || n.Params[0].DType != tensor.F32 || n.Params[0].Shape.Elems() < minElems || n.Params[0].Shape.Rank() < 2 {
			continue
		}
		l := &layer{id: graph.ID(i), name: n.Name, weight: n.Params[0], in: n.In[0], groups: 1}
		switch op := n.Op.(type) {
		case *ops.Conv:
			l.window, l.groups = op, max(1, op.Groups)
		case *ops.Dense:
		default:
			continue
		}
		l.cols = l.weight.Shape.Elems() / l.weight.Shape.Dim(0)
		var sum float64
		for _, x := range l.weight.F32() {
			sum += float64(x) * float64(x)
			l.top = max(l.top, math.Abs(float64(x)))
		}
		if l.square = sum / float64(l.weight.Shape.Elems()); l.square == 0 {
			continue
		}
		list = append(list, l)
	}
	return list
}

// observe runs the samples through g and gathers each layer's moments and
// feedback. Of large images as many positions are looked at as tell weights
// apart.
func observe(ctx context.Context, g *graph.Graph, layers []*layer, src Source, samples, threads int) error {
	ids := map[graph.ID]int{}
	var taps []graph.ID
	for _, l := range layers {
		if _, ok := ids[l.in]; !ok {
			ids[l.in] = len(taps)
			taps = append(taps, l.in)
		}
	}
	r, err := newRunner(g, taps, threads)
	if err != nil {
		return err
	}
	defer r.close()
	p := &products{threads: threads, of: map[int]*product{}}
	defer p.close()
	for _, l := range layers {
		l.seen = make([]moments, l.groups)
		for i := range l.seen {
			n := l.cols
			if n <= maxFull {
				n *= n
			}
			l.seen[i] = moments{mean: make([]float64, l.cols), h: make([]float64, n)}
		}
	}
	for i := range samples {
		if err := r.run(ctx, src, i*src.Len()/samples); err != nil {
			return err
		}
		for _, l := range layers {
			if err := l.look(ctx, r.tap(ids[l.in]), p, samples, i); err != nil {
				return fmt.Errorf("layer %q: %w", l.name, err)
			}
		}
	}
	for _, l := range layers {
		for i := range l.seen {
			m := &l.seen[i]
			if err := p.flush(ctx, m, l.cols); err != nil {
				return err
			}
			for j := range m.mean {
				m.mean[j] /= float64(max(1, m.n))
			}
			// Means are taken off where the bias makes up for them.
			h := make([]float64, len(m.h))
			for j := range h {
				h[j] = m.h[j] / float64(max(1, m.n))
				if len(h) > l.cols {
					h[j] -= m.mean[j/l.cols] * m.mean[j%l.cols] * biased(g, l)
				}
			}
			f, err := quant.NewFeedback(h, l.cols, 0.01)
			if err != nil {
				return fmt.Errorf("layer %q: %w", l.name, err)
			}
			l.feedback = append(l.feedback, f)
			m.h = nil
		}
	}
	return nil
}

// biased is 1 for a layer with a bias that can take up what the mean changes.
func biased(g *graph.Graph, l *layer) float64 {
	if shiftOf(g, l) != nil {
		return 1
	}
	return 0
}

// wantRows is how many input vectors a layer is judged by, at most.
const wantRows = 24 << 10

// look adds what a layer read in one run.
func (l *layer) look(ctx context.Context, x tensor.Tensor, p *products, samples, sample int) error {
	v := x.F32()
	if l.window == nil {
		rows := x.Shape.Elems() / l.cols
		return p.add(ctx, &l.seen[0], v, rows, l.cols)
	}
	kernel := l.weight.Shape.Dims()
	geom, err := l.window.Resolve(ops.KindConv, x.Shape, kernel[1:len(kernel)-1])
	if err != nil {
		return err
	}
	c := x.Shape.Channels()
	icg := c / l.groups
	positions := x.Shape.Dim(0) * geom.OutSize()
	every := max(1, positions*samples/wantRows)
	rows := (positions + every - 1) / every
	buf := make([]float32, rows*l.cols)
	for group := range l.groups {
		n := 0
		for at := sample % every; at < positions; at += every {
			gather(buf[n*l.cols:][:l.cols], v, &geom, at, c, group*icg, icg)
			n++
		}
		if err := p.add(ctx, &l.seen[group], buf, n, l.cols); err != nil {
			return err
		}
	}
	return nil
}

// gather copies what the window sees at output position at into row.
func gather(row, v []float32, g *ops.Geom, at, c, first, icg int) {
	n, at := at/g.OutSize(), at%g.OutSize()
	o := [3]int{at / (g.Out[1] * g.Out[2]), at / g.Out[2] % g.Out[1], at % g.Out[2]}
	for kd := range g.Kernel[0] {
		for kh := range g.Kernel[1] {
			for kw := range g.Kernel[2] {
				k := [3]int{kd, kh, kw}
				inside := true
				place := n
				for i := range k {
					y := o[i]*g.Stride[i] + k[i]*g.Dilation[i] - g.PadLo[i]
					inside = inside && uint(y) < uint(g.In[i])
					place = place*g.In[i] + y
				}
				if to := row[:icg]; inside {
					copy(to, v[place*c+first:])
				} else {
					clear(to)
				}
				row = row[icg:]
			}
		}
	}
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
