package graph

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// ErrBigEndian says that this processor keeps the high byte first. Tensors are
// little-endian, in files and in memory, and kernels read them as they are: a
// network would run and give nonsense.
var ErrBigEndian = errors.New("graph: big-endian processors are not supported")

// Builder makes a graph node by node. The first error sticks: later calls do
// nothing and Build returns it, so a caller need not check each Add.
type Builder struct {
	g     Graph
	names map[string]int
	err   error

	// In a Rewrite: the graph it reads, and the node it is at.
	from *Graph
	at   ID
}

// NewBuilder starts a graph of that name (which may be empty) with batch 1.
func NewBuilder(name string) *Builder { return NewBuilderBatch(name, 1) }

// NewBuilderBatch is NewBuilder whose specs are inferred for another batch
// while the graph is built; Build returns the graph at that batch.
//
//go:noinline
func NewBuilderBatch(name string, batch int) *Builder {
	b := &Builder{g: Graph{name: name, batch: batch}, names: map[string]int{}}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		b.err = ErrBigEndian
	}
	return b
}

// Err is the error that stuck, if any.
func (b *Builder) Err() error { return b.err }

// Fail makes err stick, unless another did before.
func (b *Builder) Fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Spec is the spec of a node's value so far.
//
//go:noinline
func (b *Builder) Spec(id ID) tensor.Spec {
	if b.err != nil || int(id) >= len(b.g.nodes) || id < 0 {
		return tensor.Spec{}
	}
	return b.g.nodes[id].Out
}

// Node is node id so far, nil where there is none. It must not be changed.
//
//go:noinline
func (b *Builder) Node(id ID) *Node {
	if int(id) >= len(b.g.nodes) || id < 0 {
		return nil
	}
	return &b.g.nodes[id]
}

// Batch is the batch size specs are inferred for.
func (b *Builder) Batch() int { return b.g.batch }

// Len is the number of nodes so far.
func (b *Builder) Len() int { return len(b.g.nodes) }

// Input declares an input. With batched, dimension 0 is the batch, whatever
// spec says there.
func (b *Builder) Input(name string, spec tensor.Spec, batched bool) ID {
	dims := spec.Shape.Dims()
	if batched && len(dims) > 0 {
		dims[0] = 1
	}
	return b.Add(name, &ops.Input{Type: ops.OutTypeOf(spec), Dims: dims, Batch: batched}, nil)
}

// Const adds a value known now.
func (b *Builder) Const(name string, t tensor.Tensor) ID {
	return b.Add(name, &ops.Constant{}, []tensor.Tensor{t})
}

// Add appends a node. An empty or taken name is made unique. The operator
// and the parameters belong to the graph from here on.
func (b *Builder) Add(name string, op ops.Op, params []tensor.Tensor, in ...ID) ID {
	if b.err != nil {
		return 0
	}
	id := ID(len(b.g.nodes))
	if op == nil {
		b.err = fmt.Errorf("graph: node %d %q: %w", id, name, ErrNil)
		return 0
	}
	nd := Node{Name: b.unique(name, op.Kind()), Op: op, In: in, Params: params}
	for i, x := range in {
		if x < 0 || x >= id {
			b.err = &NodeError{id, nd.Name, op.Kind(), fmt.Errorf("input %d is node %d, which is not there yet", i, x)}
			return 0
		}
	}
	for i, p := range params {
		if err := p.Check(); err != nil {
			b.err = &NodeError{id, nd.Name, op.Kind(), fmt.Errorf("parameter %d: %w", i, err)}
			return 0
		}
	}
	out, err := infer(b.g.nodes, &nd, b.g.batch)
	if err != nil {
		b.err = &NodeError{id, nd.Name, op.Kind(), err}
		return 0
	}
	nd.Out = out
	b.g.nodes = append(b.g.nodes, nd)
	if op.Kind() == ops.KindInput {
		b.g.inputs = append(b.g.inputs, id)
	}
	return id
}

