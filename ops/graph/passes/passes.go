// Package passes holds the transformations of graphs. Each keeps what the graph
// computes: exactly, or, where it moves factors between weights, up to
// rounding. None changes the names, the order or the layout of a graph's inputs
// and outputs, and each leaves a graph alone that it was applied to before.
package passes

import (
	"fmt"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Import is what importers end with: constants folded, exporters' litter and
// transposes removed. Batch norm and activations stay as they are, so that the
// result can be saved, trained, and folded later.
func Import(g *graph.Graph) (*graph.Graph, error) {
	return apply(g, fold, identities, layOut, fold, identities, denses, globalPools, cseShared)
}

// Infer makes a graph ready to run: batch norm folded, biases, activations,
// padding and residual additions fused into their producers.
func Infer(g *graph.Graph) (*graph.Graph, error) {
	return apply(g, fold, dropDropout, identities, denses, globalPools, fusePad,
		canonical, patterns, foldBatchNorm, foldBatchNormAhead, fuseAffine,
		fuseAct, fuseResidual, fuseAct, identities, cse)
}

// Train makes a graph ready to train: like Import, with biases that were
// additions fused, and activations where a gradient can be told from the
// result. Batch norm and dropout stay.
func Train(g *graph.Graph) (*graph.Graph, error) {
	return apply(g, fold, identities, denses, fusePad, fuseBias, fuseClamp)
}

// anyBatch stands for a batch that is not known: a prime that no fixed extent
// of a network is a multiple of, so that at this batch size an extent depends
// on the batch exactly if it is a multiple, and equal shapes are equal always.
const anyBatch = 8191

// apply runs passes on g at a batch size that cannot be taken for anything
// else, removing dead nodes after each: what was superseded must not count as a
// reader in the next. A network that only runs at the batch size it was built
// with is transformed for that one.
func apply(g *graph.Graph, passes ...graph.Pass) (*graph.Graph, error) {
	if g.Batched() && g.Batch() != anyBatch {
		if h, err := g.WithBatch(anyBatch); err == nil {
			if h, err = sequence(h, passes); err != nil {
				return nil, err
			}
			// An extent like batch+1 could still have been taken for a fixed one.
			if h, err = h.WithBatch(g.Batch()); err == nil && sameOutputs(g, h) {
				return h, nil
			}
		}
	}
	return sequence(g, passes)
}

func sequence(g *graph.Graph, passes []graph.Pass) (*graph.Graph, error) {
	for i, p := range passes {
		var err error
		if g, err = p(g); err == nil {
			g, err = dead(g)
		}
		if err != nil {
			return nil, fmt.Errorf("passes: step %d: %w", i, err)
		}
	}
	return g, nil
}

func sameOutputs(g, h *graph.Graph) bool {
	return slices.EqualFunc(g.Outputs(), h.Outputs(), func(a, b graph.Output) bool {
		return a.Name == b.Name && g.Node(a.ID).Out.Equal(h.Node(b.ID).Out)
	})
}

// varies reports whether extent d of a graph under apply depends on the batch.
func varies(b *graph.Builder, d int) bool { return b.Batch() == anyBatch && d > 0 && d%anyBatch == 0 }

// uses counts, for each value, its readers; a result of the graph has one more.
func uses(g *graph.Graph) []int {
	n := make([]int, g.Len())
	for i := range g.Len() {
		for _, x := range g.Node(graph.ID(i)).In {
			n[x]++
		}
	}
	for _, o := range g.Outputs() {
		n[o.ID]++
	}
	return n
}

// constant is the value of a Constant node.
func constant(n *graph.Node) (tensor.Tensor, bool) {
	if n == nil || n.Op.Kind() != ops.KindConstant {
		return tensor.Tensor{}, false
	}
	return n.Params[0], true
}

// scalar is the one element of a float tensor.
func scalar(t tensor.Tensor) (float32, bool) {
	if t.DType != tensor.F32 || t.Shape.Elems() != 1 {
		return 0, false
	}
	return t.F32()[0], true
}

// channels reads t as one float32 for each of c channels: a scalar, or a tensor
// whose only extent but 1 is its last. ok is false for anything else.
func channels(t tensor.Tensor, c int) (v []float32, ok bool) {
	if t.DType != tensor.F32 {
		return nil, false
	}
	switch n := t.Shape.Elems(); {
	case n == 1:
		v = make([]float32, c)
		for i := range v {
			v[i] = t.F32()[0]
		}
		return v, true
	case n == c && t.Shape.Channels() == c:
		return t.F32(), true
	}
	return nil, false
}
