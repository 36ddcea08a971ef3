package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// FuseBias makes the addition of a constant per channel the bias of the product
// before it. Sums are rounded once.
func FuseBias(g *graph.Graph) (*graph.Graph, error) { return apply(g, fuseBias) }

func fuseBias(g *graph.Graph) (*graph.Graph, error) { return fuseConst(g, ops.BinaryAdd) }

// FuseAffine is FuseBias that also moves a constant factor per channel into the
// weights and bias of the product before it. Factors are applied in float64.
func FuseAffine(g *graph.Graph) (*graph.Graph, error) { return apply(g, fuseAffine) }

func fuseAffine(g *graph.Graph) (*graph.Graph, error) {
	return fuseConst(g, ops.BinaryAdd, ops.BinaryMul)
}

// fuseConst joins "product, then one of fns with a constant per channel".
func fuseConst(g *graph.Graph, fns ...ops.BinaryFn) (*graph.Graph, error) {
	if !has(g, ops.KindBinary) {
		return g, nil
	}
	n := uses(g)
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
		bin, ok := nd.Op.(*ops.Binary)
		if !ok || !slices.Contains(fns, bin.Fn) || len(nd.Params) != 1 || len(in) != 1 || n[nd.In[0]] != 1 {
			return b.Keep(nd, in)
		}
		src := b.Node(in[0])
		v, ok := channels(nd.Params[0], nd.Out.Shape.Channels())
		if !ok || !scalable(src) || src.Out.Shape != nd.Out.Shape {
			return b.Keep(nd, in)
		}
		var params []tensor.Tensor
		if bin.Fn == ops.BinaryMul {
			params = times(src, v)
		} else {
			params = plus(src, v)
		}
		return b.Supersede(in[0], withAct(src.Op, bin.Act), params, src.In...)
	})
}

// plus are n's parameters with v added to the bias.
func plus(n *graph.Node, v []float32) []tensor.Tensor {
	bias := slices.Clone(v)
	if len(n.Params) > 1 {
		for i, x := range n.Params[1].F32() {
			bias[i] += x
		}
	}
	return append(slices.Clone(n.Params[:1]), tensor.FromF32(bias, len(bias)))
}

// times are n's parameters for a result v times as large.
func times(n *graph.Node, v []float32) []tensor.Tensor {
	s := make([]float64, len(v))
	for i, x := range v {
		s[i] = float64(x)
	}
	return scaled(n, s, make([]float64, len(v)))[:len(n.Params)]
}
