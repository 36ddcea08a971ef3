package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// product is a convolution or dense layer with constant float weights.
type product struct {
	w, bias   tensor.Tensor // [oc, k..., ic]; bias may be absent
	act       ops.Act
	pads      bool // zeros around the input take part
	depthwise bool // one filter a channel, and as many channels out as in
	residual  bool
}

func productOf(n *graph.Node) (product, bool) {
	if len(n.Params) == 0 || n.Params[0].DType != tensor.F32 || n.Out.DType != tensor.F32 {
		return product{}, false
	}
	p := product{w: n.Params[0]}
	if len(n.Params) > 1 {
		p.bias = n.Params[1]
	}
	switch op := n.Op.(type) {
	case *ops.Conv:
		p.act, p.residual = op.Act, op.Residual
		p.pads = op.Auto != ops.PadValid && (op.Auto != ops.PadExplicit || !allZero(op.PadLo) || !allZero(op.PadHi))
		if op.Groups > 1 {
			p.depthwise = p.w.Shape.Channels() == 1 && op.Groups == p.w.Shape.Dim(0)
			return p, p.depthwise
		}
	case *ops.Dense:
		p.act, p.residual = op.Act, op.Residual
	default:
		return p, false
	}
	want := 1
	if p.residual {
		want = 2
	}
	return p, len(n.In) == want && n.Out.Shape.Rank() >= 2
}

// readsNothing reports input channel i having no weight but 0.
func (p *product) readsNothing(i int) bool {
	ic := p.w.Shape.Channels()
	for v := p.w.F32(); i < len(v); i += ic {
		if v[i] != 0 {
			return false
		}
	}
	return true
}

// narrow drops the filters of channels that go and the weights of inputs that
// do, with what these inputs hold moved into the bias.
func (p *product) narrow(c *narrowing, id graph.ID, n *graph.Node) (ops.Op, []tensor.Tensor) {
	x := n.In[0]
	out, in := c.staying(id), c.staying(x)
	if len(out) == c.width(id) && len(in) == c.width(x) {
		return n.Op, nil
	}
	op := n.Op
	w, bias := p.w, p.bias
	if p.depthwise {
		o := *n.Op.(*ops.Conv)
		o.Groups = len(out)
		op = &o
	} else {
		bias = p.biasWithout(c, x)
		w = pick(w, w.Shape.Rank()-1, in)
	}
	params := []tensor.Tensor{pick(w, 0, out)}
	if !bias.IsZero() {
		params = append(params, pick(bias, 0, out))
	}
	return op, params
}

// biasWithout is the bias plus the products of what the channels that go hold.
func (p *product) biasWithout(c *narrowing, x graph.ID) tensor.Tensor {
	oc, ic := p.w.Shape.Dim(0), p.w.Shape.Channels()
	sums := make([]float64, oc)
	some := false
	for i := range ic {
		if !c.gone[c.first[x]+i] || !c.knows(x, i) || c.known[x][i] == 0 {
			continue
		}
		some = true
		v := p.w.F32()
		per := len(v) / oc
		for o := range sums {
			for at := o*per + i; at < (o+1)*per; at += ic {
				sums[o] += float64(v[at]) * float64(c.known[x][i])
			}
		}
	}
	if !some {
		return p.bias
	}
	bias := make([]float32, oc)
	for o := range bias {
		if !p.bias.IsZero() {
			sums[o] += float64(p.bias.F32()[o])
		}
		bias[o] = float32(sums[o])
	}
	return tensor.FromF32(bias, oc)
}

