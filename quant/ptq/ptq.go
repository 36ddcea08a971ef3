// Package ptq makes an integer network of a float one after training: it
// measures the ranges of all values on samples, then rewrites the graph so that
// products, sums and pooling run on 8-bit integers.
//
// Weights are symmetric int8 with a scale for each output channel, biases int32,
// activations affine int8 with one scale. Operators without an integer form, or,
// unless asked for, with a slow one, stay float32 between Dequantize and Quantize.
// So do values that attention's masks were put into, constants of -10000 and less.
package ptq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq/moments"
)

// Method says how the range of an activation follows from its samples.
type Method int

// The methods.
const (
	MSE        Method = iota // least squared error over the histogram
	MinMax                   // everything that was seen
	Percentile               // all but the outermost 0.01 %
	Entropy                  // least Kullback-Leibler divergence
)

var methodNames = [...]string{"mse", "minmax", "percentile", "entropy"}

func (m Method) String() string {
	if m < 0 || int(m) >= len(methodNames) {
		return fmt.Sprintf("method(%d)", int(m))
	}
	return methodNames[m]
}

// ParseMethod is the inverse of Method.String.
func ParseMethod(s string) (Method, error) {
	for i, n := range methodNames {
		if n == s {
			return Method(i), nil
		}
	}
	return 0, fmt.Errorf("ptq: method %q: want %s", s, strings.Join(methodNames[:], ", "))
}

// Options say how a network is quantised. The zero value is the default.
type Options struct {
	Method Method
	// Equalize evens out the ranges of channels between pairs of convolutions
	// first.
	Equalize bool
	// KeepBias leaves out the correction of biases for the rounding of weights.
	KeepBias bool
	// Unbalanced leaves out the balancing of channels.
	Unbalanced bool
	// Nearest rounds each weight to what is next, instead of making up for the
	// errors of those rounded before it.
	Nearest bool
	// IntIO makes inputs and outputs int8 themselves.
	IntIO bool
	// Unsigned makes activations uint8: the same numbers, 128 higher. Some other
	// runtimes (ONNX Runtime on x86) compute in integers only with those.
	Unsigned bool
	// Whole takes integers also where float32 between conversions is faster here,
	// or where nobody measured what is lost: transposed convolutions, products of
	// values, reductions, PRelu and resizing that interpolates. It is for what has
	// no floats.
	Whole bool
	// Threads to run the samples on; 0: all.
	Threads int
}

// Source gives samples.
type Source interface {
	// Len is the number of samples.
	Len() int
	// Fill writes sample i into the network's inputs, of batch 1.
	Fill(i int, in []tensor.Tensor) error
}

// Quantizer is a network with what was measured on samples.
type Quantizer struct {
	opt   Options
	graph *graph.Graph                  // prepared
	stats []*stats                      // by node; nil where nothing was measured, or see masked and places
	reads map[graph.ID]*moments.Product // by product; empty with Options.Nearest
}

var errNilContext = errors.New("ptq: nil context")

