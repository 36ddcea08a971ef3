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

// places marks the values of g that integers are made of: places in an image, such as
// GridSample's. Of these no part in 256 may be lost, and arithmetic on them is cheap.
func places(g *graph.Graph) []bool {
	p := make([]bool, g.Len())
	for i := g.Len() - 1; i >= 0; i-- {
		n := g.Node(graph.ID(i))
		cast, ok := n.Op.(*ops.Cast)
		if !p[i] && !(ok && !cast.To.IsFloat()) {
			continue
		}
		for _, x := range n.In {
			from := g.Node(x)
			switch from.Op.(type) {
			case *ops.Binary, *ops.Unary, *ops.Reshape, *ops.Transpose, *ops.Slice, *ops.Concat, *ops.Expand, *ops.Tile, *ops.Identity:
				p[x] = from.Out.DType == tensor.F32
			}
		}
	}
	return p
}

// answers marks the values of g that are its results, or become these by functions of
// one value, choosing and moving alone. What is looked for in them is often their
// largest values: a detector's heat map is nothing in a million places and an object
// in a few, which every measure of the mean error is ready to cut off.
func answers(g *graph.Graph) []bool {
	a := make([]bool, g.Len())
	for i := g.Len() - 1; i >= 0; i-- {
		a[i] = a[i] || g.IsOutput(graph.ID(i))
		if !a[i] {
			continue
		}
		n := g.Node(graph.ID(i))
		through := false
		switch op := n.Op.(type) {
		case *ops.Unary, *ops.Softmax, *ops.Where, *ops.Cast, *ops.Reshape, *ops.Transpose, *ops.Slice, *ops.Concat, *ops.Gather, *ops.Identity:
			through = true
		case *ops.Pool:
			through = op.Fn == ops.PoolMax
		case *ops.Binary:
			through = op.Fn == ops.BinaryMul || op.Fn == ops.BinaryMin || op.Fn == ops.BinaryMax
		}
		for _, x := range n.In {
			a[x] = a[x] || through
		}
	}
	return a
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
