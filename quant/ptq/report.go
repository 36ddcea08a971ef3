package ptq

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Layer says how far one value of a network is from that of another.
type Layer struct {
	Name string  `json:"name"`
	Kind string  `json:"kind"`
	Type string  `json:"type"` // in the second network: i8, f32, …
	SQNR float64 `json:"sqnr_db"`
	// Scaled is the same when each channel of the second network may differ by a
	// factor, as where channels were balanced before they were rounded.
	Scaled float64 `json:"scaled_sqnr_db"`

	own float64 // noise over signal beyond what came in
}

// maxSQNR stands for no noise at all.
const maxSQNR = 200

// Report compares the integer network g with Float on up to limit samples (0:
// all): for each value that both have, in order, signal to noise in decibels.
// Noise adds up along the network.
func (q *Quantizer) Report(ctx context.Context, g *graph.Graph, src Source, limit int) ([]Layer, error) {
	return Compare(ctx, q.graph, g, src, src, limit, q.opt.Threads)
}

// pair is two values that are compared: sums over their elements.
type pair struct {
	a, b          graph.ID
	signal, noise float64
	channel       [][2]float64 // sums of products with the first, and of squares, of the second
	square        []float64    // sums of squares of the first
}

// pairs are the values of two networks whose nodes have a name in common, in the first's
// order.
func pairs(a, b *graph.Graph, ta, tb *tap) []*pair {
	byName := map[string]graph.ID{}
	for i := range b.Len() {
		byName[b.Node(graph.ID(i)).Name] = graph.ID(i)
	}
	var ps []*pair
	for i := range a.Len() {
		id := graph.ID(i)
		other, ok := byName[a.Node(id).Name]
		x, okA := ta.value[id]
		y, okB := tb.value[other]
		if ok && okA && okB && x.Shape == y.Shape && a.Node(id).Op.Kind() != ops.KindInput {
			c := max(1, x.Shape.Channels())
			ps = append(ps, &pair{a: id, b: other, channel: make([][2]float64, c), square: make([]float64, c)})
		}
	}
	return ps
}

// add takes in n elements of both values.
func (p *pair) add(x, y func(int) float64, n int) {
	for j := range n {
		u, v := x(j), y(j)
		if u == v && math.IsInf(u, 0) {
			continue // hidden by both
		}
		d := u - v
		p.signal += u * u
		p.noise += d * d
		c := j % len(p.channel)
		p.channel[c][0] += u * v
		p.channel[c][1] += v * v
		p.square[c] += u * u
	}
}

// ratio is the noise as a part of the signal, and what is left of it after the factor of
// each channel that fits best.
func (p *pair) ratio() (all, scaled float64) {
	if p.noise > 0 {
		all = p.noise / max(p.signal, 1e-30)
	}
	left := 0.0
	for c, s := range p.channel {
		if left += p.square[c]; s[1] > 0 {
			left -= s[0] * s[0] / s[1]
		}
	}
	return all, min(all, max(0, left)/max(p.signal, 1e-30))
}

// Compare runs samples through two networks and compares the values of nodes
// that have a name in common. Both sources give the same samples.
func Compare(ctx context.Context, a, b *graph.Graph, srcA, srcB Source, limit, threads int) ([]Layer, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	real := func(s tensor.Spec) bool {
		return isFloat(s) || s.DType.IsInt8() && s.Quant.PerTensor() && s.Shape.Elems() > 0
	}
	ta, err := newTap(a, real, threads)
	if err != nil {
		return nil, fmt.Errorf("ptq: %w", err)
	}
	defer ta.close()
	tb, err := newTap(b, real, threads)
	if err != nil {
		return nil, fmt.Errorf("ptq: %w", err)
	}
	defer tb.close()
	ps := pairs(a, b, ta, tb)
	n := srcA.Len()
	if limit > 0 {
		n = min(n, limit)
	}
	for i := range n {
		if err := ta.run(ctx, srcA, i); err != nil {
			return nil, fmt.Errorf("ptq: sample %d: %w", i, err)
		}
		if err := tb.run(ctx, srcB, i); err != nil {
			return nil, fmt.Errorf("ptq: sample %d: %w", i, err)
		}
		for _, p := range ps {
			x := ta.value[p.a]
			p.add(realAt(x), realAt(tb.value[p.b]), x.Shape.Elems())
		}
	}
	noise := map[graph.ID]float64{}
	var layers []Layer
	for _, p := range ps {
		nd := a.Node(p.a)
		ratio, scaled := p.ratio()
		noise[p.a] = ratio
		before := 0.0
		for _, x := range nd.In {
			before = max(before, noise[x])
		}
		layers = append(layers, Layer{nd.Name, kindName(nd.Op), b.Node(p.b).Out.DType.String(), decibels(ratio), decibels(scaled), ratio - before})
	}
	return layers, nil
}

// decibels is the signal over a noise that is this part of it.
func decibels(noise float64) float64 {
	if noise <= 0 {
		return maxSQNR
	}
	return min(maxSQNR, -10*math.Log10(noise))
}

func kindName(op ops.Op) string { return op.Kind().String() }

// realAt reads a float or affine tensor as real numbers.
func realAt(t tensor.Tensor) func(i int) float64 {
	if t.DType == tensor.F32 {
		v := t.F32()
		return func(i int) float64 { return float64(v[i]) }
	}
	s, z := t.Quant.At(0)
	if t.DType == tensor.I8 {
		v := t.I8()
		return func(i int) float64 { return float64(s) * float64(int32(v[i])-z) }
	}
	return func(i int) float64 { return float64(s) * float64(int32(t.Data[i])-z) }
}

// Worst are the names of the integer layers of a report, those that add the most
// noise of their own first: the order in which to leave them float.
func Worst(layers []Layer) []string {
	var l []Layer
	for _, x := range layers {
		if x.Type == "i8" || x.Type == "u8" {
			l = append(l, x)
		}
	}
	slices.SortStableFunc(l, func(a, b Layer) int {
		switch {
		case a.own > b.own:
			return -1
		case a.own < b.own:
			return 1
		}
		return 0
	})
	names := make([]string, len(l))
	for i, x := range l {
		names[i] = x.Name
	}
	return names
}