// Supersede adds a node that takes the name and the place of old, which keeps
// its value for now but is not read any more once the graph is cleaned.
func (b *Builder) Supersede(old ID, op ops.Op, params []tensor.Tensor, in ...ID) ID {
	if b.err != nil {
		return 0
	}
	name := b.g.nodes[old].Name
	if op == nil {
		return b.Add(name, nil, params) // which refuses it
	}
	delete(b.names, name)
	b.g.nodes[old].Name = b.unique("superseded", op.Kind())
	return b.Add(name, op, params, in...)
}

func (b *Builder) unique(name string, k ops.Kind) string {
	if name == "" {
		name = k.String()
	}
	n, taken := b.names[name]
	b.names[name] = n + 1
	if !taken {
		return name
	}
	for {
		n++
		try := fmt.Sprintf("%s_%d", name, n)
		if _, taken := b.names[try]; !taken {
			b.names[name], b.names[try] = n, 0
			return try
		}
	}
}

// Output names a node's value as a result of the graph.
func (b *Builder) Output(name string, id ID) {
	if b.err != nil {
		return
	}
	if id < 0 || int(id) >= len(b.g.nodes) {
		b.err = fmt.Errorf("graph: output %q is node %d, which is not there", name, id)
		return
	}
	b.g.outputs = append(b.g.outputs, Output{name, id})
}

// Build is the finished graph. The builder must not be used again.
func (b *Builder) Build() (*Graph, error) {
	if b.err != nil {
		return nil, b.err
	}
	if len(b.g.outputs) == 0 {
		return nil, fmt.Errorf("graph: %q has no outputs", b.g.name)
	}
	g := b.g
	g.results = make([]bool, len(g.nodes))
	for _, o := range g.outputs {
		g.results[o.ID] = true
	}
	return &g, nil
}

// Rewrite copies g node by node. For each node f adds what it wants in its
// place to b, given the new IDs of its inputs, and returns the ID of the value
// that stands for the node's; or it calls b.Keep. Names, outputs and batch are
// carried over; outputs that f names with b.Output come before those. A node that
// f answers with -1 has no value any more: nothing may read it.
func Rewrite(g *Graph, f func(b *Builder, id ID, n *Node, in []ID) ID) (*Graph, error) {
	if g == nil {
		return nil, ErrNil
	}
	b := NewBuilderBatch(g.name, g.batch)
	b.from = g
	b.g.nodes = make([]Node, 0, len(g.nodes)+8)
	m := make([]ID, len(g.nodes))
	for i := range g.nodes {
		n := &g.nodes[i]
		b.at = ID(i)
		in := make([]ID, len(n.In))
		for j, x := range n.In {
			in[j] = m[x] // Add refuses -1, so only a node that goes too may read it
		}
		m[i] = f(b, ID(i), n, in)
		if b.err != nil {
			return nil, b.err
		}
	}
	for _, o := range g.outputs {
		if m[o.ID] < 0 {
			return nil, fmt.Errorf("BUG: graph: output %q was removed", o.Name)
		}
		b.Output(o.Name, m[o.ID])
	}
	return b.Build()
}

// Keep adds a copy of n with the given inputs.
func (b *Builder) Keep(n *Node, in []ID) ID {
	if b.err != nil || !b.same(n, in) {
		return b.Add(n.Name, n.Op, n.Params, in...)
	}
	// The node was inferred with these very operands when its graph was built.
	id := ID(len(b.g.nodes))
	nd := *n
	nd.Name, nd.In = b.unique(n.Name, n.Op.Kind()), in
	b.g.nodes = append(b.g.nodes, nd)
	if n.Op.Kind() == ops.KindInput {
		b.g.inputs = append(b.g.inputs, id)
	}
	return id
}

// same reports that n is the node a Rewrite is at, and its inputs are of the
// specs that they were.
func (b *Builder) same(n *Node, in []ID) bool {
	if b.from == nil || n != &b.from.nodes[b.at] || len(in) != len(n.In) {
		return false
	}
	for i, x := range in {
		if x < 0 || int(x) >= len(b.g.nodes) || !b.g.nodes[x].Out.Equal(b.from.nodes[n.In[i]].Out) {
			return false
		}
	}
	return true
}

// Pass is a transformation that keeps what the graph computes.
type Pass func(*Graph) (*Graph, error)
