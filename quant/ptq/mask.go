package ptq

import (
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Attention hides positions by adding -Inf to their scores, or -10000, -1e9 or the
// least float, or by choosing that in their place. It is no value but a sign for the
// Softmax behind it, and beside it no scale has a step left for the scores: values
// that hold it stay float32, and so does what reads them.

// fill is where signs begin: the smallest in use.
const fill = -1e4

// masked marks the values of g that a mask among the constants was put into, and
// those that only move or add to these.
func masked(g *graph.Graph) []bool {
	m := make([]bool, g.Len())
	for i := range m {
		n := g.Node(graph.ID(i))
		from := false
		for _, x := range n.In {
			from = from || m[x]
		}
		switch op := n.Op.(type) {
		case *ops.Constant:
			m[i] = fills(n.Params)
		case *ops.Binary:
			m[i] = from || fills(n.Params)
		case *ops.Where:
			m[i] = from || fills(n.Params)
		case *ops.Reshape, *ops.Transpose, *ops.Slice, *ops.Concat, *ops.Expand, *ops.Tile, *ops.Identity, *ops.Gather:
			m[i] = from
		case *ops.Pad:
			m[i] = from || op.Value <= fill
		}
	}
	return m
}

func fills(params []tensor.Tensor) bool {
	for _, p := range params {
		if p.DType != tensor.F32 {
			continue
		}
		for _, x := range p.F32() {
			if x <= fill {
				return true
			}
		}
	}
	return false
}
