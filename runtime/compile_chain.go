package runtime

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// chain is a run of operators that one step computes, band by band or tile by
// tile.
type chain struct {
	nodes   []graph.ID // first to last
	in      []graph.ID // what the step reads
	prepare func(p []*ops.Prep) ops.Kernel
	over    bool // the result may lie where what the first reads was
}

func (ch *chain) last() graph.ID { return ch.nodes[len(ch.nodes)-1] }

// findForms finds the chains of one thread, and what scratch fits at each node then: what rounds otherwise goes by that, as
// several threads may have other chains.
func (c *compiler) findForms() {
	threads := c.opt.Threads
	c.opt.Threads = 1
	c.findChains()
	c.opt.Threads = threads
	c.forms = make([]int, len(c.live))
	for i, live := range c.live {
		c.forms[i] = c.peak - live + c.spare(c.peak)
	}
}

// findChains finds depthwise convolutions with the pointwise ones around them,
// and convolutions with a pool or an addition behind them, whose results nobody
// else reads, where the operators say that going through them band by band pays. Lifetimes
// are corrected: what the first reads lives until the last, and what lies
// between lives nowhere.
func (c *compiler) findChains() {
	c.chains, c.inner = map[graph.ID]*chain{}, map[graph.ID]bool{}
	c.lifetimes()
	if c.opt.Reference {
		return
	}
	for i := range c.g.Len() {
		c.findChain(graph.ID(i))
		c.findPoolChain(graph.ID(i))
		c.findSum(graph.ID(i))
	}
	c.findNorms()
	if len(c.chains) > 0 {
		c.lifetimes()
	}
}

func (c *compiler) findChain(dw graph.ID) {
	conv, ok := c.g.Node(dw).Op.(*ops.Conv)
	if !ok || conv.Groups < 2 || c.opt.Choices[c.g.Node(dw).Name].Alone {
		return
	}
	nodes, convs := [3]graph.ID{-1, dw, -1}, [3]*ops.Conv{nil, conv, nil} // pointwise, depthwise, pointwise
	if x := c.g.Node(dw).In[0]; c.alone(x) {
		if before, ok := c.g.Node(x).Op.(*ops.Conv); ok && !before.Residual {
			nodes[0], convs[0] = x, before
		}
	}
	if c.alone(dw) {
		after := c.uses[dw][0]
		if next, ok := c.g.Node(after).Op.(*ops.Conv); ok && c.g.Node(after).In[0] == dw {
			nodes[2], convs[2] = after, next
		}
	}
	for _, without := range []int{-1, 2, 0} { // all three, or two of them
		some := convs
		if without >= 0 {
			some[without] = nil
		}
		if some[0] == nil && some[2] == nil || without >= 0 && convs[without] == nil {
			continue
		}
		ch := &chain{prepare: func(p []*ops.Prep) ops.Kernel {
			var of [3]*ops.Prep
			for i := range some {
				if some[i] != nil {
					of[i], p = p[0], p[1:]
				}
			}
			return ops.ChainConvs(some, of)
		}}
		for i, id := range nodes {
			if some[i] == nil {
				continue
			}
			if in := c.g.Node(id).In; ch.nodes == nil {
				ch.in = in[:1:1]
			} else if len(in) > 1 {
				ch.in = append(ch.in, in[1])
			}
			ch.nodes = append(ch.nodes, id)
		}
		if c.joins(ch) {
			return
		}
	}
}

// findPoolChain looks for a convolution before the pool p.
func (c *compiler) findPoolChain(p graph.ID) {
	pool, ok := c.g.Node(p).Op.(*ops.Pool)
	if !ok {
		return
	}
	x := c.g.Node(p).In[0]
	if conv, ok := c.g.Node(x).Op.(*ops.Conv); ok && c.alone(x) && !c.opt.Choices[c.g.Node(x).Name].Alone {
		c.joins(&chain{nodes: []graph.ID{x, p}, in: c.g.Node(x).In, prepare: func(p []*ops.Prep) ops.Kernel {
			return ops.PoolConv(conv, pool, p[0], p[1])
		}})
	}
}

// findSum looks for an integer convolution right before the addition id, which
// then adds to what has just been stored.
func (c *compiler) findSum(id graph.ID) {
	n := c.g.Node(id)
	add, ok := n.Op.(*ops.Binary)
	if !ok || len(n.In) != 2 {
		return
	}
	for i, x := range n.In {
		if conv, ok := c.g.Node(x).Op.(*ops.Conv); ok && x == id-1 && c.alone(x) && ops.CanConvAdd(conv, add, i, c.prep(x), c.prep(id)) {
			c.join(&chain{nodes: []graph.ID{x, id}, in: []graph.ID{c.g.Node(x).In[0], n.In[1-i]}, prepare: func(p []*ops.Prep) ops.Kernel {
				return ops.ConvAdd(conv, add, i, p[0], p[1])
			}})
			return
		}
	}
}

// joins makes one step of the nodes of ch, if the operators have one.
func (c *compiler) joins(ch *chain) bool {
	if c.prepareChain(ch) == nil {
		return false
	}
	c.join(ch)
	return true
}

//go:noinline
func (c *compiler) join(ch *chain) {
	c.chains[ch.last()] = ch
	for _, id := range ch.nodes[:len(ch.nodes)-1] {
		c.inner[id] = true
	}
}

// alone reports whether a value is computed for a single reader.
//
//go:noinline
func (c *compiler) alone(id graph.ID) bool {
	return len(c.uses[id]) == 1 && !c.g.IsOutput(id) && !c.inner[id] && c.chains[id] == nil
}

// prepareChain asks for the chain's kernel and what it wants; nil where its
// operators are better computed one by one.
func (c *compiler) prepareChain(ch *chain) *step {
	p := make([]*ops.Prep, len(ch.nodes))
	for i, id := range ch.nodes {
		p[i] = c.prep(id)
	}
	k := ch.prepare(p)
	if k == nil {
		return nil
	}
	r := p[len(p)-1].Requests()
	return &step{node: ch.last(), kernel: k, scratch: r.Scratch, path: r.Path, in: ch.in, chain: ch.nodes[:len(ch.nodes)-1]}
}

// chainStep adds the step of a chain and finds memory for its result.
func (c *compiler) chainStep(ch *chain) error {
	s := c.prepareChain(ch)
	if s == nil {
		return fmt.Errorf("runtime: BUG: what was a chain is none: %s", c.g.Node(ch.last()).Name)
	}
	n, r := c.g.Node(ch.last()), ops.Requests{View: -1}
	if ch.over {
		n, r.InPlace = c.g.Node(ch.nodes[0]), []int{0}
	}
	c.place(ch.last(), n, r)
	c.steps = append(c.steps, *s)
	return nil
}
