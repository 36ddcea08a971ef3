package ptq

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
)

// Graph is the integer network. Nodes named in float stay float32. A node has
// the name that it has in Float, but what converts between the two.
func (q *Quantizer) Graph(float map[string]bool) (*graph.Graph, error) {
	r := &rewriter{q: q, float: float, ints: map[graph.ID]graph.ID{}, floats: map[graph.ID]graph.ID{}, like: q.joined(float)}
	g, err := graph.Rewrite(q.graph, r.node)
	if err != nil {
		return nil, fmt.Errorf("ptq: %w", err)
	}
	return passes.Dead(g)
}

// rewriter keeps, for each node of the float graph, its value in the new one as
// an integer, as a float, or both.
type rewriter struct {
	q            *Quantizer
	float        map[string]bool
	ints, floats map[graph.ID]graph.ID
	like         map[graph.ID]graph.ID
}

// joined maps values that are only there to be concatenated to the
// concatenation: with its scale, joining them is copying.
func (q *Quantizer) joined(float map[string]bool) map[graph.ID]graph.ID {
	m := map[graph.ID]graph.ID{}
	readers := q.graph.Consumers()
	for i := range q.graph.Len() {
		id := graph.ID(i)
		n := q.graph.Node(id)
		if n.Op.Kind() != ops.KindConcat || float[n.Name] {
			continue
		}
		for _, in := range n.In {
			switch q.graph.Node(in).Op.Kind() {
			case ops.KindConv, ops.KindDense, ops.KindBinary, ops.KindUnary:
				if len(readers[in]) == 1 && !q.graph.IsOutput(in) {
					m[in] = id
				}
			}
		}
	}
	return m
}

// out is the quantisation of a value of the float graph.
func (r *rewriter) out(id graph.ID) (ops.OutType, bool) {
	if c, ok := r.like[id]; ok && r.q.stats[c] != nil {
		id = c
	}
	s := r.q.stats[id]
	if s == nil {
		return ops.OutType{}, false
	}
	if r.q.opt.Unsigned {
		return ops.QuantOut(tensor.U8, s.scale, s.zero+128), true
	}
	return ops.QuantOut(tensor.I8, s.scale, s.zero), true
}

func (r *rewriter) node(b *graph.Builder, id graph.ID, n *graph.Node, _ []graph.ID) graph.ID {
	if i := r.integer(b, id, n); i >= 0 {
		r.ints[id] = i
	} else if b.Err() == nil {
		in := make([]graph.ID, len(n.In))
		for j, x := range n.In {
			in[j] = r.asFloat(b, x)
		}
		r.floats[id] = b.Keep(n, in)
	}
	if n.Op.Kind() == ops.KindInput && !r.q.opt.IntIO {
		if o, ok := r.out(id); ok {
			r.ints[id] = b.Add(n.Name+"/quantize", &ops.Quantize{Out: o}, nil, r.floats[id])
		}
	}
	if r.q.graph.IsOutput(id) && !r.q.opt.IntIO {
		return r.asFloat(b, id)
	}
	if i, ok := r.ints[id]; ok {
		return i
	}
	return r.floats[id]
}

func (r *rewriter) asFloat(b *graph.Builder, id graph.ID) graph.ID {
	if f, ok := r.floats[id]; ok {
		return f
	}
	f := b.Add(r.q.graph.Node(id).Name+"/dequantize", &ops.Dequantize{}, nil, r.ints[id])
	r.floats[id] = f
	return f
}

// asInt is -1 for a value without a range.
func (r *rewriter) asInt(b *graph.Builder, id graph.ID) graph.ID {
	if i, ok := r.ints[id]; ok {
		return i
	}
	o, ok := r.out(id)
	if !ok {
		return -1
	}
	i := b.Add(r.q.graph.Node(id).Name+"/quantize", &ops.Quantize{Out: o}, nil, r.floats[id])
	r.ints[id] = i
	return i
}

