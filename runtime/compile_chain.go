package runtime

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// chain is a run of convolutions that one step computes band by band.
type chain struct {
	nodes [3]graph.ID // pointwise, depthwise, pointwise
	convs [3]*ops.Conv
	last  graph.ID
	in    []graph.ID
}

// findChains finds depthwise convolutions with the pointwise ones around them
// whose results nobody else reads, where the operators say that going through
// them band by band pays. Lifetimes are corrected: what the first reads lives
// until the last, and what lies between lives nowhere.
func (c *compiler) findChains() {
	c.chains, c.inner = map[graph.ID]*chain{}, map[graph.ID]bool{}
	if c.opt.Reference {
		return
	}
	for i := range c.g.Len() {
		c.findChain(graph.ID(i))
	}
	if len(c.chains) > 0 {
		c.lifetimes()
	}
}

func (c *compiler) findChain(dw graph.ID) {
	conv, ok := c.g.Node(dw).Op.(*ops.Conv)
	if !ok || conv.Groups < 2 || c.opt.Choices[c.g.Node(dw).Name].Alone {
		return
	}
	full := chain{nodes: [3]graph.ID{-1, dw, -1}, convs: [3]*ops.Conv{nil, conv, nil}}
	if x := c.g.Node(dw).In[0]; c.alone(x) {
		if before, ok := c.g.Node(x).Op.(*ops.Conv); ok && !before.Residual {
			full.nodes[0], full.convs[0] = x, before
		}
	}
	if c.alone(dw) {
		after := c.uses[dw][0]
		if next, ok := c.g.Node(after).Op.(*ops.Conv); ok && c.g.Node(after).In[0] == dw {
			full.nodes[2], full.convs[2] = after, next
		}
	}
	for _, without := range []int{-1, 2, 0} { // all three, or two of them
		ch := full
		if without >= 0 {
			ch.nodes[without], ch.convs[without] = -1, nil
		}
		if ch.convs[0] == nil && ch.convs[2] == nil || without >= 0 && full.convs[without] == nil {
			continue
		}
		if ch.complete(c.g); c.prepareChain(&ch) != nil {
			c.chains[ch.last] = &ch
			for i, id := range ch.nodes {
				if ch.convs[i] != nil && id != ch.last {
					c.inner[id] = true
				}
			}
			return
		}
	}
}

// alone reports whether a value is computed for a single reader.
func (c *compiler) alone(id graph.ID) bool {
	return len(c.uses[id]) == 1 && !c.g.IsOutput(id) && !c.inner[id] && c.chains[id] == nil
}

// complete finds the ends of the chain.
func (ch *chain) complete(g *graph.Graph) {
	for i, id := range ch.nodes {
		if ch.convs[i] == nil {
			continue
		}
		if ch.in == nil {
			ch.in = g.Node(id).In[:1:1]
		} else if in := g.Node(id).In; len(in) > 1 {
			ch.in = append(ch.in, in[1])
		}
		ch.last = id
	}
}

// prepareChain asks for the chain's kernel and what it wants; nil where its
// convolutions are better computed one by one.
func (c *compiler) prepareChain(ch *chain) *step {
	var p [3]*ops.Prep
	last := (*ops.Prep)(nil)
	for i, id := range ch.nodes {
		if ch.convs[i] != nil {
			p[i] = c.prep(id)
			last = p[i]
		}
	}
	k := ops.ChainConvs(ch.convs, p)
	if k == nil {
		return nil
	}
	s := &step{node: ch.last, kernel: k, scratch: last.Requests().Scratch, path: last.Requests().Path, in: ch.in}
	for i, id := range ch.nodes {
		if ch.convs[i] != nil && id != ch.last {
			s.chain = append(s.chain, id)
		}
	}
	return s
}

// chainStep adds the step of a chain and finds memory for its result.
func (c *compiler) chainStep(ch *chain) error {
	s := c.prepareChain(ch)
	if s == nil {
		return fmt.Errorf("runtime: BUG: what was a chain is none: %s", c.g.Node(ch.last).Name)
	}
	c.place(ch.last, c.g.Node(ch.last), ops.Requests{View: -1})
	c.steps = append(c.steps, *s)
	return nil
}
