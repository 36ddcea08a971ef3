package passes

import (
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// FoldBatchNorm moves batch norm into the weights before it. With running
// statistics it is y = s*x + t per channel, s = scale/sqrt(var+eps) and
// t = bias - s*mean; after a convolution that is a convolution of weights s*w
// and bias s*b + t. Factors are computed in float64.
//
// Before a convolution without padding it folds as well: the input's factor
// goes into the weights of that channel, and w*t summed into the bias. A batch
// norm that is next to neither stays.
func FoldBatchNorm(g *graph.Graph) (*graph.Graph, error) {
	return apply(g, foldBatchNorm, foldBatchNormAhead)
}

func foldBatchNorm(g *graph.Graph) (*graph.Graph, error) { return foldBatchNormBy(g, scaled) }

// foldBatchNormInPlace is foldBatchNorm that leaves the weights of convolutions
// where they lie, with the factors beside them, rounded to float32.
func foldBatchNormInPlace(g *graph.Graph) (*graph.Graph, error) { return foldBatchNormBy(g, withScale) }

func foldBatchNormBy(g *graph.Graph, scaled func(*graph.Node, []float64, []float64) []tensor.Tensor) (*graph.Graph, error) {
	if !has(g, ops.KindBatchNorm) {
		return g, nil
	}
	n := uses(g)
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
		bn, ok := inferring(nd)
		if !ok {
			return b.Keep(nd, in)
		}
		src := b.Node(in[0])
		if n[nd.In[0]] != 1 || !scalable(src) {
			return b.Keep(nd, in)
		}
		s, t := Affine(bn, nd.Params)
		params := scaled(src, s, t)
		// The producer is already in b with its own weights; what replaces it
		// reads the producer's inputs, and the old one is dead.
		return b.Supersede(in[0], src.Op, params, src.In...)
	})
}

func foldBatchNormAhead(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindBatchNorm) {
		return g, nil
	}
	n := uses(g)
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
		if len(in) == 0 || n[nd.In[0]] != 1 || len(nd.Params) == 0 || nd.Params[0].DType != tensor.F32 {
			return b.Keep(nd, in)
		}
		groups := 1
		switch op := nd.Op.(type) {
		case *ops.Conv:
			if op.Auto != ops.PadValid && (op.Auto != ops.PadExplicit || !allZero(op.PadLo) || !allZero(op.PadHi)) {
				return b.Keep(nd, in)
			}
			groups = max(op.Groups, 1)
		case *ops.Dense:
		default:
			return b.Keep(nd, in)
		}
		src := b.Node(in[0])
		bn, ok := inferring(src)
		if !ok {
			return b.Keep(nd, in)
		}
		s, t := Affine(bn, src.Params)
		in = slices.Clone(in)
		in[0] = src.In[0]
		return b.Add(nd.Name, nd.Op, ahead(nd, s, t, groups), in...)
	})
}

// inferring reports a batch norm with constant running statistics.
//
//go:noinline
func inferring(n *graph.Node) (*ops.BatchNorm, bool) {
	bn, ok := n.Op.(*ops.BatchNorm)
	return bn, ok && !bn.Training && bn.Output == 0 && len(n.In) == 1 && len(n.Params) == 4
}

// ahead are the parameters of a product of [oc, k..., ic/groups] weights whose
// input was s*x + t per channel and now is x.
func ahead(n *graph.Node, s, t []float64, groups int) []tensor.Tensor {
	w := n.Params[0].Clone()
	v := w.F32()
	oc, icg := w.Shape.Dim(0), w.Shape.Channels()
	per := len(v) / max(oc, 1)
	bias := make([]float32, oc)
	for o := range bias {
		first := o / (oc / groups) * icg
		sum := 0.0
		if len(n.Params) > 1 {
			sum = float64(n.Params[1].F32()[o])
		}
		for i := range per {
			x := &v[o*per+i]
			c := first + i%icg
			sum += float64(*x) * t[c]
			*x = float32(float64(*x) * s[c])
		}
		bias[o] = float32(sum)
	}
	return []tensor.Tensor{w, tensor.FromF32(bias, oc)}
}

// Affine is batch norm with running statistics as y = s*x + t per channel.
// params are scale, bias, mean, variance.
func Affine(bn *ops.BatchNorm, params []tensor.Tensor) (s, t []float64) {
	scale, bias, mean, variance := params[0].F32(), params[1].F32(), params[2].F32(), params[3].F32()
	s, t = make([]float64, len(scale)), make([]float64, len(scale))
	for i := range s {
		s[i] = float64(scale[i]) / math.Sqrt(float64(variance[i])+float64(bn.Eps))
		t[i] = float64(bias[i]) - s[i]*float64(mean[i])
	}
	return s, t
}

// scalable reports a float product with constant weights and nothing after it
// whose result can be scaled per channel by scaling its weights.
//
//go:noinline
func scalable(n *graph.Node) bool {
	if len(n.Params) == 0 || n.Out.DType != tensor.F32 || n.Params[0].DType != tensor.F32 {
		return false
	}
	switch op := n.Op.(type) {
	case *ops.Conv:
		return op.Act.Fn == ops.UnaryNone && !op.Residual
	case *ops.Dense:
		return op.Act.Fn == ops.UnaryNone && !op.Residual
	case *ops.ConvTranspose:
		return op.Act.Fn == ops.UnaryNone && op.Groups <= 1
	}
	return false
}

// inPlaceFrom is the number of bytes from which a copy of weights is saved.
const inPlaceFrom = 64 << 10

// withScale is scaled without a copy of large weights.
func withScale(n *graph.Node, s, t []float64) []tensor.Tensor {
	w := n.Params[0]
	if _, ok := n.Op.(*ops.Conv); !ok || w.Scale() != nil || w.Held() < inPlaceFrom {
		return scaled(n, s, t)
	}
	scale := make([]float32, len(s))
	for i, f := range s {
		scale[i] = float32(f)
	}
	w.More = &tensor.More{Scale: scale, Source: w.Source()}
	return append([]tensor.Tensor{w}, scaledBias(n, s, t))
}

// scaled are n's parameters for a result of s*y + t; a bias is added when there
// was none.
func scaled(n *graph.Node, s, t []float64) []tensor.Tensor {
	w := n.Params[0].Clone()
	v := w.F32()
	if _, ok := n.Op.(*ops.ConvTranspose); ok { // [ic, k..., oc]
		for at := 0; at < len(v); at += len(s) {
			for i, f := range s {
				v[at+i] = float32(float64(v[at+i]) * f)
			}
		}
	} else { // [oc, ...]
		per := len(v) / len(s)
		for o, f := range s {
			row := v[o*per : (o+1)*per]
			for i, x := range row {
				row[i] = float32(float64(x) * f)
			}
		}
	}
	return []tensor.Tensor{w, scaledBias(n, s, t)}
}

// scaledBias is n's bias, or none, for a result of s*y + t.
func scaledBias(n *graph.Node, s, t []float64) tensor.Tensor {
	bias := make([]float32, len(s))
	for i := range bias {
		b := 0.0
		if len(n.Params) > 1 {
			b = float64(n.Params[1].F32()[i])
		}
		bias[i] = float32(b*s[i] + t[i])
	}
	return tensor.FromF32(bias, len(bias))
}
