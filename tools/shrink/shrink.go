// Package shrink finds for each tensor of a network how few bits it needs: the
// smallest file whose accuracy, measured, drops by no more than asked.
//
// Weights become integers under an entropy code, so that a tensor's size falls
// evenly as its step grows, and steps are free. Steps follow from sensitivity:
// what each tensor's rounding changes at the network's outputs, measured. By
// Lagrange's rule the least total change at a size is where a tensor of n weights
// and sensitivity s, the change by a squared step, has the step sqrt(n/s) times a
// constant, the same for all; that constant is searched for, each time with the
// accuracy of the whole network. Rounding is with feedback from second moments of
// the inputs (quant.Feedback), and what it changes on average goes into biases.
package shrink

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant"
)

// Source gives samples of the network's first input.
type Source interface {
	Len() int
	// Fill writes sample i into in, of batch 1.
	Fill(i int, in tensor.Tensor) error
}

// Options say what is to be kept.
type Options struct {
	// Score is the network's accuracy, from 0 to 1; it may fall by at most Drop.
	Score func(*graph.Graph) (float64, error)
	Drop  float64
	// Samples that moments and sensitivities are measured on, at most.
	Samples int
	Threads int
	// Progress hears of each step, if set: how many are done of how many.
	Progress func(done, all int, remark string)
}

// Layer is what was chosen for a tensor.
type Layer struct {
	Name     string  `json:"name"`
	Elems    int     `json:"elems"`
	Encoding string  `json:"encoding"`
	Bits     float64 `json:"bits"` // bytes stored, a weight
	Step     float64 `json:"step"` // over the weights' root mean square; 0: none
}

// Result is a network with the encodings that hold it.
type Result struct {
	Graph  *graph.Graph // what the file's reader gets
	Encode func(g *graph.Graph, id graph.ID, param int) format.Choice
	Was    float64 // score of the source
	Score  float64 // of Graph
	Layers []Layer
}

// search is the state of one.
type search struct {
	ctx    context.Context
	g      *graph.Graph
	src    Source
	opt    Options
	layers []*layer
	judge  *judge

	measured []float64 // steps that the layers' sensitivities were measured at
	done     int
}

// Search shrinks g.
func Search(ctx context.Context, g *graph.Graph, src Source, opt Options) (*Result, error) {
	if src.Len() == 0 || len(g.Inputs()) == 0 {
		return nil, errors.New("shrink: no samples")
	}
	n := min(src.Len(), max(1, opt.Samples))
	s := &search{ctx: ctx, g: g, src: src, opt: opt, layers: findLayers(g)}
	was, err := opt.Score(g)
	if err != nil {
		return nil, err
	}
	if len(s.layers) == 0 {
		return &Result{Graph: g, Encode: exactly, Was: was, Score: was}, nil
	}
	if err := observe(ctx, g, s.layers, src, n, opt.Threads); err != nil {
		return nil, fmt.Errorf("shrink: %w", err)
	}
	if s.judge, err = newJudge(ctx, g, src, min(n, maxJudged), opt.Threads); err != nil {
		return nil, fmt.Errorf("shrink: %w", err)
	}
	for _, l := range s.layers {
		l.step = math.Sqrt(l.square) / 2
	}
	best, err := s.steps(was)
	if err != nil {
		return nil, fmt.Errorf("shrink: %w", err)
	}
	if best == nil { // even the finest steps lose too much: half precision may not
		for _, l := range s.layers {
			l.ints = nil
		}
		if best, err = s.try(); err != nil {
			return nil, fmt.Errorf("shrink: %w", err)
		}
		if !s.enough(best, was) {
			return &Result{Graph: g, Encode: exactly, Was: was, Score: was}, nil
		}
	}
	return s.result(best, was), nil
}

