package passes

import (
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Canonical writes float operators with a constant operand in the one form that
// the other passes look for: subtraction as addition, division as
// multiplication (by the reciprocal rounded once), minimum and maximum with a
// number as Clip or Relu, two clamps as one. Adding 0 and multiplying by 1 go.
func Canonical(g *graph.Graph) (*graph.Graph, error) { return apply(g, canonical) }

func canonical(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindBinary, ops.KindUnary) {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if len(in) != 1 || n.Out.DType != tensor.F32 || b.Spec(in[0]).DType != tensor.F32 {
			return b.Keep(n, in)
		}
		switch op := n.Op.(type) {
		case *ops.Binary:
			if len(n.Params) == 1 {
				return canonicalBinary(b, n, op, in[0])
			}
		case *ops.Unary:
			src := b.Node(in[0])
			before, ok := src.Op.(*ops.Unary)
			if !ok || len(src.In) != 1 || before.Fn == ops.UnaryNone {
				break
			}
			act, ok := both(ops.Act{Fn: before.Fn, A: before.A, B: before.B}, ops.Act{Fn: op.Fn, A: op.A, B: op.B})
			if ok {
				return b.Add(n.Name, &ops.Unary{Fn: act.Fn, A: act.A, B: act.B}, nil, src.In[0])
			}
		}
		return b.Keep(n, in)
	})
}

func canonicalBinary(b *graph.Builder, n *graph.Node, op *ops.Binary, x graph.ID) graph.ID {
	c, params := *op, n.Params
	switch op.Fn {
	case ops.BinarySub:
		c.Fn, params = ops.BinaryAdd, each(params[0], func(v float64) float64 { return -v })
	case ops.BinaryDiv:
		if !invertible(params[0]) {
			return b.Keep(n, []graph.ID{x})
		}
		c.Fn, params = ops.BinaryMul, each(params[0], func(v float64) float64 { return 1 / v })
	}
	if b.Spec(x).Shape != n.Out.Shape { // it broadcasts
		return b.Add(n.Name, &c, params, x)
	}
	switch c.Fn {
	case ops.BinaryAdd, ops.BinaryMul:
		neutral := float32(0)
		if c.Fn == ops.BinaryMul {
			neutral = 1
		}
		if all(params[0], neutral) {
			return activated(b, n.Name, op.Act, x)
		}
	case ops.BinaryMax, ops.BinaryMin:
		v, ok := scalar(params[0])
		if !ok || v != v {
			break
		}
		limit := clamp(v, float32(math.Inf(1)))
		if c.Fn == ops.BinaryMin {
			limit = clamp(float32(math.Inf(-1)), v)
		}
		if op.Act.Fn == ops.UnaryNone {
			return activated(b, n.Name, limit, x)
		}
		if act, ok := both(limit, op.Act); ok {
			return activated(b, n.Name, act, x)
		}
	}
	return b.Add(n.Name, &c, params, x)
}

// invertible reports divisors whose reciprocals are normal numbers.
func invertible(t tensor.Tensor) bool {
	if t.DType != tensor.F32 {
		return false
	}
	for _, v := range t.F32() {
		if a := math.Abs(float64(v)); !(a > 1e-37 && a < 1e37) {
			return false
		}
	}
	return true
}

// activated is act on x.
func activated(b *graph.Builder, name string, act ops.Act, x graph.ID) graph.ID {
	if act.Fn == ops.UnaryNone {
		return x
	}
	return b.Add(name, &ops.Unary{Fn: act.Fn, A: act.A, B: act.B}, nil, x)
}

// each is the parameter list of t with f applied in float64.
func each(t tensor.Tensor, f func(float64) float64) []tensor.Tensor {
	if t.DType != tensor.F32 {
		return []tensor.Tensor{t}
	}
	t = t.Clone()
	for i, v := range t.F32() {
		t.F32()[i] = float32(f(float64(v)))
	}
	return []tensor.Tensor{t}
}

func all(t tensor.Tensor, want float32) bool {
	for _, v := range t.F32() {
		if v != want {
			return false
		}
	}
	return true
}
