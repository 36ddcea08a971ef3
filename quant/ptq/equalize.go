package ptq

import (
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// equalize evens out ranges between a convolution and the one that alone reads
// it, over a Relu or nothing: dividing channel c of the first by s and multiplying
// the second's weights of c by s changes nothing, and with s = sqrt(r1/r2) of
// their largest weights both have the range sqrt(r1*r2) (Nagel et al., Data-free
// quantization, 2019). Pairs in a chain settle each other, so it is done a few
// times.
func equalize(g *graph.Graph) (*graph.Graph, error) {
	params := map[graph.ID][]tensor.Tensor{} // that changed
	weights := func(id graph.ID) []tensor.Tensor {
		if p, ok := params[id]; ok {
			return p
		}
		p := slices.Clone(g.Node(id).Params)
		for i := range p {
			p[i] = p[i].Clone()
		}
		params[id] = p
		return p
	}
	type pair struct{ first, second graph.ID }
	var pairs []pair
	readers := g.Consumers()
	for i := range g.Len() {
		id := graph.ID(i)
		c, ok := conv(g.Node(id))
		if !ok || len(readers[id]) != 1 || g.IsOutput(id) || c.Act.Fn != ops.UnaryNone && c.Act.Fn != ops.UnaryRelu {
			continue
		}
		next := readers[id][0]
		if d, ok := conv(g.Node(next)); ok && inputWeights(g.Node(next), d) != nil {
			pairs = append(pairs, pair{id, next})
		}
	}
	if len(pairs) == 0 {
		return g, nil
	}
	for range 10 {
		for _, p := range pairs {
			even(weights(p.first), weights(p.second), inputWeights(g.Node(p.second), g.Node(p.second).Op.(*ops.Conv)))
		}
	}
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if p, ok := params[id]; ok {
			return b.Add(n.Name, n.Op, p, in...)
		}
		return b.Keep(n, in)
	})
}

func conv(n *graph.Node) (*ops.Conv, bool) {
	c, ok := n.Op.(*ops.Conv)
	return c, ok && !c.Residual && len(n.In) == 1 && len(n.Params) > 0 && n.Params[0].DType == tensor.F32
}

// inputWeights calls f with the place of each weight that reads input channel
// ch; nil where groups are neither one nor one a channel.
func inputWeights(n *graph.Node, c *ops.Conv) func(ch int, f func(i int)) {
	w := n.Params[0].Shape
	oc, icg := w.Dim(0), w.Channels()
	row := w.Elems() / max(1, oc)
	switch groups := max(1, c.Groups); {
	case groups == 1:
		return func(ch int, f func(int)) {
			for i := ch; i < oc*row; i += icg {
				f(i)
			}
		}
	case groups == oc && icg == 1:
		return func(ch int, f func(int)) {
			for i := range row {
				f(ch*row + i)
			}
		}
	}
	return nil
}

func even(first, second []tensor.Tensor, reads func(int, func(int))) {
	w1, w2 := first[0].F32(), second[0].F32()
	oc := first[0].Shape.Dim(0)
	row := len(w1) / max(1, oc)
	for c := range oc {
		var r1, r2 float64
		for _, v := range w1[c*row:][:row] {
			r1 = max(r1, math.Abs(float64(v)))
		}
		reads(c, func(i int) { r2 = max(r2, math.Abs(float64(w2[i]))) })
		if r1 < 1e-12 || r2 < 1e-12 {
			continue // a dead channel has no range to even out
		}
		s := float32(math.Sqrt(r1 / r2))
		for i := range row {
			w1[c*row+i] /= s
		}
		if len(first) > 1 {
			first[1].F32()[c] /= s
		}
		reads(c, func(i int) { w2[i] *= s })
	}
}
