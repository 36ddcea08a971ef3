package train

import (
	"fmt"
	"slices"

	"github.com/teff-ml/teff/accel/plan"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Time in a step of n nodes: node i runs forward at i; going backward it has two
// times, one for the gradient of some channels alone, one for the rest; all is
// over at 3n. Everything that lives in the arena has a first and a last time.

// schedule is a network with its kernels and memory planned.
type schedule struct {
	net     *network
	cfg     *Config
	n       int
	runs    []bool // computed at all: an ancestor of the loss
	needs   []bool // its value wants a gradient
	keep    []ops.Keep
	last    []int              // last time a value is read
	readers []int              // how often a value is read on the way to the loss
	chans   map[paramKey][]int // channels that learn, where not all do

	spans  []plan.Span
	value  []int              // span of each node's value, -1: a constant
	redos  map[graph.ID]*redo // values that the backward pass makes again
	sums   map[paramKey]int   // spans of gradients that end with their node's turn
	grad   []int              // span of each value's gradient, -1: none
	fwd    []fwdStep
	bwd    []bwdStep
	packs  ops.PackCache
	packed int // bytes packed beside packs
	layout plan.Plan
}

type fwdStep struct {
	node         graph.ID
	kernel       ops.Kernel
	scratch, aux int // spans
	pack         int // span of packed weights, written before every run; -1: packed for good
	learns       bool
}

type bwdStep struct {
	node    graph.ID
	kernel  ops.GradKernel // nil: nothing but narrow
	narrow  *narrowStep
	tiled   *tiledStep
	scratch int // span
	aux     int // span of the forward step
	clear   []graph.ID
}

// back is when the gradient of a node is computed, but for that of some channels
// alone, which comes one earlier.
func (s *schedule) back(id graph.ID) int { return s.n + 2*(s.n-1-int(id)) + 1 }

// newSchedule prepares every kernel and plans the arena.
func newSchedule(net *network, cfg *Config, threads int) (*schedule, error) {
	n := net.g.Len()
	s := &schedule{net: net, cfg: cfg, n: n, runs: make([]bool, n), needs: make([]bool, n), keep: make([]ops.Keep, n), last: make([]int, n), readers: make([]int, n), value: make([]int, n), grad: make([]int, n)}
	s.redos, s.sums = map[graph.ID]*redo{}, map[paramKey]int{}
	s.reach()
	if err := s.findChannels(); err != nil {
		return nil, err
	}
	if err := s.lifetimes(); err != nil {
		return nil, err
	}
	s.findRedos()
	for i := range n {
		if err := s.forward(graph.ID(i), threads); err != nil {
			return nil, err
		}
	}
	for i := n - 1; i >= 0; i-- {
		if err := s.backward(graph.ID(i), threads); err != nil {
			return nil, err
		}
	}
	if !s.needs[net.loss] {
		return nil, fmt.Errorf("train: nothing to train: no trainable parameter reaches the output")
	}
	s.layout = plan.Greedy(s.spans)
	return s, nil
}

func (s *schedule) span(bytes, first, last int) int {
	s.spans = append(s.spans, plan.Span{Bytes: bytes, First: first, Last: last})
	return len(s.spans) - 1
}

// reach finds what the loss depends on, and of that what depends on a
// trainable parameter.
func (s *schedule) reach() {
	g := s.net.g
	s.runs[s.net.loss] = true
	for i := s.n - 1; i >= 0; i-- {
		if s.runs[i] {
			for _, x := range g.Node(graph.ID(i)).In {
				s.runs[x] = true
				s.readers[x]++
			}
		}
	}
	for i := range s.n {
		nd := g.Node(graph.ID(i))
		if !s.runs[i] {
			continue
		}
		s.needs[i] = s.learnsAny(graph.ID(i)) || s.wanted(graph.ID(i))
		for _, x := range nd.In {
			s.needs[i] = s.needs[i] || s.needs[x] && nd.Out.DType.IsFloat() // an index or a comparison is flat
		}
	}
}

// wanted reports an input of the network by which the loss's gradient is asked for.
func (s *schedule) wanted(id graph.ID) bool {
	nd := s.net.g.Node(id)
	return s.cfg.InputGradients && id != s.net.target && nd.Op.Kind() == ops.KindInput && nd.Out.DType == tensor.F32
}

// lifetimes finds when each value is read last: by the last node that reads
// it, or by the gradient that keeps it.
func (s *schedule) lifetimes() error {
	g := s.net.g
	for i := range s.n {
		s.last[i] = i
	}
	for i := range s.n {
		if !s.runs[i] {
			continue
		}
		nd := g.Node(graph.ID(i))
		for _, x := range nd.In {
			s.last[x] = max(s.last[x], i)
		}
		if !s.needs[i] || nd.Op.Kind() == ops.KindInput {
			continue
		}
		d, ok := nd.Op.(ops.Differentiable)
		if !ok {
			return &graph.NodeError{ID: graph.ID(i), Name: nd.Name, Kind: nd.Op.Kind(), Err: fmt.Errorf("train: this operator has no gradient; freeze what comes before it")}
		}
		k := d.Keeps(s.specs(nd.In), ops.Specs(nd.Params))
		s.keep[i] = k
		for j, x := range nd.In {
			if k&ops.KeepIn != 0 || j == 0 && k&ops.KeepIn0 != 0 || j == 1 && k&ops.KeepIn1 != 0 {
				s.last[x] = max(s.last[x], s.back(graph.ID(i)))
			}
		}
		if k&ops.KeepOut != 0 {
			s.last[i] = max(s.last[i], s.back(graph.ID(i)))
		}
	}
	s.last[s.net.scores] = 3 * s.n // callers count hits
	s.last[s.net.loss] = 3 * s.n
	for _, id := range g.Inputs() {
		s.last[id] = max(s.last[id], s.n) // written before the step
	}
	return nil
}

func (s *schedule) specs(ids []graph.ID) []tensor.Spec {
	out := make([]tensor.Spec, len(ids))
	for i, id := range ids {
		out[i] = s.net.g.Node(id).Out
	}
	return out
}

// forward prepares node id and gives its value a span.
func (s *schedule) forward(id graph.ID, threads int) error {
	nd := s.net.g.Node(id)
	s.value[id], s.grad[id] = -1, -1
	if !s.runs[id] || nd.Op.Kind() == ops.KindConstant {
		return nil
	}
	if nd.Op.Kind() == ops.KindInput {
		s.value[id] = s.span(nd.Out.Bytes(), 0, s.last[id])
		return nil
	}
	learns := s.learnsAny(id)
	p := s.prep(id, threads)
	var packs ops.PackCache
	if s.cfg.Lean {
		p.Packs = &packs
	}
	k, err := ops.PrepareLive(nd.Op, p)
	if err != nil {
		return &graph.NodeError{ID: id, Name: nd.Name, Kind: nd.Op.Kind(), Err: err}
	}
	r := p.Requests()
	switch v, ok := s.shared(id, nd, r); {
	case ok:
		s.value[id] = v
		s.spans[v].Last = max(s.spans[v].Last, s.last[id])
	case r.View >= 0: // of a constant
		return &graph.NodeError{ID: id, Name: nd.Name, Kind: nd.Op.Kind(), Err: fmt.Errorf("train: view of a constant; fold the graph first")}
	default:
		s.value[id] = s.span(nd.Out.Bytes(), int(id), s.last[id])
	}
	if k == nil {
		return nil
	}
	st := fwdStep{node: id, kernel: k, scratch: -1, aux: -1, pack: -1, learns: learns}
	if n := packs.Bytes(); n > 0 {
		if _, ok := k.(ops.Repacker); ok {
			st.pack = s.span(n, int(id), int(id))
		} else {
			s.packed += n // for good
		}
	}
	if r.Scratch > 0 {
		st.scratch = s.span(r.Scratch, int(id), int(id))
	}
	if r.Aux > 0 {
		end := int(id)
		if s.needs[id] {
			end = s.back(id)
		}
		st.aux = s.span(r.Aux, int(id), end)
	}
	for _, re := range s.redos {
		if re.from == id {
			re.scratch = s.span(r.Scratch, s.back(re.at)-1, s.back(re.at)-1)
		}
	}
	s.fwd = append(s.fwd, st)
	return nil
}

// prep is what node id's Prepare may know.
func (s *schedule) prep(id graph.ID, threads int) *ops.Prep {
	nd := s.net.g.Node(id)
	return &ops.Prep{
		In: s.specs(nd.In), Params: nd.Params, Out: nd.Out, Threads: threads, Reference: s.cfg.Reference,
		Training:   s.learnsAny(id) || s.needs[id] || trainsAlways(nd.Op) || s.cfg.Lean,
		FrozenNorm: s.cfg.Norm == NormFrozen, Packs: &s.packs, Exact: s.cfg.exact(),
	}
}

// trainsAlways names operators whose training form differs even where nothing
// before them learns.
func trainsAlways(op ops.Op) bool {
	return op.Kind() == ops.KindDropout || op.Kind() == ops.KindBatchNorm
}

// shared is the span a value lies in when it needs none of its own: a view's
// source, or an input that is dead after this node and may be overwritten.
func (s *schedule) shared(id graph.ID, nd *graph.Node, r ops.Requests) (span int, ok bool) {
	if r.View >= 0 {
		v := s.value[nd.In[r.View]]
		return v, v >= 0
	}
	for _, i := range r.InPlace {
		if i >= len(nd.In) {
			continue
		}
		v := s.value[nd.In[i]]
		if v < 0 || s.spans[v].Last != int(id) || nd.Out.Bytes() > s.spans[v].Bytes {
			continue
		}
		alone := true
		for j, x := range nd.In {
			alone = alone && (j == i || x == nd.In[i] || s.value[x] != v)
		}
		if alone {
			return v, true
		}
	}
	return 0, false
}

// backward prepares the gradient of node id. The gradients of its inputs start
// to live here unless a later node already gave them something.
func (s *schedule) backward(id graph.ID, threads int) error {
	if !s.runs[id] || !s.needs[id] {
		return nil
	}
	nd := s.net.g.Node(id)
	if id == s.net.loss {
		s.grad[id] = s.span(4, s.back(id), s.back(id))
	}
	if s.grad[id] < 0 {
		return fmt.Errorf("BUG: train: node %q gets no gradient", nd.Name)
	}
	if nd.Op.Kind() == ops.KindInput {
		s.spans[s.grad[id]].Last = 3 * s.n // callers read it
		return nil
	}
	st := bwdStep{node: id, scratch: -1, aux: -1}
	p := &ops.GradPrep{
		In: s.specs(nd.In), Params: nd.Params, Out: nd.Out, Threads: threads, Reference: s.cfg.Reference,
		FrozenNorm: s.cfg.Norm == NormFrozen, Exact: s.cfg.exact(),
		NeedIn: make([]bool, len(nd.In)), NeedParam: make([]bool, len(nd.Params)),
	}
	s.fresh(id, nd, p)
	for j := range nd.Params {
		p.NeedParam[j] = s.learns(id, j)
	}
	var err error
	if c := s.chans[paramKey{id, 0}]; c != nil {
		p.NeedParam[0] = false
		if st.narrow, err = s.narrow(id, c, threads); err != nil {
			return err
		}
	}
	alone := !slices.Contains(p.NeedIn, true) && !slices.Contains(p.NeedParam, true) && st.narrow != nil
	if !alone {
		if st.kernel, err = nd.Op.(ops.Differentiable).Backward(p); err != nil {
			return &graph.NodeError{ID: id, Name: nd.Name, Kind: nd.Op.Kind(), Err: err}
		}
		st.tiled = s.tiled(id, &st, threads)
	}
	for j := range nd.Params {
		if key := (paramKey{id, j}); s.learns(id, j) && s.cfg.early() && (j > 0 || st.tiled == nil) {
			s.sums[key] = s.span(4*s.learning(key), s.back(id)-1, s.back(id))
		}
	}
	if alone {
		s.bwd = append(s.bwd, st)
		return nil
	}
	for i, x := range nd.In {
		switch {
		case !p.Fresh[i]:
		case p.Shares() == i:
			s.grad[x] = s.grad[id]
			s.spans[s.grad[x]].Last = s.back(x)
		default:
			s.grad[x] = s.span(s.net.g.Node(x).Out.Shape.Elems()*4, s.back(id), s.back(x))
			if !p.Sets(i) {
				st.clear = append(st.clear, x)
			}
		}
	}
	if n := p.ScratchSize(); n > 0 {
		st.scratch = s.span(n, s.back(id), s.back(id))
	}
	for _, f := range s.fwd {
		if f.node == id {
			st.aux = f.aux
		}
	}
	s.bwd = append(s.bwd, st)
	return nil
}

// fresh says which inputs of a node want a gradient, which of these have none
// yet, and which of those no other node reads.
func (s *schedule) fresh(id graph.ID, nd *graph.Node, p *ops.GradPrep) {
	p.Fresh, p.Sole = make([]bool, len(nd.In)), make([]bool, len(nd.In))
	for i, x := range nd.In {
		p.NeedIn[i] = s.needs[x]
		p.Fresh[i] = s.needs[x] && s.grad[x] < 0 && slices.Index(nd.In, x) == i
		p.Sole[i] = p.Fresh[i] && s.readers[x] == 1 && s.net.g.Node(x).Out.Shape.Elems() == nd.Out.Shape.Elems()
	}
}
