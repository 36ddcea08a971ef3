package passes

import (
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// DeadChannels makes a network narrower where that changes nothing: it removes
// channels (indices of the last dimension) that no weight reads, and those that
// hold one number everywhere, as the outputs of all-zero filters do, with the
// products of that number moved into the biases that follow.
//
// A channel goes only together with those it is tied to: its namesakes through
// elementwise operators, pooling, batch norm and depthwise convolution, its
// partners in additions, its place in concatenations and flattenings. Each such
// class must start at convolutions or dense layers that can drop the filter and
// end at ones that can drop the weights. The number is computed by the reference
// kernels; a sum that it enters is rounded once more, otherwise the network
// computes what it did.
func DeadChannels(g *graph.Graph) (*graph.Graph, error) { return apply(g, fold, deadChannels) }

func deadChannels(g *graph.Graph) (*graph.Graph, error) {
	c := newNarrowing(g)
	for i := range g.Len() {
		c.tie(graph.ID(i))
	}
	for _, o := range g.Outputs() {
		c.blockAll(o.ID)
	}
	if !c.decide() {
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		op, params := c.narrow(id, n)
		if op == n.Op && params == nil {
			return b.Keep(n, in)
		}
		return b.Add(n.Name, op, params, in...)
	})
}

// narrowing is the analysis: a slot is a channel of a value, slots that must go
// together are one class (a union-find forest).
type narrowing struct {
	g       *graph.Graph
	first   []int // slot of a value's channel 0
	parent  []int
	blocked []bool      // slots that must stay; of a class: its root's
	known   [][]float32 // of each value: what each channel holds everywhere
	is      [][]bool    // and whether that is known; nil: of none
	gone    []bool      // after decide: slots that go
}

func newNarrowing(g *graph.Graph) *narrowing {
	c := &narrowing{g: g, first: make([]int, g.Len()+1), known: make([][]float32, g.Len()), is: make([][]bool, g.Len())}
	for i := range g.Len() {
		c.first[i+1] = c.first[i] + c.width(graph.ID(i))
	}
	n := c.first[g.Len()]
	c.parent, c.blocked, c.gone = make([]int, n), make([]bool, n), make([]bool, n)
	for i := range c.parent {
		c.parent[i] = i
	}
	for i := range g.Len() {
		c.findKnown(graph.ID(i))
	}
	return c
}

// width is the number of channels of a value that could be narrower.
func (c *narrowing) width(id graph.ID) int {
	s := c.g.Node(id).Out
	if s.DType != tensor.F32 || s.Shape.Rank() < 2 {
		return 0
	}
	d := s.Shape.Channels()
	if c.g.Batch() == anyBatch && d%anyBatch == 0 {
		return 0 // the batch is in it
	}
	return d
}

func (c *narrowing) root(s int) int {
	for c.parent[s] != s {
		c.parent[s] = c.parent[c.parent[s]]
		s = c.parent[s]
	}
	return s
}

func (c *narrowing) join(a, b int) {
	a, b = c.root(a), c.root(b)
	c.parent[a] = b
	c.blocked[b] = c.blocked[a] || c.blocked[b]
}

func (c *narrowing) block(s int) { c.blocked[c.root(s)] = true }

func (c *narrowing) blockAll(id graph.ID) {
	for s := c.first[id]; s < c.first[id+1]; s++ {
		c.block(s)
	}
}

// tieSame ties the channels of two values of equal width one by one.
func (c *narrowing) tieSame(a, b graph.ID) {
	if c.width(a) != c.width(b) {
		c.blockAll(a)
		c.blockAll(b)
		return
	}
	for i := range c.width(a) {
		c.join(c.first[a]+i, c.first[b]+i)
	}
}

// tie says what node id's channels and those of its inputs have to do with each
// other.
func (c *narrowing) tie(id graph.ID) {
	n := c.g.Node(id)
	if p, ok := productOf(n); ok {
		switch {
		case p.depthwise:
			c.tieSame(n.In[0], id)
		default:
			x := n.In[0]
			for i := range c.width(x) {
				if !p.readsNothing(i) && !(c.knows(x, i) && (!p.pads || c.known[x][i] == 0)) {
					c.block(c.first[x] + i)
				}
			}
		}
		for _, r := range n.In[1:] { // the residual
			c.tieSame(r, id)
		}
		return
	}
	if n.Out.DType == tensor.F32 && len(n.In) > 0 {
		switch op := n.Op.(type) {
		case *ops.Unary, *ops.Identity, *ops.Dropout, *ops.GlobalPool:
			c.tieSame(n.In[0], id)
			return
		case *ops.Pool:
			if op.Output == 0 {
				c.tieSame(n.In[0], id)
				return
			}
		case *ops.BatchNorm:
			if _, ok := inferring(n); ok {
				c.tieSame(n.In[0], id)
				return
			}
		case *ops.Pad:
			if last := len(op.Lo) - 1; last >= 0 && op.Lo[last] == 0 && op.Hi[last] == 0 {
				c.tieSame(n.In[0], id)
				return
			}
		case *ops.Binary:
			if c.tieBinary(id, n) {
				return
			}
		case *ops.Concat:
			if c.tieConcat(id, n, op) {
				return
			}
		case *ops.Reshape:
			if x := n.In[0]; c.width(x) > 0 && c.width(id)%c.width(x) == 0 && c.width(id) > 0 {
				for i := range c.width(id) {
					c.join(c.first[id]+i, c.first[x]+i%c.width(x))
				}
				return
			}
		}
	}
	c.blockAll(id)
	for _, x := range n.In {
		c.blockAll(x)
	}
}

