package cuda

import (
	"fmt"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/accel/cuda/kernels"
	"github.com/teff-ml/teff/accel/plan"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// program is a graph lowered for the device: launches, where values lie in an
// arena, and the weights' addresses.
type program struct {
	b       *backend
	g       *graph.Graph
	l       *lowering
	ins     []carried // what a session copies to the device
	outs    []carried // and back
	own     int       // bytes of a trainer's memory
	state   driver.Ptr
	weights []driver.Ptr
	slabs   []*slab // where they lie
	states  int     // open
	closed  bool
	funcs   [][]driver.Func // of each step's launches
	offsets []int           // of the arena's buffers
	arena   int
	live    int
	layers  []accel.Layer
}

// Compile lowers the whole graph, or says which node has no kernel; then it
// brings the weights to the device that are not there yet, and plans the arena.
// Of the options the precision counts; plain float32 is exact as it is.
func (b *backend) Compile(g *graph.Graph, o accel.Options) (accel.Program, error) {
	nums, err := numbersOf(o.Precision)
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	d := b.machine()
	if d.capability < nums.needs {
		return nil, fmt.Errorf("cuda: precision %v needs tensor cores of compute capability %d.%d, %s has %d.%d",
			o.Precision, nums.needs/10, nums.needs%10, b.drv.Name(), d.capability/10, d.capability%10)
	}
	l, err := lower(g, nums, d)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	p := &program{b: b, g: g, l: l}
	for i, id := range g.Inputs() {
		p.ins = append(p.ins, carried{g.Node(id).Out, l.inputs[i]})
	}
	for i, o := range g.Outputs() {
		p.outs = append(p.outs, carried{g.Node(o.ID).Out, l.outputs[i]})
	}
	if err := p.place(); err != nil {
		return nil, err
	}
	for _, s := range l.steps {
		p.layers = append(p.layers, p.layer(s))
	}
	return p, nil
}

// carried is a value that goes between this machine and the device.
type carried struct {
	spec tensor.Spec
	ref  ref
}

// place finds the kernels, brings the weights and plans the arena. b.mu is held.
func (p *program) place() error {
	for _, s := range p.l.steps {
		var fs []driver.Func
		for _, c := range s.launches {
			f, err := p.b.function(c.kernel)
			if err != nil {
				return err
			}
			if want := kernels.Params(c.kernel); want != len(c.params) {
				return fmt.Errorf("BUG: cuda: kernel %s takes %d parameters, not %d", c.kernel, want, len(c.params))
			}
			fs = append(fs, f)
		}
		p.funcs = append(p.funcs, fs)
	}
	var err error
	if p.weights, p.slabs, err = p.b.upload(p.l.weights); err != nil {
		return err
	}
	pn := plan.Greedy(p.l.spans)
	p.offsets, p.arena, p.live = pn.Offsets, pn.Size, plan.LowerBound(p.l.spans)
	return nil
}

func (p *program) layer(s step) accel.Layer {
	n := p.g.Node(s.node)
	l := accel.Layer{
		ID: s.node, Name: n.Name, Kind: n.Op.Kind(), Path: "cuda/" + s.launches[0].kernel, Out: n.Out,
		Scratch: s.scratch,
	}
	if !s.cast {
		l.MACs = p.g.MACs(s.node)
		for _, t := range n.Params {
			l.Params += t.Shape.Elems()
		}
	}
	for _, sp := range p.l.spans {
		if sp.First <= s.at && s.at <= sp.Last {
			l.Live += sp.Bytes
		}
	}
	return l
}

// ArenaSize is the bytes of one session on the device.
func (p *program) ArenaSize() int { return p.arena }

// Layers describes the steps.
func (p *program) Layers() []accel.Layer { return p.layers }

// Memory says what the program holds on the device.
func (p *program) Memory() accel.Memory {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return accel.Memory{Arena: p.arena, LiveSet: p.live, Packed: p.b.bytes}
}

// address is where a ref lies in a session whose arena starts at base.
func (p *program) address(r ref, base driver.Ptr) driver.Ptr {
	switch r.in {
	case inArena:
		return base + driver.Ptr(p.offsets[r.index]+r.offset)
	case inWeight:
		return p.weights[r.index] + driver.Ptr(r.offset)
	case inState:
		return p.state + driver.Ptr(r.offset)
	}
	return 0
}
