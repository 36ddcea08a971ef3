package passes

import (
	"math"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// FuseAct makes an activation part of the operator before it, which applies it
// as it stores. Two clamps in a row are one.
func FuseAct(g *graph.Graph) (*graph.Graph, error) { return apply(g, fuseAct) }

func fuseAct(g *graph.Graph) (*graph.Graph, error) {
	return fuseActs(g, func(src *graph.Node, act ops.Act) bool { return true })
}

// FuseClamp is FuseAct for Relu and Clip after Conv and Dense: there a gradient
// is known from the result alone.
func FuseClamp(g *graph.Graph) (*graph.Graph, error) { return apply(g, fuseClamp) }

func fuseClamp(g *graph.Graph) (*graph.Graph, error) {
	return fuseActs(g, func(src *graph.Node, act ops.Act) bool {
		_, _, clamp := act.Clamp()
		k := src.Op.Kind()
		return clamp && (k == ops.KindConv || k == ops.KindDense)
	})
}

func fuseActs(g *graph.Graph, may func(src *graph.Node, act ops.Act) bool) (*graph.Graph, error) {
	if !has(g, ops.KindUnary) {
		return g, nil
	}
	n := uses(g)
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, nd *graph.Node, in []graph.ID) graph.ID {
		u, ok := nd.Op.(*ops.Unary)
		if !ok || len(in) != 1 || n[nd.In[0]] != 1 || nd.Out.DType != tensor.F32 {
			return b.Keep(nd, in)
		}
		src := b.Node(in[0])
		before, ok := actOf(src.Op)
		act := ops.Act{Fn: u.Fn, A: u.A, B: u.B}
		if !ok || !fusable(u.Fn) || src.Out.DType != tensor.F32 {
			return b.Keep(nd, in)
		}
		if act, ok = both(before, act); !ok || !may(src, act) {
			return b.Keep(nd, in)
		}
		return b.Supersede(in[0], withAct(src.Op, act), src.Params, src.In...)
	})
}

// both is first a, then b, as one activation.
func both(a, b ops.Act) (ops.Act, bool) {
	if a.Fn == ops.UnaryNone {
		return b, true
	}
	lo, hi, ok := a.Clamp()
	l, h, ok2 := b.Clamp()
	if !ok || !ok2 {
		return ops.Act{}, false
	}
	return clamp(min(max(lo, l), h), min(max(hi, l), h)), true
}

// clamp is the activation that limits to [lo, hi].
func clamp(lo, hi float32) ops.Act {
	if lo == 0 && math.IsInf(float64(hi), 1) {
		return ops.Relu
	}
	return ops.Clip(lo, hi)
}

// fusable names the functions that operators apply as they store.
func fusable(fn ops.UnaryFn) bool {
	return slices.Contains([]ops.UnaryFn{ops.UnaryRelu, ops.UnaryClip, ops.UnaryLeakyRelu, ops.UnarySigmoid, ops.UnaryTanh, ops.UnaryHardSwish,
		ops.UnarySwish, ops.UnaryHardSigmoid, ops.UnaryGelu, ops.UnaryElu, ops.UnarySoftplus, ops.UnaryMish}, fn)
}

// actOf is the activation an operator has; ok is false for one that takes none.
func actOf(op ops.Op) (ops.Act, bool) {
	switch o := op.(type) {
	case *ops.Conv:
		return o.Act, true
	case *ops.Dense:
		return o.Act, true
	case *ops.ConvTranspose:
		return o.Act, true
	case *ops.MatMul:
		return o.Act, true
	case *ops.Binary:
		return o.Act, true
	case *ops.Pool:
		return o.Act, o.Output == 0
	}
	return ops.Act{}, false
}

// withAct is a copy of op with another activation.
func withAct(op ops.Op, a ops.Act) ops.Op {
	switch o := op.(type) {
	case *ops.Conv:
		c := *o
		c.Act = a
		return &c
	case *ops.Dense:
		c := *o
		c.Act = a
		return &c
	case *ops.ConvTranspose:
		c := *o
		c.Act = a
		return &c
	case *ops.MatMul:
		c := *o
		c.Act = a
		return &c
	case *ops.Binary:
		c := *o
		c.Act = a
		return &c
	case *ops.Pool:
		c := *o
		c.Act = a
		return &c
	}
	return op
}
