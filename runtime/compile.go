package runtime

import (
	"fmt"
	"math"
	"slices"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/plan"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// step is one kernel of a program.
type step struct {
	node    graph.ID
	kernel  ops.Kernel
	scratch int
	aux     int // bytes at the end of scratch
	path    string
	chain   []graph.ID // the nodes before it that it computes too, first to last
	in      []graph.ID // what it reads
}

// place is where a value lives: bytes of a buffer, or of the weights.
type place struct {
	buffer int // -1: constant
	offset int
}

// noBuffer is the buffer of values that are nowhere whole.
const noBuffer = math.MinInt

// buffer is memory that one or more values share, one after the other (in
// place, views) or side by side (the operands of a concatenation).
type buffer struct {
	bytes       int
	first, last int
}

// compiler holds what is known while a graph becomes a program.
type compiler struct {
	g       *graph.Graph
	opt     accel.Options
	packs   *ops.PackCache
	uses    [][]graph.ID
	weights int   // bytes of all parameters of the network
	away    bool  // inputs are not in the arena
	lastUse []int // step index, len(steps) for outputs
	places  []place
	buffers []buffer
	parts   map[graph.ID]slot // value → where it lies in a concatenation
	joined  map[graph.ID]int  // concatenation that needs no step → its buffer, -1 until there
	chains  map[graph.ID]*chain
	inner   map[graph.ID]bool // nodes of a chain but its last: no step and no memory
	steps   []step
	live    []int // bytes alive at each node, before any sharing
	peak    int
	room    []int // scratch that fits at each node, once the buffers are known
	forms   []int // scratch that fits at each node of a program for one thread
}

// slot is a value's part of a concatenation's result.
type slot struct {
	concat graph.ID
	offset int // bytes
	pitch  int // elements between rows, 0 when the part is contiguous
}

// compileCPU chooses kernels and plans memory for g at its batch, all or a part of a network of so many bytes of weights,
// whose inputs may be away: in no arena of its own.
func compileCPU(g *graph.Graph, o accel.Options, weights int, away bool, packs *ops.PackCache, pl *ops.Workers) (*cpuProgram, error) {
	c := &compiler{g: g, opt: o, packs: packs, uses: g.Consumers(), weights: weights, away: away}
	if c.findForms(); c.opt.Threads > 1 {
		c.findChains()
	}
	prog, err := c.compile(pl)
	if err != nil {
		return nil, err
	}
	spare := c.spare(prog.live)
	enough := prog.live + max(prog.live/5, spare*42/41)
	if prog.arena <= enough {
		return prog, nil
	}
	// Sharing made the values smaller than was known when kernels were told
	// how much scratch fits beside them. Tell them again, and less where the
	// plan has gaps: packed weights are kept, so this is cheap, and block sizes
	// change no bits.
	buffers, best := c.buffers, prog
	for _, extra := range []int{spare, spare / 2, 1} {
		c.room = c.scratchRoom(buffers, prog.live+extra)
		again, err := c.compile(pl)
		if err != nil {
			return nil, err
		}
		if again.arena < best.arena {
			best = again
		}
		if best.arena <= enough {
			break
		}
	}
	return best, nil
}

// spare is what scratch may add to an arena that holds live bytes at once: a
// sixth, or up to a quarter where that is little beside the weights.
//
//go:noinline
func (c *compiler) spare(live int) int { return max(live/6, min(live*61/250, c.weights/64)) }

// compile prepares every node and plans the arena.
func (c *compiler) compile(pl *ops.Workers) (*cpuProgram, error) {
	c.parts, c.joined = map[graph.ID]slot{}, map[graph.ID]int{}
	c.buffers, c.steps = nil, nil
	c.findConcats()
	c.places = make([]place, c.g.Len())
	for i := range c.g.Len() {
		if err := c.node(graph.ID(i)); err != nil {
			return nil, err
		}
	}
	return c.finish(pl)
}

// scratchRoom is what each node may take in an arena of that size beside the
// buffers.
func (c *compiler) scratchRoom(buffers []buffer, arena int) []int {
	room := alive(c.g.Len(), len(buffers), func(i int) (int, int, int) { return buffers[i].bytes, buffers[i].first, buffers[i].last })
	for i := range room {
		room[i] = max(1, arena-room[i])
	}
	return room
}

// alive sums, for each of n steps, the sizes of things that are in use then: thing i's, from a first step to a last.
func alive(n, things int, thing func(i int) (bytes, first, last int)) []int {
	sum := make([]int, n+1)
	for i := range things {
		if bytes, first, last := thing(i); first <= min(last, n-1) {
			sum[first] += bytes
			sum[min(last, n-1)+1] -= bytes
		}
	}
	for i := range n {
		sum[i+1] += sum[i]
	}
	return sum[:n]
}

// lifetimes finds the last node that reads each value.
func (c *compiler) lifetimes() {
	n := c.g.Len()
	c.lastUse = make([]int, n)
	for i := range n {
		c.lastUse[i] = i
		for _, u := range c.uses[i] {
			c.lastUse[i] = max(c.lastUse[i], int(u))
		}
	}
	for _, ch := range c.chains {
		for _, x := range ch.in {
			c.lastUse[x] = max(c.lastUse[x], int(ch.last()))
		}
	}
	for _, id := range c.g.Inputs() {
		c.lastUse[id] = n // a session can run again on the same input
	}
	for _, o := range c.g.Outputs() {
		c.lastUse[o.ID] = n
	}
	c.live = alive(n, n, func(i int) (bytes, first, last int) {
		nd := c.g.Node(graph.ID(i))
		switch k := nd.Op.Kind(); {
		case k == ops.KindConstant || c.inner[graph.ID(i)]:
			return 0, 0, 0
		case k == ops.KindInput:
			return nd.Out.Bytes(), 0, c.lastUse[i]
		}
		return nd.Out.Bytes(), i, c.lastUse[i]
	})
	c.peak = slices.Max(append(c.live, 0))
}

// node prepares one node and decides where its value lives.
func (c *compiler) node(id graph.ID) error {
	n := c.g.Node(id)
	switch n.Op.Kind() {
	case ops.KindConstant:
		c.places[id] = place{buffer: -1}
		return nil
	case ops.KindInput:
		bytes := n.Out.Bytes()
		if c.away {
			bytes = 0
		}
		c.places[id] = place{buffer: c.newBuffer(bytes, 0, c.lastUse[id])}
		return nil
	}
	if c.inner[id] {
		c.places[id] = place{buffer: noBuffer}
		return nil
	}
	if b, ok := c.joined[id]; ok { // its operands are already where they belong
		c.places[id] = place{buffer: b}
		return nil
	}
	if ch := c.chains[id]; ch != nil {
		return c.chainStep(ch)
	}
	p := c.prep(id)
	k, err := n.Op.Prepare(p)
	if err != nil {
		return &graph.NodeError{ID: id, Name: n.Name, Kind: n.Op.Kind(), Err: err}
	}
	r := p.Requests()
	c.place(id, n, r)
	if k != nil {
		if r.Aux > 0 { // what a trainer would keep for the backward run is scratch here
			r.Scratch = (r.Scratch+63)&^63 + r.Aux
		}
		c.steps = append(c.steps, step{node: id, kernel: k, scratch: r.Scratch, aux: r.Aux, path: r.Path, in: n.In})
	} else if r.View < 0 {
		return &graph.NodeError{ID: id, Name: n.Name, Kind: n.Op.Kind(), Err: fmt.Errorf("BUG: no kernel and no view")}
	}
	return nil
}

// prep is what the operator of a node may know.
func (c *compiler) prep(id graph.ID) *ops.Prep {
	n := c.g.Node(id)
	p := &ops.Prep{
		In: c.specs(n.In), Params: n.Params, Out: n.Out,
		Threads: max(1, c.opt.Threads), Reference: c.opt.Reference, Exact: c.opt.Exact,
		Precision: c.opt.Precision, Halves: c.opt.Halves, MemoryBudget: c.opt.MemoryBudget, Packs: c.packs, Choice: c.opt.Choices[n.Name],
		ScratchBudget: c.peak - c.live[id] + c.spare(c.peak), WeightBytes: c.weights,
	}
	p.FormBudget = p.ScratchBudget
	if c.forms != nil {
		p.FormBudget = c.forms[id]
	}
	if c.room != nil {
		p.ScratchBudget = c.room[id]
	}
	if s, ok := c.parts[id]; ok {
		p.OutPitch = s.pitch
	}
	return p
}

func (c *compiler) specs(ids []graph.ID) []tensor.Spec {
	s := make([]tensor.Spec, len(ids))
	for i, id := range ids {
		s[i] = c.g.Node(id).Out
	}
	return s
}

// place finds memory for the value of id: its part of a concatenation, the
// memory of an input it may overwrite or is a view of, or a buffer of its own.
func (c *compiler) place(id graph.ID, n *graph.Node, r ops.Requests) {
	if s, ok := c.parts[id]; ok {
		if c.joined[s.concat] < 0 {
			whole := c.g.Node(s.concat).Out.Bytes()
			c.joined[s.concat] = c.newBuffer(whole, int(id), c.lastUse[s.concat])
		}
		c.extend(c.joined[s.concat], c.lastUse[id]) // others may read the part after the whole
		c.places[id] = place{c.joined[s.concat], s.offset}
		return
	}
	if r.View >= 0 {
		src := n.In[r.View]
		if at := c.places[src]; at.buffer >= 0 {
			c.places[id] = at
			c.extend(at.buffer, c.lastUse[id])
			return
		}
		c.places[id] = place{buffer: -1 - int(src) - 1} // view of a constant: see data()
		return
	}
	for _, i := range r.InPlace {
		if i >= len(n.In) {
			continue
		}
		src := n.In[i]
		at := c.places[src]
		if at.buffer < 0 || c.buffers[at.buffer].last != int(id) || n.Out.Bytes() > c.g.Node(src).Out.Bytes() || c.readTwice(n, i, at.buffer) {
			continue
		}
		c.places[id] = at
		c.extend(at.buffer, c.lastUse[id])
		return
	}
	c.places[id] = place{buffer: c.newBuffer(n.Out.Bytes(), int(id), c.lastUse[id])}
}

// readTwice reports whether another input of n lies in the same buffer as
// input i: then overwriting could change what is still to be read.
func (c *compiler) readTwice(n *graph.Node, i, buf int) bool {
	for j, x := range n.In {
		if j != i && c.places[x].buffer == buf && x != n.In[i] {
			return true
		}
	}
	return false
}

//go:noinline
func (c *compiler) newBuffer(bytes, first, last int) int {
	c.buffers = append(c.buffers, buffer{bytes, first, last})
	return len(c.buffers) - 1
}

//go:noinline
func (c *compiler) extend(b, last int) { c.buffers[b].last = max(c.buffers[b].last, last) }

// finish plans the arena and builds the program.
func (c *compiler) finish(pl *ops.Workers) (*cpuProgram, error) {
	spans := make([]plan.Span, 0, len(c.buffers)+len(c.steps))
	for _, b := range c.buffers {
		spans = append(spans, plan.Span{Bytes: b.bytes, First: b.first, Last: b.last})
	}
	live := plan.LowerBound(spans)
	for _, s := range c.steps {
		spans = append(spans, plan.Span{Bytes: s.scratch, First: int(s.node), Last: int(s.node)})
	}
	pn := plan.Greedy(spans)
	prog := &cpuProgram{g: c.g, pool: pl, steps: c.steps, arena: pn.Size, live: live, packs: c.packs}
	prog.values = make([]valueAt, c.g.Len())
	for i := range prog.values {
		v := &prog.values[i]
		v.spec = c.g.Node(graph.ID(i)).Out
		switch at := c.places[i]; {
		case at.buffer == noBuffer:
		case at.buffer >= 0:
			v.offset = pn.Offsets[at.buffer] + at.offset
			for k, id := range c.g.Inputs() {
				if c.away && at.buffer == c.places[id].buffer {
					v.away = 1 + k
				}
			}
		case at.buffer == -1:
			v.constant = c.g.Node(graph.ID(i)).Params[0].Data
		default:
			v.constant = prog.values[-at.buffer-2].constant
		}
		if s, ok := c.parts[graph.ID(i)]; ok {
			v.pitch = s.pitch
		}
	}
	prog.scratch = pn.Offsets[len(c.buffers):]
	inUse := alive(c.g.Len(), len(c.buffers), func(i int) (int, int, int) { return spans[i].Bytes, spans[i].First, spans[i].Last })
	for _, s := range c.steps {
		l := c.layer(s)
		l.Live = inUse[s.node] + s.scratch
		prog.layers = append(prog.layers, l)
	}
	return prog, nil
}

// layer describes a step.
func (c *compiler) layer(s step) accel.Layer {
	n := c.g.Node(s.node)
	l := accel.Layer{
		ID: s.node, Name: n.Name, Kind: n.Op.Kind(), Path: s.path, Out: n.Out,
		MACs: c.g.MACs(s.node), Scratch: s.scratch, Chain: s.chain,
	}
	for i := len(s.chain) - 1; i >= 0; i-- {
		l.Name = c.g.Node(s.chain[i]).Name + "+" + l.Name
		l.MACs += c.g.MACs(s.chain[i])
	}
	for _, id := range append(s.chain[:len(s.chain):len(s.chain)], s.node) {
		for _, p := range c.g.Node(id).Params {
			l.Params += p.Shape.Elems()
		}
	}
	return l
}