// integer adds the integer form of n, or is -1 where n stays float.
func (r *rewriter) integer(b *graph.Builder, id graph.ID, n *graph.Node) graph.ID {
	o, ok := r.out(id)
	if !ok || r.float[n.Name] || n.Out.DType != tensor.F32 {
		return -1
	}
	op, params := r.form(b, id, n, o)
	if op == nil {
		return -1
	}
	in := make([]graph.ID, len(n.In))
	for j, x := range n.In {
		if in[j] = r.asInt(b, x); in[j] < 0 {
			return -1
		}
	}
	return b.Add(n.Name, op, params, in...)
}

// form is the operator and parameters of n's integer form, nil where there is
// none or where it does not pay: only products are worth quantising for, others
// follow where their inputs are integers already.
func (r *rewriter) form(b *graph.Builder, id graph.ID, n *graph.Node, o ops.OutType) (ops.Op, []tensor.Tensor) {
	switch op := n.Op.(type) {
	case *ops.Input:
		if !r.q.opt.IntIO {
			return nil, nil
		}
		c := *op
		c.Type = o
		return &c, nil
	case *ops.Conv:
		c := *op
		c.Out = o
		return r.product(b, id, n, &c, max(1, op.Groups), op.Act)
	case *ops.Dense:
		c := *op
		c.Out = o
		return r.product(b, id, n, &c, 1, op.Act)
	case *ops.ConvTranspose:
		if !r.q.opt.Whole {
			return nil, nil
		}
		c := *op
		c.Out = o
		return r.transposed(b, n, &c)
	}
	if !r.follows(n) {
		return nil, nil
	}
	switch n.Op.(type) {
	case *ops.Binary, *ops.MatMul, *ops.PRelu:
		return r.combination(n, o)
	case *ops.Unary, *ops.Reduce, *ops.GlobalPool, *ops.Pool:
		return r.function(n, o), nil
	}
	return r.arrangement(b, n, o)
}

// follows reports inputs of n that are integers already: all, or any of a
// concatenation's.
func (r *rewriter) follows(n *graph.Node) bool {
	there := 0
	for _, x := range n.In {
		if _, ok := r.ints[x]; ok {
			there++
		}
	}
	return there > 0 && (there == len(n.In) || n.Op.Kind() == ops.KindConcat)
}

// combination is form for operators of several operands, of which some may be known.
func (r *rewriter) combination(n *graph.Node, o ops.OutType) (ops.Op, []tensor.Tensor) {
	switch op := n.Op.(type) {
	case *ops.Binary:
		if _, _, ok := op.Act.Clamp(); !ok || op.Fn != ops.BinaryAdd && op.Fn != ops.BinarySub && op.Fn != ops.BinaryMul {
			return nil, nil
		}
		c := *op
		c.Out = o
		return r.known(n, &c)
	case *ops.MatMul:
		if _, _, ok := op.Act.Clamp(); !ok || !r.q.opt.Whole || op.Alpha != 0 && op.Alpha != 1 {
			return nil, nil
		}
		c := *op
		c.Out = o
		return r.known(n, &c)
	case *ops.PRelu:
		if !r.q.opt.Whole {
			return nil, nil
		}
		c := *op
		c.Out = o
		return r.known(n, &c)
	}
	return nil, nil
}

// function is form for functions of one input: of its elements, or of those in a window
// or along axes.
func (r *rewriter) function(n *graph.Node, o ops.OutType) ops.Op {
	switch op := n.Op.(type) {
	case *ops.Unary:
		switch op.Fn {
		case ops.UnaryRelu, ops.UnaryClip, ops.UnarySigmoid, ops.UnaryTanh, ops.UnaryHardSwish, ops.UnaryHardSigmoid,
			ops.UnarySwish, ops.UnaryLeakyRelu, ops.UnaryElu, ops.UnaryGelu, ops.UnaryMish:
			c := *op
			c.Out = o
			return &c
		}
	case *ops.Reduce:
		if op.Fn <= ops.ReduceMin && r.q.opt.Whole {
			c := *op
			c.Out = o
			return &c
		}
	case *ops.GlobalPool:
		if op.Fn == ops.PoolLp {
			return nil
		}
		c := *op
		if op.Fn == ops.PoolAvg {
			c.Out = o
		}
		return &c
	case *ops.Pool:
		if _, _, ok := op.Act.Clamp(); !ok || op.Fn == ops.PoolLp || op.Output != 0 {
			return nil
		}
		if op.Fn == ops.PoolMax {
			return op // in the input's own scale
		}
		c := *op
		c.Out = o // a mean of many varies less than what it is of
		return &c
	}
	return nil
}

