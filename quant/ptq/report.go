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
	type pair struct {
		a, b          graph.ID
		signal, noise float64
		channel       [][2]float64 // sums of products with the first, and of squares, of the second
		square        []float64    // sums of squares of the first
	}
	byName := map[string]graph.ID{}
	for i := range b.Len() {
		byName[b.Node(graph.ID(i)).Name] = graph.ID(i)
	}
	var pairs []*pair
	for i := range a.Len() {
		id := graph.ID(i)
		other, ok := byName[a.Node(id).Name]
		x, okA := ta.value[id]
		y, okB := tb.value[other]
		if ok && okA && okB && x.Shape == y.Shape && a.Node(id).Op.Kind() != ops.KindInput {
			c := max(1, x.Shape.Channels())
			pairs = append(pairs, &pair{a: id, b: other, channel: make([][2]float64, c), square: make([]float64, c)})
		}
	}
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
		for _, p := range pairs {
			x, y := realAt(ta.value[p.a]), realAt(tb.value[p.b])
			for j := range ta.value[p.a].Shape.Elems() {
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
	}
	noise := map[graph.ID]float64{}
	var layers []Layer
	for _, p := range pairs {
		nd := a.Node(p.a)
		ratio := 0.0
		if p.noise > 0 {
			ratio = p.noise / max(p.signal, 1e-30)
		}
		noise[p.a] = ratio
		before := 0.0
		for _, x := range nd.In {
			before = max(before, noise[x])
		}
		left := 0.0 // after the factors that fit best
		for c, s := range p.channel {
			if left += p.square[c]; s[1] > 0 {
				left -= s[0] * s[0] / s[1]
			}
		}
		scaled := min(ratio, max(0, left)/max(p.signal, 1e-30))
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
