// Package graph is the portable graph of a network: immutable, single
// assignment, in execution order, one output a node, so that a node's ID names
// its value. It is what a file holds; nothing in it depends on a machine.
//
// A pass takes a graph and returns another. Passes are in package passes.
package graph

import (
	"errors"
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
)

// ErrNil says that there is a nil where a graph should be, or an operator: what
// an error that was not looked at leaves.
var ErrNil = errors.New("graph: nil graph or operator")

// ID names a node and its value: its place in execution order.
type ID int32

// Node is one operator with its operands. Its fields are not to be changed.
type Node struct {
	Name   string
	Op     ops.Op
	In     []ID
	Params []tensor.Tensor
	Out    tensor.Spec // with the batch of the graph
}

// Output is a named result of the graph.
type Output struct {
	Name string
	ID   ID
}

// Graph is a network.
type Graph struct {
	name    string
	nodes   []Node
	inputs  []ID
	outputs []Output
	results []bool // of each node: whether it is an output
	batch   int
}

// Name is what the source called the network; it may be empty.
func (g *Graph) Name() string { return g.name }

// Len is the number of nodes.
func (g *Graph) Len() int { return len(g.nodes) }

// Node is node id. The result is shared and must not be changed.
//
//go:noinline
func (g *Graph) Node(id ID) *Node { return &g.nodes[id] }

// Inputs are the Input nodes in the order in which they were declared.
func (g *Graph) Inputs() []ID { return g.inputs }

// Outputs are the results.
func (g *Graph) Outputs() []Output { return g.outputs }

// Batch is the batch size the specs were inferred with: 1 as built.
func (g *Graph) Batch() int { return g.batch }

// Batched reports whether any input's first dimension is the batch.
//
//go:noinline
func (g *Graph) Batched() bool {
	for _, id := range g.inputs {
		if g.nodes[id].Op.(*ops.Input).Batch {
			return true
		}
	}
	return false
}

// Consumers is, for each node, the nodes that read its value, in order; a node
// that reads it twice is there twice. Outputs of the graph do not count.
func (g *Graph) Consumers() [][]ID {
	c := make([][]ID, len(g.nodes))
	for i := range g.nodes {
		for _, in := range g.nodes[i].In {
			c[in] = append(c[in], ID(i))
		}
	}
	return c
}

// IsOutput reports whether id is a result of the graph.
//
//go:noinline
func (g *Graph) IsOutput(id ID) bool {
	return id >= 0 && int(id) < len(g.results) && g.results[id]
}

// WithBatch is the graph with another batch size: every spec inferred anew. A
// network that cannot run at this size says at which node.
func (g *Graph) WithBatch(n int) (*Graph, error) {
	if g == nil {
		return nil, ErrNil
	}
	if n < 1 {
		return nil, fmt.Errorf("graph: batch %d", n)
	}
	if n == g.batch {
		return g, nil
	}
	if !g.Batched() {
		return nil, fmt.Errorf("graph: the network's inputs have the fixed batch %d, it does not run at %d", g.batch, n)
	}
	return g.inferred(n)
}

// inferred is a copy of g with every spec inferred for batch n.
func (g *Graph) inferred(n int) (*Graph, error) {
	h := *g
	h.batch = n
	h.nodes = make([]Node, len(g.nodes))
	copy(h.nodes, g.nodes)
	for i := range h.nodes {
		nd := &h.nodes[i]
		out, err := infer(h.nodes, nd, n)
		if err != nil {
			return nil, &NodeError{ID(i), nd.Name, nd.Op.Kind(), err}
		}
		nd.Out = out
	}
	return &h, nil
}

// infer is the spec of nd, whose inputs are in nodes.
func infer(nodes []Node, nd *Node, batch int) (tensor.Spec, error) {
	in := make([]tensor.Spec, len(nd.In))
	for i, id := range nd.In {
		in[i] = nodes[id].Out
	}
	out, err := nd.Op.Infer(in, ops.Specs(nd.Params))
	if err != nil {
		return out, err
	}
	if o, ok := nd.Op.(*ops.Input); ok && o.Batch {
		s := out.Shape.Dims()
		s[0] = batch
		out.Shape, err = tensor.NewShape(s...)
	}
	return out, err
}

// NodeError says which node an error is about.
type NodeError struct {
	ID   ID
	Name string
	Kind ops.Kind
	Err  error
}

func (e *NodeError) Error() string {
	return fmt.Sprintf("graph: node %d %q (%v): %v", e.ID, e.Name, e.Kind, e.Err)
}

func (e *NodeError) Unwrap() error { return e.Err }

// ParamCount is the number of weights in the graph: elements of every
// parameter but those of Constant nodes holding integers (shapes, indices).
func (g *Graph) ParamCount() int {
	n := 0
	for i := range g.nodes {
		nd := &g.nodes[i]
		for _, p := range nd.Params {
			if nd.Op.Kind() == ops.KindConstant && !p.DType.IsFloat() {
				continue
			}
			n += p.Shape.Elems()
		}
	}
	return n
}

// HeldBytes is the memory of all parameters: ParamBytes, but for those that are
// kept in fewer bits.
func (g *Graph) HeldBytes() int {
	n := 0
	for i := range g.nodes {
		for _, p := range g.nodes[i].Params {
			if n += len(p.Data); p.Source() != nil {
				n += p.Source().Size()
			}
		}
	}
	return n
}

// ParamBytes is the number of bytes of all parameters, decoded.
func (g *Graph) ParamBytes() int {
	n := 0
	for i := range g.nodes {
		for _, p := range g.nodes[i].Params {
			n += p.Held()
		}
	}
	return n
}
