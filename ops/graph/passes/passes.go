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
// transposes removed, layer norms found. Batch norm and activations stay as they are, so that the
// result can be saved, trained, and folded later.
func Import(g *graph.Graph) (*graph.Graph, error) {
	return apply(g, fold, identities, layOut, fold, identities, layerNorms, denses, globalPools, cseShared)
}

// Infer makes a graph ready to run: batch norm folded, biases, activations,
// padding and residual additions fused into their producers. Transposes are
// Import's business: a device that opens a file need not carry the code for
// them.
func Infer(g *graph.Graph) (*graph.Graph, error) { return infer(g, foldBatchNorm) }

// InferInPlace is Infer for a backend that looks at tensor.Tensor's Scale: no
// large weight is copied.
func InferInPlace(g *graph.Graph) (*graph.Graph, error) { return infer(g, foldBatchNormInPlace) }

func infer(g *graph.Graph, foldBatchNorm graph.Pass) (*graph.Graph, error) {
	return apply(g, fold, dropDropout, identities, denses, globalPools, fusePad,
		canonical, patterns, foldBatchNorm, foldBatchNormAhead, fuseAffine,
		fuseAct, fuseResidual, fuseAct, identities, cse)
}

// Train makes a graph ready to train: like Import, with activations that were
// written as several operators made one, biases that were additions fused, and
// activations exactly where a gradient can be told from the result. Batch norm
// and dropout stay.
func Train(g *graph.Graph) (*graph.Graph, error) {
	return apply(g, fold, identities, patterns, unfuse, denses, fusePad, fuseBias, fuseClamp)
}

// anyBatch stands for a batch that is not known: a prime that no fixed extent
// of a network is a multiple of, so that at this batch size an extent depends
// on the batch exactly if it is a multiple, and equal shapes are equal always.
const anyBatch = 8191

// apply runs passes on g at a batch size that cannot be taken for anything
// else, removing dead nodes after each: what was superseded must not count as a
// reader in the next. A network that only runs at the batch size it was built
// with is transformed for that one. In one that computes with its batch, as by
// a transpose that makes it a spatial extent, an extent may still be taken for a
// fixed one: passes that do are left out.
func apply(g *graph.Graph, passes ...graph.Pass) (*graph.Graph, error) {
	g, err := dead(g) // which may be all that ties the network to a batch size
	if err != nil {
		return nil, err
	}
	if g.Batched() && g.Batch() != anyBatch {
		if h, err := g.WithBatch(anyBatch); err == nil {
			if h, err = sequence(h, passes); err != nil {
				return nil, err
			}
			if h, err = h.WithBatch(g.Batch()); err == nil && alike(g, h) {
				return h, nil
			}
		}
	}
	checked := make([]graph.Pass, len(passes))
	for i, p := range passes {
		checked[i] = func(g *graph.Graph) (*graph.Graph, error) {
			h, err := p(g)
			if err != nil || !alike(g, h) {
				return g, err
			}
			return h, nil
		}
	}
	return sequence(g, checked)
}

// alike reports that h has the results of g, and works at other batch sizes if
// g does.
func alike(g, h *graph.Graph) bool {
	if !sameOutputs(g, h) {
		return false
	}
	for _, batch := range []int{g.Batch() + 1, g.Batch() + 2} {
		a, err := g.WithBatch(batch)
		if err != nil {
			continue
		}
		if b, err := h.WithBatch(batch); err != nil || !sameOutputs(a, b) {
			return false
		}
	}
	return true
}

// maxRounds bounds how often a sequence is repeated: each round can make room
// for the next, as a transpose that cancels lets an activation fuse.
const maxRounds = 8

// sequence runs passes again and again until nothing changes.
func sequence(g *graph.Graph, passes []graph.Pass) (*graph.Graph, error) {
	for range maxRounds {
		before := g
		for i, p := range passes {
			h, err := p(g)
			if err == nil && h != g {
				h, err = dead(h)
			}
			if err != nil {
				return nil, fmt.Errorf("passes: step %d: %w", i, err)
			}
			g = h
		}
		if unchanged(before, g) {
			break
		}
	}
	return g, nil
}

// unchanged reports equal graphs but for the values of parameters.
func unchanged(g, h *graph.Graph) bool {
	if g == h {
		return true
	}
	if g.Len() != h.Len() {
		return false
	}
	for i := range g.Len() {
		a, b := g.Node(graph.ID(i)), h.Node(graph.ID(i))
		if !slices.Equal(a.In, b.In) || a.Op != b.Op && !graph.SameOp(a.Op, b.Op) || len(a.Params) != len(b.Params) {
			return false
		}
	}
	return slices.Equal(g.Outputs(), h.Outputs())
}

func sameOutputs(g, h *graph.Graph) bool {
	return slices.EqualFunc(g.Outputs(), h.Outputs(), func(a, b graph.Output) bool {
		return a.Name == b.Name && g.Node(a.ID).Out.Equal(h.Node(b.ID).Out)
	})
}

// varies reports whether extent d of a graph under apply depends on the batch.
func varies(b *graph.Builder, d int) bool { return b.Batch() == anyBatch && d > 0 && d%anyBatch == 0 }

// has reports that some node is of one of the kinds.
func has(g *graph.Graph, kinds ...ops.Kind) bool {
	for i := range g.Len() {
		if slices.Contains(kinds, g.Node(graph.ID(i)).Op.Kind()) {
			return true
		}
	}
	return false
}

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
//
//go:noinline
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
