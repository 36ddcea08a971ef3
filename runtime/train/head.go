package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Head is the last layer with weights before the network's first output: a
// Dense, or the 1x1 convolution some networks end with. Its weights may be
// integers; WithClasses makes them floats.
func Head(g *graph.Graph) (graph.ID, error) {
	if g == nil {
		return 0, errNilGraph
	}
	if len(g.Outputs()) == 0 {
		return 0, errNoOutput
	}
	id := g.Outputs()[0].ID
	for {
		n := g.Node(id)
		switch n.Op.Kind() {
		case ops.KindDense, ops.KindConv:
			if len(n.Params) > 0 && len(n.In) == 1 {
				return id, nil
			}
			return 0, fmt.Errorf("train: the last layer %q has no weights of its own", n.Name)
		}
		if len(n.In) == 0 {
			return 0, fmt.Errorf("train: the network has no dense or convolution layer at its end")
		}
		id = n.In[0] // inputs come before their readers: this ends
	}
}

// WithClasses is g with a head of that many outputs, its weights drawn anew
// from the seed; the rest keeps its weights. Where the head already has that
// many float outputs and reset is false, g itself.
//
// An activation between a new head and the output is left out: SqueezeNet's
// scores pass a ReLU, and a new score below zero everywhere would have no
// gradient. A head of integers becomes floats, and with it all after it; what
// comes before stays as it is.
func WithClasses(g *graph.Graph, classes int, seed uint64, reset bool) (*graph.Graph, error) {
	if classes < 2 || classes > 1<<20 {
		return nil, fmt.Errorf("train: %d classes", classes)
	}
	head, err := Head(g)
	if err != nil {
		return nil, err
	}
	n := g.Node(head)
	w := n.Params[0]
	integer := w.DType != tensor.F32 || g.Node(n.In[0]).Out.DType != tensor.F32
	fresh := w.Shape.Dim(0) != classes || reset
	if !fresh && !integer {
		return g, nil
	}
	params, err := headParams(n, g.Node(n.In[0]).Out, classes, seed, fresh)
	if err != nil {
		return nil, err
	}
	r := headRewriter{head: head, params: params, fresh: fresh, old: w.Shape.Dim(0), classes: classes, tail: map[graph.ID]bool{head: true}}
	return graph.Rewrite(g, r.node)
}

// headParams are a head's weights and bias as floats, new ones if fresh. in is
// what the head reads.
func headParams(n *graph.Node, in tensor.Spec, classes int, seed uint64, fresh bool) ([]tensor.Tensor, error) {
	params := slices.Clone(n.Params)
	if fresh {
		dims := params[0].Shape.Dims()
		dims[0] = classes
		w := tensor.New(tensor.F32Spec(dims...))
		reads := w.Shape.Elems() / classes
		// Small: what few examples do not speak of is to stay small.
		rng := rand.New(rand.NewPCG(seed, 0x4ead))
		for i, f := 0, w.F32(); i < len(f); i++ {
			f[i] = float32(0.1 * rng.NormFloat64() / math.Sqrt(float64(reads)))
		}
		params[0] = w
		if len(params) > 1 {
			params[1] = tensor.New(tensor.F32Spec(classes))
		}
	}
	for i, p := range params {
		if p.DType == tensor.F32 {
			continue
		}
		if p.DType == tensor.I32 && p.Quant.IsZero() { // a bias, in units of the product's scale
			params[i] = floatBias(p, in.Quant, n.Params[0].Quant)
			continue
		}
		f, err := ops.Run(&ops.Dequantize{}, nil, []tensor.Tensor{p})
		if err != nil {
			return nil, fmt.Errorf("train: head %q: %w", n.Name, err)
		}
		params[i] = f
	}
	return params, nil
}

// floatBias is an integer bias as floats: its unit is the scale of what is
// multiplied, an input's times a weight's; no scale counts as 1.
func floatBias(b tensor.Tensor, in, w tensor.Quant) tensor.Tensor {
	scale := func(q tensor.Quant, i int) float64 {
		if q.IsZero() {
			return 1
		}
		s, _ := q.At(i)
		return float64(s)
	}
	f := tensor.New(tensor.Spec{DType: tensor.F32, Shape: b.Shape})
	for i, v := range b.I32() {
		f.F32()[i] = float32(float64(v) * scale(in, 0) * scale(w, i))
	}
	return f
}

// headRewriter puts another head into a graph.
type headRewriter struct {
	head         graph.ID
	params       []tensor.Tensor
	fresh        bool
	old, classes int
	tail         map[graph.ID]bool // the head and what comes after it
}

func (r *headRewriter) node(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
	if id == r.head {
		if b.Spec(in[0]).DType != tensor.F32 {
			in[0] = b.Add(n.Name+"/features", &ops.Dequantize{}, nil, in[0])
		}
		return b.Add(n.Name, asFloat(n.Op, r.fresh), r.params, in...)
	}
	for _, x := range n.In {
		r.tail[id] = r.tail[id] || r.tail[x]
	}
	if !r.tail[id] {
		return b.Keep(n, in)
	}
	op := asFloat(n.Op, false)
	switch o := op.(type) {
	case *ops.Quantize, *ops.Dequantize: // floats from here on
		return in[0]
	case *ops.Unary:
		if _, _, clamp := (ops.Act{Fn: o.Fn, A: o.A, B: o.B}).Clamp(); clamp && r.fresh {
			return in[0]
		}
	case *ops.Reshape:
		if i := slices.Index(o.Dims, r.old); i >= 0 { // exporters write the number of classes out
			c := *o
			c.Dims = slices.Clone(o.Dims)
			c.Dims[i] = r.classes
			op = &c
		}
	}
	return b.Add(n.Name, op, n.Params, in...)
}

// asFloat is op on floats, without its fused activation if bare.
func asFloat(op ops.Op, bare bool) ops.Op {
	switch o := op.(type) {
	case *ops.Conv:
		c := *o
		c.Out = ops.OutType{}
		if bare {
			c.Act = ops.Act{}
		}
		return &c
	case *ops.Dense:
		c := *o
		c.Out = ops.OutType{}
		if bare {
			c.Act = ops.Act{}
		}
		return &c
	case *ops.Softmax:
		c := *o
		c.Out = ops.OutType{}
		return &c
	case *ops.GlobalPool:
		c := *o
		c.Out = ops.OutType{}
		return &c
	case *ops.Pool:
		c := *o
		c.Out = ops.OutType{}
		return &c
	case *ops.Unary:
		c := *o
		c.Out = ops.OutType{}
		return &c
	}
	return op
}

// WithDropout is g with dropout at that rate before its head; where there is
// one already it gets the rate.
func WithDropout(g *graph.Graph, rate float32) (*graph.Graph, error) {
	if !(rate >= 0 && rate < 1) {
		return nil, fmt.Errorf("train: dropout %v, want 0 to 1", rate)
	}
	head, err := Head(g)
	if err != nil {
		return nil, err
	}
	before := g.Node(head).In[0]
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		d, there := g.Node(before).Op.(*ops.Dropout)
		switch {
		case id == before && there:
			c := *d
			c.Rate = rate
			return b.Add(n.Name, &c, nil, in...)
		case id == head && !there:
			in[0] = b.Add(n.Name+"/dropout", &ops.Dropout{Rate: rate}, nil, in[0])
		}
		return b.Keep(n, in)
	})
}