// Calibrate prepares g and runs all samples through it, twice: for the extremes,
// then for the distribution between them. A value that is infinite or NaN is an error
// that names its node, but for -Inf from a mask.
func Calibrate(ctx context.Context, g *graph.Graph, src Source, opt Options) (*Quantizer, error) {
	switch {
	case ctx == nil:
		return nil, errNilContext
	case src == nil || src.Len() == 0:
		return nil, fmt.Errorf("ptq: no samples")
	case opt.Method < 0 || int(opt.Method) >= len(methodNames):
		return nil, fmt.Errorf("ptq: method %d", opt.Method)
	}
	p, err := prepare(g)
	if err != nil {
		return nil, fmt.Errorf("ptq: %w", err)
	}
	if opt.Equalize {
		if p, err = equalize(p); err != nil {
			return nil, fmt.Errorf("ptq: equalising: %w", err)
		}
	}
	seen, err := spreads(ctx, p, src, opt.Threads)
	if err != nil {
		return nil, fmt.Errorf("ptq: %w", err)
	}
	bal := newBalancer(p, seen)
	factor := make([][]float64, p.Len())
	if !opt.Unbalanced {
		if p, factor, err = bal.balance(opt.Nearest); err != nil {
			return nil, fmt.Errorf("ptq: balancing: %w", err)
		}
	}
	q := &Quantizer{opt: opt, graph: p, stats: make([]*stats, p.Len())}
	for id, s := range seen {
		if s != nil {
			var weight []float64
			if opt.Method == MSE {
				weight = bal.weights(graph.ID(id), factor[id])
			}
			q.stats[id] = newStats(s, factor[id], weight)
		}
	}
	if err := q.count(ctx, src); err != nil {
		return nil, fmt.Errorf("ptq: %w", err)
	}
	last := answers(p)
	for id, s := range q.stats {
		if s == nil {
			continue
		}
		m := opt.Method
		if len(p.Node(graph.ID(id)).In) == 0 || last[id] {
			m = MinMax // of an input every value counts: pixels fill their range
		}
		s.choose(m)
	}
	return q, nil
}

// spreads runs all samples for the extremes of g's values.
func spreads(ctx context.Context, g *graph.Graph, src Source, threads int) ([]*spread, error) {
	t, err := newTap(g, isFloat, threads)
	if err != nil {
		return nil, err
	}
	defer t.close()
	seen, hidden := make([]*spread, g.Len()), masked(g)
	for i := range src.Len() {
		if err := t.run(ctx, src, i); err != nil {
			return nil, fmt.Errorf("sample %d: %w", i, err)
		}
		for id := range graph.ID(g.Len()) { // in order: an infinity is the first node's fault that has it
			at, ok := t.value[id]
			if !ok {
				continue
			}
			if seen[id] == nil {
				seen[id] = newSpread(at.Shape.Channels())
			}
			if err := seen[id].add(at.F32(), hidden[id]); err != nil {
				return nil, fmt.Errorf("node %q, sample %d: %w", g.Node(id).Name, i, err)
			}
		}
	}
	for id, p := range places(g) {
		if p || hidden[id] {
			seen[id] = nil
		}
	}
	return seen, nil
}

// count runs all samples for the distributions between the extremes, and how the
// inputs of products vary together.
func (q *Quantizer) count(ctx context.Context, src Source) error {
	t, err := newTap(q.graph, isFloat, q.opt.Threads)
	if err != nil {
		return err
	}
	defer t.close()
	w := q.watch(t, src.Len())
	defer w.Close()
	for i := range src.Len() {
		err := t.run(ctx, src, i)
		if err == nil {
			for id, at := range t.value {
				if s := q.stats[id]; s != nil {
					s.count(at.F32())
				}
			}
			err = w.Look(ctx, i, func(id graph.ID) tensor.Tensor { return t.value[id] })
		}
		if err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
	}
	return w.Finish(ctx, 1e-4, func(*moments.Product) bool { return !q.opt.KeepBias })
}

// watch is on the products whose inputs t shows.
func (q *Quantizer) watch(t *tap, samples int) *moments.Watch {
	q.reads = map[graph.ID]*moments.Product{}
	var list []*moments.Product
	if !q.opt.Nearest {
		for _, p := range moments.Find(q.graph, 1) {
			if _, ok := t.value[p.In]; ok && q.stats[p.In] != nil {
				q.reads[p.ID] = p
				list = append(list, p)
			}
		}
	}
	return moments.NewWatch(list, samples, q.opt.Threads)
}

// Float is the prepared float32 graph that the integer one is compared with.
func (q *Quantizer) Float() *graph.Graph { return q.graph }

func isFloat(s tensor.Spec) bool { return s.DType == tensor.F32 && s.Shape.Elems() > 0 }
