// Package moments measures how the inputs of a network's products vary together,
// which says how to round their weights (quant.Feedback).
package moments

import (
	"context"
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant"
)

// Product is a convolution or dense layer with known weights.
type Product struct {
	ID     graph.ID
	Name   string
	Weight tensor.Tensor // [oc, ...]
	In     graph.ID      // whose value it reads
	Window *ops.Conv     // nil: dense
	Groups int
	Cols   int // weights of one output

	// Of each group, once Finish was called: the inputs' means, [Cols], and what
	// rounding by feedback needs.
	Mean     [][]float64
	Feedback []*quant.Feedback

	seen []sums
}

// sums are those of a group's inputs.
type sums struct {
	n    int
	mean []float64 // [cols]
	h    []float64 // [cols, cols]; of very wide layers [cols]
	rows []float32 // still to be added to h
}

// maxFull is the number of inputs up to which their covariances are kept.
const maxFull = 2304

// Find lists the products of g in order: those of least weights or more, not
// all of them 0.
func Find(g *graph.Graph, least int) []*Product {
	var list []*Product
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		if len(n.Params) == 0 || len(n.In) == 0 || n.Params[0].DType != tensor.F32 || n.Params[0].Shape.Elems() < max(1, least) || n.Params[0].Shape.Rank() < 2 {
			continue
		}
		p := &Product{ID: graph.ID(i), Name: n.Name, Weight: n.Params[0], In: n.In[0], Groups: 1}
		switch op := n.Op.(type) {
		case *ops.Conv:
			p.Window, p.Groups = op, max(1, op.Groups)
		case *ops.Dense:
		default:
			continue
		}
		p.Cols = p.Weight.Shape.Elems() / p.Weight.Shape.Dim(0)
		for _, x := range p.Weight.F32() {
			if x != 0 {
				list = append(list, p)
				break
			}
		}
	}
	return list
}

// Round rounds the weights to multiples up to limit of an output's step, [oc]; rate
// as for quant.Feedback.Round.
func (p *Product) Round(step []float32, limit int, rate float64) []int8 {
	w := p.Weight.F32()
	q := make([]int8, 0, len(w))
	per, steps := len(w)/p.Groups, len(step)/p.Groups
	for g, f := range p.Feedback {
		q = append(q, f.Round(w[g*per:(g+1)*per], step[g*steps:(g+1)*steps], limit, rate)...)
	}
	return q
}

// Shift is what output o changes by on average where its weights are row
// instead of their own.
func (p *Product) Shift(o int, row func(i int) float64) float64 {
	sum, mean := 0.0, p.Mean[o/(p.Weight.Shape.Dim(0)/p.Groups)]
	for i, w := range p.Weight.F32()[o*p.Cols:][:p.Cols] {
		sum += (row(i) - float64(w)) * mean[i]
	}
	return sum
}

// Watch gathers the moments of products from runs of their network.
type Watch struct {
	list    []*Product
	samples int
	by      *products
}

// NewWatch expects that many runs, of one sample each.
func NewWatch(list []*Product, samples, threads int) *Watch {
	w := &Watch{list: list, samples: samples, by: &products{threads: threads, of: map[int]*product{}}}
	for _, p := range list {
		p.seen = make([]sums, p.Groups)
		for i := range p.seen {
			n := p.Cols
			if n <= maxFull {
				n *= n
			}
			p.seen[i] = sums{mean: make([]float64, p.Cols), h: make([]float64, n)}
		}
	}
	return w
}

// Look adds what the products read in the run of a sample: value is that of a
// node.
func (w *Watch) Look(ctx context.Context, sample int, value func(graph.ID) tensor.Tensor) error {
	for _, p := range w.list {
		if err := p.look(ctx, value(p.In), w.by, w.samples, sample); err != nil {
			return fmt.Errorf("layer %q: %w", p.Name, err)
		}
	}
	return nil
}

// Finish fills in Mean and Feedback. Means are taken off the moments where
// centred says that a bias makes up for them; trace is the share of their mean
// before that, which is added to the diagonal.
func (w *Watch) Finish(ctx context.Context, trace float64, centred func(*Product) bool) error {
	for _, p := range w.list {
		p.Mean, p.Feedback = nil, nil
		off := 0.0
		if centred(p) {
			off = 1
		}
		for i := range p.seen {
			m := &p.seen[i]
			if err := w.by.flush(ctx, m, p.Cols); err != nil {
				return err
			}
			for j := range m.mean {
				m.mean[j] /= float64(max(1, m.n))
			}
			m.centre(p.Cols, off, trace)
			f, err := quant.NewFeedback(m.h, p.Cols, 0.01)
			if err != nil {
				return fmt.Errorf("layer %q: %w", p.Name, err)
			}
			p.Mean, p.Feedback = append(p.Mean, m.mean), append(p.Feedback, f)
			m.h, m.rows = nil, nil
		}
		p.seen = nil
	}
	return nil
}

// centre makes moments of sums; off is the share of the means to take off. What
// they are summed from is float32, so of too few samples nothing may be left, or
// less, but for a trace of the whole on the diagonal.
func (m *sums) centre(cols int, off, trace float64) {
	n := float64(max(1, m.n))
	whole := 0.0
	for j := range m.h {
		m.h[j] /= n
		if len(m.h) == cols {
			continue
		}
		if j%(cols+1) == 0 {
			whole += m.h[j] / float64(cols)
		}
		m.h[j] -= m.mean[j/cols] * m.mean[j%cols] * off
	}
	if len(m.h) > cols {
		for j := 0; j < len(m.h); j += cols + 1 {
			m.h[j] += trace * whole
		}
	}
}

// Close gives memory back.
func (w *Watch) Close() { w.by.close() }

// wantRows is how many input vectors a layer is judged by, at most.
const wantRows = 24 << 10

// look adds what a product read in one run. Of large images as many positions
// are looked at as tell weights apart.
func (p *Product) look(ctx context.Context, x tensor.Tensor, by *products, samples, sample int) error {
	v := x.F32()
	if p.Window == nil {
		rows := x.Shape.Elems() / p.Cols
		return by.add(ctx, &p.seen[0], v, rows, p.Cols)
	}
	kernel := p.Weight.Shape.Dims()
	geom, err := p.Window.Resolve(ops.KindConv, x.Shape, kernel[1:len(kernel)-1])
	if err != nil {
		return err
	}
	c := x.Shape.Channels()
	icg := c / p.Groups
	positions := x.Shape.Dim(0) * geom.OutSize()
	every := max(1, positions*samples/wantRows)
	rows := (positions + every - 1) / every
	buf := make([]float32, rows*p.Cols)
	for group := range p.Groups {
		n := 0
		for at := sample % every; at < positions; at += every {
			gather(buf[n*p.Cols:][:p.Cols], v, &geom, at, c, group*icg, icg)
			n++
		}
		if err := by.add(ctx, &p.seen[group], buf, n, p.Cols); err != nil {
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