// findKnown finds channels of node id that hold one number everywhere.
func (c *narrowing) findKnown(id graph.ID) {
	n := c.g.Node(id)
	w := c.width(id)
	if w == 0 || len(n.In) == 0 {
		return
	}
	if p, ok := productOf(n); ok {
		c.knownOfProduct(id, n, &p)
		return
	}
	x := n.In[0]
	switch op := n.Op.(type) {
	case *ops.Identity, *ops.Dropout:
		c.is[id], c.known[id] = c.is[x], c.known[x]
	case *ops.Unary, *ops.BatchNorm, *ops.Binary:
		c.knownOfElementwise(id, n)
	case *ops.Pool:
		zeros := op.CountIncludePad && op.Fn == ops.PoolAvg || op.Fn == ops.PoolLp
		if op.Output == 0 && op.Act.Fn == ops.UnaryNone {
			c.keepKnown(id, x, zeros)
		}
	case *ops.GlobalPool:
		c.keepKnown(id, x, op.Fn == ops.PoolLp)
	case *ops.Pad:
		c.keepKnown(id, x, op.Mode == ops.PadConstant && op.Value == 0)
	case *ops.Concat:
		if op.Axis != -1 && op.Axis != n.Out.Shape.Rank()-1 || len(n.Params) > 0 {
			return
		}
		for _, x := range n.In {
			is, known := c.is[x], c.known[x]
			if is == nil {
				is, known = make([]bool, c.width(x)), make([]float32, c.width(x))
			}
			c.is[id], c.known[id] = append(c.is[id], is...), append(c.known[id], known...)
		}
	case *ops.Reshape:
		if c.is[x] != nil && w%c.width(x) == 0 {
			for i := range w {
				c.is[id] = append(c.is[id], c.is[x][i%c.width(x)])
				c.known[id] = append(c.known[id], c.known[x][i%c.width(x)])
			}
		}
	}
}

// keepKnown passes what x holds on, or only the zeros.
func (c *narrowing) keepKnown(id, x graph.ID, zeros bool) {
	if c.is[x] == nil || c.width(x) != c.width(id) {
		return
	}
	c.is[id], c.known[id] = slices.Clone(c.is[x]), c.known[x]
	for i := range c.is[id] {
		c.is[id][i] = c.is[id][i] && (!zeros || c.known[x][i] == 0)
	}
}

// knownOfElementwise runs the operator on one row of what its operands hold.
func (c *narrowing) knownOfElementwise(id graph.ID, n *graph.Node) {
	w := c.width(id)
	is := make([]bool, w)
	for i := range is {
		is[i] = true
	}
	var in []tensor.Tensor
	for _, x := range n.In {
		if c.is[x] == nil || c.width(x) != w {
			return
		}
		for i := range is {
			is[i] = is[i] && c.is[x][i]
		}
		in = append(in, tensor.FromF32(c.known[x], 1, w))
	}
	params := slices.Clone(n.Params)
	if n.Op.Kind() == ops.KindBinary {
		for i, p := range params {
			v, ok := channels(p, w)
			if !ok {
				return
			}
			params[i] = tensor.FromF32(v, w)
		}
	}
	if !slices.Contains(is, true) {
		return
	}
	y, err := ops.Run(n.Op, in, params)
	if err != nil || y.Shape.Elems() != w {
		return
	}
	c.is[id], c.known[id] = is, y.F32()
}

// knownOfProduct: filters whose weights are 0 wherever the input is not known
// to hold one number, and, with padding, wherever that is not 0.
func (c *narrowing) knownOfProduct(id graph.ID, n *graph.Node, p *product) {
	x, v := n.In[0], p.w.F32()
	oc, ic := c.width(id), p.w.Shape.Channels()
	per := len(v) / oc
	is, sum := make([]bool, oc), make([]float32, oc)
	for o := range is {
		total := 0.0
		if !p.bias.IsZero() {
			total = float64(p.bias.F32()[o])
		}
		is[o] = true
		for at, f := range v[o*per : (o+1)*per] {
			i := at % ic
			if p.depthwise {
				i = o
			}
			if f == 0 {
				continue
			}
			if !c.knows(x, i) || p.pads && c.known[x][i] != 0 {
				is[o] = false
				break
			}
			total += float64(f) * float64(c.known[x][i])
		}
		for _, r := range n.In[1:] {
			is[o] = is[o] && c.knows(r, o)
			if is[o] {
				total += float64(c.known[r][o])
			}
		}
		sum[o] = float32(total)
	}
	if !slices.Contains(is, true) {
		return
	}
	if p.act.Fn != ops.UnaryNone {
		y, err := ops.Run(&ops.Unary{Fn: p.act.Fn, A: p.act.A, B: p.act.B}, []tensor.Tensor{tensor.FromF32(sum, oc)}, nil)
		if err != nil {
			return
		}
		sum = y.F32()
	}
	c.is[id], c.known[id] = is, sum
}