// steps searches the layers' steps; nil: the finest lose too much.
func (s *search) steps(was float64) (*candidate, error) {
	if err := s.sensitivities(); err != nil {
		return nil, err
	}
	best, err := s.bisect(was)
	if err != nil {
		return nil, err
	}
	if best == nil {
		return s.descend(was, -1)
	}
	// The change is the square of the step only for small ones, so sensitivities
	// are measured once more, near the steps in the end.
	for i, l := range s.layers {
		l.step = best.steps[i]
	}
	if err := s.sensitivities(); err != nil {
		return nil, err
	}
	c, err := s.descend(was, 0.5)
	if c != nil && c.bytes < best.bytes {
		best = c
	}
	return best, err
}

// exactly stores what there is.
func exactly(g *graph.Graph, id graph.ID, param int) format.Choice {
	if len(g.Node(id).Params[param].Data) < minElems {
		return format.Choice{}
	}
	return format.Choice{Encoding: format.Coded}
}

func (s *search) progress(remark string) {
	s.done++
	if s.opt.Progress != nil {
		s.opt.Progress(s.done, 2*len(s.layers)+bisections+descents, remark)
	}
}

// sensitivities measures each layer's alone, at its step.
func (s *search) sensitivities() error {
	s.measured = s.measured[:0]
	for _, l := range s.layers {
		if err := l.round(l.step); err != nil {
			return err
		}
		g, err := rebuilt(s.g, []*layer{l})
		if err != nil {
			return err
		}
		e, err := s.judge.change(s.ctx, g)
		if err != nil {
			return err
		}
		s.measured = append(s.measured, l.step)
		l.sense = max(e, 1e-9) / (l.step * l.step)
		s.progress(l.Name)
	}
	return nil
}

// candidate is a network that was tried.
type candidate struct {
	graph *graph.Graph
	steps []float64
	ints  []*quant.Ints
	score float64
	bytes int
}

func (s *search) enough(c *candidate, was float64) bool { return c.score >= was-s.opt.Drop-1e-9 }

// at tries steps by Lagrange's rule: their mean is that of the steps that
// sensitivities were measured at times a power of e.
func (s *search) at(power float64) (*candidate, error) {
	base := make([]float64, len(s.layers))
	mean := 0.0
	for i, l := range s.layers {
		base[i] = math.Sqrt(float64(l.Weight.Shape.Elems()) / l.sense)
		mean += math.Log(base[i]/s.measured[i]) / float64(len(base))
	}
	for i, l := range s.layers {
		if err := l.round(base[i] * math.Exp(power-mean)); err != nil {
			return nil, err
		}
	}
	c, err := s.try()
	if err == nil {
		s.progress(fmt.Sprintf("%d bytes, %.2f %%", c.bytes, 100*c.score))
	}
	return c, err
}

// bisections is how often the interval that holds the largest steps is halved.
const bisections = 6

// bisect looks for the largest steps whose score is good enough, from a twentieth
// to four times those that were measured; nil: none is.
func (s *search) bisect(was float64) (*candidate, error) {
	var best *candidate
	lo, hi := -3.0, 1.5
	for range bisections {
		mid := (lo + hi) / 2
		c, err := s.at(mid)
		if err != nil {
			return nil, err
		}
		if s.enough(c, was) {
			lo, best = mid, c
		} else {
			hi = mid
		}
	}
	return best, nil
}

// descents are how many steps descend tries at most.
const descents = 9

// descend tries ever smaller steps, a tenth each time: near the largest the score
// rises and falls with luck, and the first that is good enough is the smallest
// file. nil: none is.
func (s *search) descend(was, from float64) (*candidate, error) {
	for i := range descents {
		c, err := s.at(from - 0.1*float64(i))
		if err != nil || s.enough(c, was) {
			return c, err
		}
	}
	return nil, nil
}