// arrangement is form for operators that only put elements elsewhere, or nearly so.
func (r *rewriter) arrangement(b *graph.Builder, n *graph.Node, o ops.OutType) (ops.Op, []tensor.Tensor) {
	switch op := n.Op.(type) {
	case *ops.Concat:
		if len(n.Params) > 0 {
			return nil, nil
		}
		c := *op
		c.Out = o
		return &c, nil
	case *ops.Resize:
		switch {
		case op.Coord == ops.CoordTFCrop: // what lies outside is no value of the input
		case op.Mode != ops.ResizeNearest && !r.q.opt.Whole:
		case op.Mode == ops.ResizeCubic: // it overshoots
			c := *op
			c.Out = o
			return &c, nil
		case r.moves(b, n):
			return op, n.Params
		}
	case *ops.Reshape, *ops.Transpose, *ops.Pad, *ops.Slice, *ops.DepthToSpace, *ops.SpaceToDepth:
		if r.moves(b, n) {
			return n.Op, n.Params
		}
	}
	return nil, nil
}

// known is op, of integer operands some of which are known now.
func (r *rewriter) known(n *graph.Node, op ops.Op) (ops.Op, []tensor.Tensor) {
	var params []tensor.Tensor
	for _, p := range n.Params {
		if p.DType != tensor.F32 {
			return nil, nil
		}
		params = append(params, constant(p, r.q.opt.Unsigned))
	}
	return op, params
}

// moves reports that n takes its one integer operand as it is and keeps its
// quantisation.
func (r *rewriter) moves(b *graph.Builder, n *graph.Node) bool {
	if len(n.In) != 1 {
		return false
	}
	x := b.Spec(r.ints[n.In[0]])
	params := make([]tensor.Spec, len(n.Params))
	for i, p := range n.Params {
		params[i] = p.Spec
	}
	out, err := n.Op.Infer([]tensor.Spec{x}, params)
	return err == nil && out.DType == x.DType && out.Quant.Equal(x.Quant)
}

// product is form for a convolution or dense layer whose weights are known.
func (r *rewriter) product(b *graph.Builder, id graph.ID, n *graph.Node, op ops.Op, groups int, act ops.Act) (ops.Op, []tensor.Tensor) {
	scale, bias, ok := r.factors(b, n, act)
	if !ok {
		return nil, nil
	}
	var mean func(int) float64
	if s := r.q.stats[n.In[0]]; s != nil && !r.q.opt.KeepBias {
		mean = s.mean
	}
	p := products(n.Params[0], bias, groups, scale, mean, r.q.reads[id])
	return op, []tensor.Tensor{p.weight, p.bias}
}

// transposed is form for a transposed convolution whose weights are known.
func (r *rewriter) transposed(b *graph.Builder, n *graph.Node, op *ops.ConvTranspose) (ops.Op, []tensor.Tensor) {
	scale, bias, ok := r.factors(b, n, op.Act)
	if !ok {
		return nil, nil
	}
	p := transposed(n.Params[0], bias, max(1, op.Groups), scale)
	return op, []tensor.Tensor{p.weight, p.bias}
}

// factors is the input's scale and the bias, or nil, of a product with known
// float32 weights and an input that is an integer; not ok for others.
func (r *rewriter) factors(b *graph.Builder, n *graph.Node, act ops.Act) (scale float32, bias []float32, ok bool) {
	if _, _, clamps := act.Clamp(); !clamps || len(n.In) != 1 || len(n.Params) == 0 || n.Params[0].DType != tensor.F32 {
		return 0, nil, false
	}
	in := r.asInt(b, n.In[0])
	if in < 0 || b.Err() != nil {
		return 0, nil, false
	}
	scale, _ = b.Spec(in).Quant.At(0)
	if len(n.Params) > 1 {
		bias = n.Params[1].F32()
	}
	return scale, bias, true
}
