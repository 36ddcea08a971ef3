package runtime

import (
	"context"
	"slices"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// batchProgram is a graph whose first nodes go by groups of images. Workers take whole groups as long as there is one for each;
// where fewer are left they share the workers.
type batchProgram struct {
	g       *graph.Graph
	pool    *ops.Workers
	packs   *ops.PackCache
	parts   []*batchPart
	group   int
	ins     []graph.ID // what a group's inputs and outputs are
	outs    []graph.ID
	post    *cpuProgram // what all images go through together, or nil
	postIns []graph.ID
	postOut []graph.ID
	fixed   int // bytes of what is there for all images
	layers  []accel.Layer
	memory  accel.Memory
}

// batchPart is some groups of a batch.
type batchPart struct {
	prog   *cpuProgram
	first  int // group
	groups int
	slots  int            // that are under way at once
	pools  []*ops.Workers // each slot's; none: the caller alone
}

// compileBatch compiles g, whose nodes before cut.at, some at least, keep samples apart; nil where one side gives nothing.
func compileBatch(g *graph.Graph, cut batchCut, o accel.Options, packs *ops.PackCache, pl *ops.Workers) (*batchProgram, error) {
	p := &batchProgram{g: g, pool: pl, packs: packs, group: cut.group}
	weights := g.ParamBytes()
	one, ins, outs, ids, err := partOf(g, 0, cut.at, cut.group)
	if err != nil || one == nil {
		return nil, err
	}
	p.ins, p.outs = ins, outs
	add := func(first, groups, slots, threads int) error {
		if groups == 0 {
			return nil
		}
		part := &batchPart{first: first, groups: groups, slots: slots}
		of := o
		of.Threads = threads
		if threads > 1 && slots == 1 {
			part.pools = []*ops.Workers{pl}
		} else if threads > 1 {
			for range slots {
				part.pools = append(part.pools, ops.NewWorkers(threads))
			}
		}
		if part.prog, err = compileCPU(one, of, weights, true, packs, nil); err != nil {
			return err
		}
		p.parts = append(p.parts, part)
		p.describe(part.prog.layers, ids, groups, slots)
		return nil
	}
	groups, threads := g.Batch()/cut.group, max(1, o.Threads)
	whole := groups / threads * threads
	if rest := groups - whole; 2*rest > threads { // to share the workers would leave each as alone
		whole = groups
	}
	if err := add(0, whole, min(whole, threads), 1); err != nil {
		return nil, err
	}
	if rest := groups - whole; rest > 0 {
		if err := add(whole, rest, rest, threads/rest); err != nil {
			return nil, err
		}
	}
	if cut.at < g.Len() {
		post, ins, outs, ids, err := partOf(g, cut.at, g.Len(), g.Batch())
		if err != nil || post == nil {
			return nil, err
		}
		if p.post, err = compileCPU(post, o, weights, false, packs, pl); err != nil {
			return nil, err
		}
		p.postIns, p.postOut = ins, outs
		p.describe(p.post.layers, ids, 1, 1)
	}
	p.plan()
	return p, nil
}

// describe adds the layers of a part that runs several times, on some slots at once.
func (p *batchProgram) describe(layers []accel.Layer, ids []graph.ID, groups, slots int) {
	for _, l := range layers {
		l.ID, l.MACs, l.Live = ids[l.ID], l.MACs*int64(groups), l.Live*slots
		l.Chain = slices.Clone(l.Chain)
		for i, c := range l.Chain {
			l.Chain[i] = ids[c]
		}
		p.layers = append(p.layers, l)
	}
}

// plan sums what the arena holds: the last layers' arena, inputs and outputs of all images that are not there, and the groups'
// arenas.
func (p *batchProgram) plan() {
	for _, id := range p.kept() {
		p.fixed += roundTo64(p.g.Node(id).Out.Bytes())
	}
	var slots, live int
	for _, part := range p.parts {
		slots = max(slots, part.slots*roundTo64(part.prog.arena))
		live = max(live, part.slots*part.prog.live)
	}
	p.memory = accel.Memory{Arena: p.fixed + slots, LiveSet: p.fixed + live}
	if p.post != nil {
		p.memory.Arena += roundTo64(p.post.arena)
		p.memory.LiveSet += p.post.live
		p.fixed += roundTo64(p.post.arena)
	}
	for i := range p.layers {
		p.layers[i].Live += p.memory.Arena - slots
	}
}

func roundTo64(n int) int { return (n + 63) &^ 63 }

// kept is the inputs and outputs of the graph that are none of the last layers'.
func (p *batchProgram) kept() (ids []graph.ID) {
	for _, id := range p.g.Inputs() {
		if !slices.Contains(p.postIns, id) {
			ids = append(ids, id)
		}
	}
	for _, id := range p.outs {
		if p.g.IsOutput(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// ArenaSize is the number of bytes of one session.
func (p *batchProgram) ArenaSize() int { return p.memory.Arena }

// Layers describes the steps: a group's with the work of all groups, then those of all images together.
func (p *batchProgram) Layers() []accel.Layer { return p.layers }

// Memory says what the program holds.
func (p *batchProgram) Memory() accel.Memory {
	m := p.memory
	m.Packed = p.packs.Bytes()
	return m
}

// Close ends the workers of the program's own.
func (p *batchProgram) Close() error {
	for _, part := range p.parts {
		for _, w := range part.pools {
			if w != p.pool {
				w.Close()
			}
		}
	}
	return nil
}

// batchState is a position in a batchProgram.
type batchState struct {
	prog            *batchProgram
	inputs, outputs []tensor.Tensor
	in              []tensor.Tensor   // all images' values of what groups read
	out             [][]tensor.Tensor // and where those that they give go
	slots           [][]batchSlot     // of each part
	post            *cpuState
	times           []int64

	ctx context.Context // of the run that is under way
	now int             // the part that is under way
}

// batchSlot is the state of one group, and what its worker found.
type batchSlot struct {
	*cpuState
	reads []batchRead
	spent []int64
	err   error
}

// batchRead is a tensor that is an input, or a view of one: it is read where all images' are.
type batchRead struct {
	of    *tensor.Tensor
	input int
}

// readers finds the tensors of s that are its inputs'.
func (s *cpuState) readers() (reads []batchRead) {
	look := func(t *tensor.Tensor, x graph.ID) {
		if k := s.prog.values[x].away; k > 0 {
			reads = append(reads, batchRead{t, k - 1})
		}
	}
	for i, st := range s.prog.steps {
		for j, x := range st.in {
			look(&s.args[i].In[j], x)
		}
	}
	for i, o := range s.prog.g.Outputs() {
		look(&s.outputs[i], o.ID)
	}
	return reads
}

// NewState binds the parts to an arena.
func (p *batchProgram) NewState(arena []byte) (accel.State, error) {
	arena, err := arenaFor(p.memory.Arena, arena)
	if err != nil {
		return nil, err
	}
	s := &batchState{prog: p}
	rest := arena
	take := func(n int) []byte {
		b := rest[:n:n]
		rest = rest[roundTo64(n):]
		return b
	}
	values := map[graph.ID][]tensor.Tensor{}
	keep := func(id graph.ID, t tensor.Tensor) { values[id] = append(values[id], t) }
	if p.post != nil {
		st, err := p.post.NewState(take(roundTo64(p.post.arena)))
		if err != nil {
			return nil, err
		}
		s.post = st.(*cpuState)
		for i, id := range p.postIns {
			keep(id, s.post.Input(i))
		}
		for i, id := range p.postOut {
			keep(id, s.post.Output(i))
		}
	}
	for _, id := range p.kept() {
		spec := p.g.Node(id).Out
		keep(id, tensor.Tensor{Spec: spec, Data: take(spec.Bytes())})
	}
	last := func(id graph.ID) tensor.Tensor { return values[id][len(values[id])-1] }
	for _, id := range p.ins {
		s.in = append(s.in, last(id))
	}
	for _, id := range p.outs {
		s.out = append(s.out, values[id])
	}
	for _, id := range p.g.Inputs() {
		s.inputs = append(s.inputs, last(id))
	}
	for _, o := range p.g.Outputs() {
		s.outputs = append(s.outputs, last(o.ID))
	}
	for _, part := range p.parts {
		rest = arena[p.fixed:]
		slots := make([]batchSlot, part.slots)
		for i := range slots {
			st, err := part.prog.NewState(take(part.prog.arena))
			if err != nil {
				return nil, err
			}
			slots[i].cpuState = st.(*cpuState)
			slots[i].reads = slots[i].readers()
			if part.pools != nil {
				for j := range slots[i].args {
					slots[i].args[j].Pool = part.pools[i]
				}
			}
		}
		s.slots = append(s.slots, slots)
	}
	return s, nil
}

// Input is input i in the arena.
func (s *batchState) Input(i int) tensor.Tensor { return s.inputs[i] }

// Output is output i in the arena.
func (s *batchState) Output(i int) tensor.Tensor { return s.outputs[i] }

// Close has nothing to free: the arena belongs to the caller.
func (s *batchState) Close() error { return nil }

// Times asks for the duration of each step: of groups that went side by side, their mean share of it.
func (s *batchState) Times(ns []int64) {
	s.times = ns
	for _, slots := range s.slots {
		for i := range slots {
			n := len(slots[i].args)
			slots[i].spent = nil
			if slots[i].Times(nil); ns != nil {
				slots[i].spent = make([]int64, n)
				slots[i].Times(make([]int64, n))
			}
		}
	}
	if s.post != nil {
		if s.post.Times(nil); ns != nil {
			s.post.Times(ns[len(ns)-len(s.post.args):])
		}
	}
}

// Run computes all groups, then the layers that they go through together.
func (s *batchState) Run(ctx context.Context) error {
	s.ctx = ctx
	defer func() { s.ctx = nil }()
	at := 0
	for i, part := range s.prog.parts {
		s.now = i
		if part.groups == 1 { // the workers are its own
			s.Do(0, 0)
		} else {
			s.prog.pool.Run(part.groups, s)
		}
		if err := s.finish(s.slots[i], at); err != nil {
			return err
		}
		at += len(part.prog.steps)
	}
	if s.post == nil {
		return nil
	}
	return s.post.Run(ctx)
}

// finish gathers what the workers of a part found, whose layers are those from at on.
func (s *batchState) finish(slots []batchSlot, at int) (err error) {
	for i := range slots {
		w := &slots[i]
		if err == nil {
			err = w.err
		}
		w.err = nil
		for j, ns := range w.spent {
			if i == 0 {
				s.times[at+j] = 0
			}
			s.times[at+j] += ns / int64(len(slots))
			w.spent[j] = 0
		}
	}
	return err
}

// Do computes group i of a part.
func (s *batchState) Do(i, worker int) {
	part := s.prog.parts[s.now]
	if part.groups <= part.slots { // of workers any may come
		worker = i
	}
	w := &s.slots[s.now][worker]
	if w.err != nil {
		return
	}
	i += part.first
	for _, r := range w.reads {
		r.of.Data = piece(s.in[r.input], i, r.of.Bytes())
	}
	if w.err = w.Run(s.ctx); w.err != nil {
		return
	}
	for j, to := range s.out {
		for _, t := range to {
			copy(piece(t, i, len(w.outputs[j].Data)), w.outputs[j].Data)
		}
	}
	for j := range w.spent {
		w.spent[j] += w.cpuState.times[j]
	}
}

// piece is the i-th n bytes of t.
func piece(t tensor.Tensor, i, n int) []byte { return t.Data[i*n : (i+1)*n] }
