package passes

import (
	"math"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Patterns finds activations that exporters wrote as several operators:
//
//	x*sigmoid(x)                      Swish
//	min(max(x+3, 0), 6)/6             HardSigmoid
//	x*hardsigmoid(x), also with /6 last   HardSwish
//	x*tanh(softplus(x))               Mish
//	x/2*(1+erf(x/sqrt 2)), in any order of the factors   Gelu
//
// It expects what Canonical leaves, but for Gelu's divisions. The new function is computed in float64
// and rounded once, the parts were rounded one by one.
func Patterns(g *graph.Graph) (*graph.Graph, error) { return apply(g, canonical, patterns) }

func patterns(g *graph.Graph) (*graph.Graph, error) {
	if !has(g, ops.KindBinary) {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		op, ok := n.Op.(*ops.Binary)
		if !ok || op.Fn != ops.BinaryMul || op.Act.Fn != ops.UnaryNone || n.Out.DType != tensor.F32 {
			return b.Keep(n, in)
		}
		m := matcher{b}
		if x, act, ok := m.product(n, in); ok && b.Spec(x).Shape == n.Out.Shape {
			return activated(b, n.Name, act, x)
		}
		return b.Keep(n, in)
	})
}

// matcher reads the graph built so far backwards from a value.
type matcher struct{ b *graph.Builder }

// product finds x and the function of it that a multiplication is.
func (m matcher) product(n *graph.Node, in []graph.ID) (x graph.ID, act ops.Act, ok bool) {
	if len(in) == 1 && len(n.Params) == 1 {
		v, ok := scalar(n.Params[0])
		if !ok {
			return 0, act, false
		}
		if near(v, 1.0/6) {
			if x, ok := m.relu6Plus3(in[0]); ok {
				return x, ops.Act{Fn: ops.UnaryHardSigmoid, A: 1.0 / 6, B: 0.5}, true
			}
			p, q, ok := m.mul(in[0])
			for range 2 {
				if x, is := m.relu6Plus3(q); ok && is && x == p {
					return x, ops.Act{Fn: ops.UnaryHardSwish}, true
				}
				p, q = q, p
			}
		}
		if near(v, 0.5) {
			p, q, ok := m.mul(in[0])
			for range 2 {
				if x, is := m.onePlusErf(q); ok && is && x == p {
					return x, ops.Act{Fn: ops.UnaryGelu}, true
				}
				p, q = q, p
			}
		}
		return 0, act, false
	}
	if len(in) != 2 {
		return 0, act, false
	}
	p, q := in[0], in[1]
	for range 2 {
		if act, ok := m.gate(p, q); ok {
			return p, act, true
		}
		// (x/2) * (1+erf)
		if x, ok := m.times(p, 0.5); ok {
			if y, ok := m.onePlusErf(q); ok && x == y {
				return x, ops.Act{Fn: ops.UnaryGelu}, true
			}
		}
		p, q = q, p
	}
	return 0, act, false
}

// gate is the function x*q is, when q is a function of x.
func (m matcher) gate(x, q graph.ID) (ops.Act, bool) {
	if y, ok := m.unary(q, ops.UnarySigmoid); ok && y == x {
		return ops.Act{Fn: ops.UnarySwish, A: 1}, true
	}
	if y, ok := m.unary(q, ops.UnaryHardSigmoid); ok && y == x {
		u := m.b.Node(q).Op.(*ops.Unary)
		if near(u.A, 1.0/6) && near(u.B, 0.5) {
			return ops.Act{Fn: ops.UnaryHardSwish}, true
		}
	}
	if t, ok := m.unary(q, ops.UnaryTanh); ok {
		if y, ok := m.unary(t, ops.UnarySoftplus); ok && y == x {
			return ops.Act{Fn: ops.UnaryMish}, true
		}
	}
	if half, ok := m.times(q, 0.5); ok {
		if y, ok := m.onePlusErf(half); ok && y == x {
			return ops.Act{Fn: ops.UnaryGelu}, true
		}
	}
	return ops.Act{}, false
}

// onePlusErf matches 1 + erf(x/sqrt 2).
func (m matcher) onePlusErf(id graph.ID) (graph.ID, bool) {
	e, ok := m.constant(id, ops.BinaryAdd, 1)
	if !ok {
		return 0, false
	}
	if e, ok = m.unary(e, ops.UnaryErf); !ok {
		return 0, false
	}
	return m.times(e, math.Sqrt2/2)
}

// relu6Plus3 matches min(max(x+3, 0), 6).
func (m matcher) relu6Plus3(id graph.ID) (graph.ID, bool) {
	s, ok := m.unary(id, ops.UnaryClip)
	if !ok {
		return 0, false
	}
	if u := m.b.Node(id).Op.(*ops.Unary); u.A != 0 || u.B != 6 {
		return 0, false
	}
	return m.constant(s, ops.BinaryAdd, 3)
}

// times matches x*v, also as the quotient that it is before Canonical.
func (m matcher) times(id graph.ID, v float64) (graph.ID, bool) {
	if x, ok := m.constant(id, ops.BinaryDiv, 1/v); ok {
		return x, true
	}
	return m.constant(id, ops.BinaryMul, v)
}

// constant matches fn(x, v).
func (m matcher) constant(id graph.ID, fn ops.BinaryFn, v float64) (graph.ID, bool) {
	n := m.b.Node(id)
	op, ok := n.Op.(*ops.Binary)
	if !ok || op.Fn != fn || op.Act.Fn != ops.UnaryNone || len(n.In) != 1 || len(n.Params) != 1 {
		return 0, false
	}
	c, ok := scalar(n.Params[0])
	return n.In[0], ok && near(c, v)
}

func (m matcher) unary(id graph.ID, fn ops.UnaryFn) (graph.ID, bool) {
	n := m.b.Node(id)
	op, ok := n.Op.(*ops.Unary)
	if !ok || op.Fn != fn || len(n.In) != 1 {
		return 0, false
	}
	return n.In[0], true
}

// mul matches the product of two values.
func (m matcher) mul(id graph.ID) (p, q graph.ID, ok bool) { return m.two(id, ops.BinaryMul) }

// two matches fn of two values.
func (m matcher) two(id graph.ID, fn ops.BinaryFn) (p, q graph.ID, ok bool) {
	n := m.b.Node(id)
	op, is := n.Op.(*ops.Binary)
	if !is || op.Fn != fn || op.Act.Fn != ops.UnaryNone || len(n.In) != 2 {
		return 0, 0, false
	}
	return n.In[0], n.In[1], true
}

// near allows for constants that exporters rounded to a few digits.
//
//go:noinline
func near(v float32, want float64) bool { return math.Abs(float64(v)-want) <= 1e-4*want }