// try builds the network of all layers as they are rounded now.
func (s *search) try() (*candidate, error) {
	g, err := rebuilt(s.g, s.layers)
	if err != nil {
		return nil, err
	}
	c := &candidate{}
	for _, l := range s.layers {
		c.steps, c.ints = append(c.steps, l.step), append(c.ints, l.ints)
	}
	if g, err = halved(g, s.layers); err != nil {
		return nil, err
	}
	b, err := format.Marshal(g, &format.WriteOptions{Encode: s.encode(c)})
	if err != nil {
		return nil, err
	}
	// What is judged is what a reader gets.
	f, err := format.Parse(b)
	if err != nil {
		return nil, err
	}
	c.graph, c.bytes = f.Graph, len(b)
	c.score, err = s.opt.Score(c.graph)
	return c, err
}

// encode is how a candidate is stored: its integers, biases in half precision,
// the rest exactly.
func (s *search) encode(c *candidate) func(g *graph.Graph, id graph.ID, param int) format.Choice {
	ints := map[graph.ID]*quant.Ints{}
	for i, l := range s.layers {
		ints[l.ID] = c.ints[i]
	}
	return func(g *graph.Graph, id graph.ID, param int) format.Choice {
		if x := ints[id]; x != nil && param == 0 {
			return format.Choice{Encoding: format.IntCoded, Ints: x}
		}
		t := g.Node(id).Params[param]
		if t.DType == tensor.F32 && isHalf(t) {
			return format.Choice{Encoding: format.F16Coded}
		}
		return exactly(g, id, param)
	}
}

func (s *search) result(c *candidate, was float64) *Result {
	r := &Result{Graph: c.graph, Encode: s.encode(c), Was: was, Score: c.score}
	for i, l := range s.layers {
		n := l.Weight.Shape.Elems()
		if c.ints[i] == nil {
			b := quant.EncodeHalf(nil, l.Weight.F32())
			r.Layers = append(r.Layers, Layer{l.Name, n, format.F16Coded.String(), 8 * float64(len(b)) / float64(n), 0})
			continue
		}
		b, err := c.ints[i].Append(nil)
		if err != nil {
			continue // it was written before
		}
		r.Layers = append(r.Layers, Layer{l.Name, n, format.IntCoded.String(), 8 * float64(len(b)) / float64(n), c.steps[i] / math.Sqrt(l.square)})
	}
	return r
}

// round rounds the layer's weights to multiples of step, or of the least step
// whose multiples reach the largest of them.
func (l *layer) round(step float64) error {
	s := quant.HalfPrecision(float32(max(step, l.top/limit)))
	if !(s > 0) || s > math.MaxFloat32 {
		return fmt.Errorf("layer %q: a step of %g", l.Name, step)
	}
	w := l.Weight.F32()
	steps := make([]float32, l.Weight.Shape.Dim(0))
	for i := range steps {
		steps[i] = s
	}
	q := l.Round(steps, limit, rate)
	l.step = float64(s)
	l.ints = &quant.Ints{Bits: 8, Group: len(w), Scale: []float32{s}, Q: q}
	return nil
}

// limit is the largest multiple of a step that is stored.
const limit = 127

// rate weighs bytes against errors within a tensor.
const rate = 1

// halved rounds to half precision what is not worth more: biases and norms of
// which no number loses more than a thousandth.
func halved(g *graph.Graph, layers []*layer) (*graph.Graph, error) {
	weights := map[graph.ID]bool{}
	for _, l := range layers {
		weights[l.ID] = l.ints != nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		params := append([]tensor.Tensor(nil), n.Params...)
		for i, p := range params {
			if p.DType != tensor.F32 || weights[id] && i == 0 || n.Op.Kind() == ops.KindConstant {
				continue
			}
			h := p.Clone()
			for j, x := range h.F32() {
				y := quant.HalfPrecision(x)
				if math.Abs(float64(y-x)) > 1e-3*math.Abs(float64(x))+1e-7 {
					h = p
					break
				}
				h.F32()[j] = y
			}
			params[i] = h
		}
		return b.Add(n.Name, n.Op, params, in...)
	})
}

// isHalf reports that half precision holds t.
func isHalf(t tensor.Tensor) bool {
	for _, x := range t.F32() {
		if quant.HalfPrecision(x) != x {
			return false
		}
	}
	return true
}