func (c *narrowing) tieBinary(id graph.ID, n *graph.Node) bool {
	if len(n.Params) == 1 {
		if _, ok := channels(n.Params[0], c.width(id)); !ok || len(n.In) != 1 {
			return false
		}
	}
	for _, x := range n.In {
		if c.width(x) != c.width(id) {
			return false // it broadcasts along channels
		}
	}
	for _, x := range n.In {
		c.tieSame(x, id)
	}
	return true
}

func (c *narrowing) tieConcat(id graph.ID, n *graph.Node, op *ops.Concat) bool {
	rank := n.Out.Shape.Rank()
	if op.Axis != -1 && op.Axis != rank-1 || len(n.Params) > 0 || rank < 2 {
		return false
	}
	at := c.first[id]
	for _, x := range n.In {
		for i := range c.width(x) {
			c.join(at+i, c.first[x]+i)
		}
		at += c.width(x)
	}
	return true
}

// decide finds the slots that go. Every value keeps a channel.
func (c *narrowing) decide() bool {
	for range c.first { // keeping one class can only take another's last channel once each
		again := false
		for id := range c.g.Len() {
			lo, hi := c.first[id], c.first[id+1]
			stays := lo == hi
			for s := lo; s < hi; s++ {
				stays = stays || c.blocked[c.root(s)]
			}
			if !stays {
				c.block(lo)
				again = true
			}
		}
		if !again {
			break
		}
	}
	some := false
	for s := range c.gone {
		c.gone[s] = !c.blocked[c.root(s)]
		some = some || c.gone[s]
	}
	return some
}

func (c *narrowing) knows(id graph.ID, i int) bool { return c.is[id] != nil && c.is[id][i] }

// staying are the channels of a value that stay.
func (c *narrowing) staying(id graph.ID) []int {
	var keep []int
	for i := range c.width(id) {
		if !c.gone[c.first[id]+i] {
			keep = append(keep, i)
		}
	}
	return keep
}

// narrow is n's operator and parameters for what stays; no parameters when
// nothing of it changes.
func (c *narrowing) narrow(id graph.ID, n *graph.Node) (ops.Op, []tensor.Tensor) {
	if p, ok := productOf(n); ok {
		return p.narrow(c, id, n)
	}
	out := c.width(id)
	if out == 0 || len(c.staying(id)) == out {
		return n.Op, nil
	}
	keep := c.staying(id)
	params := slices.Clone(n.Params)
	for i, p := range params {
		if p.Shape.Elems() > 1 { // one number a channel
			params[i] = pick(p, p.Shape.Rank()-1, keep)
		}
	}
	switch op := n.Op.(type) {
	case *ops.Reshape:
		dims := slices.Clone(op.Dims)
		if dims[len(dims)-1] > 0 || len(dims) == 1 {
			dims[len(dims)-1] = len(keep)
		}
		return &ops.Reshape{Dims: dims, AllowZero: op.AllowZero}, params
	}
	return n.Op, params
}

// pick are the elements of t with the given indices along an axis.
func pick(t tensor.Tensor, axis int, keep []int) tensor.Tensor {
	out := tensor.New(tensor.Spec{DType: t.DType, Shape: t.Shape.With(axis, len(keep))})
	if t.Source() != nil {
		t = t.Clone()
	}
	inner := t.DType.Size()
	for d := axis + 1; d < t.Shape.Rank(); d++ {
		inner *= t.Shape.Dim(d)
	}
	n := t.Shape.Dim(axis)
	at := 0
	for o := 0; o*n*inner < len(t.Data); o++ {
		for _, k := range keep {
			at += copy(out.Data[at:at+inner], t.Data[(o*n+k)*inner:])
		}
	}
	return out
}
