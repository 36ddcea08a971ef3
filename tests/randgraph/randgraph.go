// Package randgraph makes random networks for property tests, and computes
// networks slowly, node by node, with the kernels that define the operators.
//
// A network depends on its seed alone. It is small, of floats, has one or two
// inputs and one to three results, and mixes what importers leave behind:
// layout changes, padding, batch norm, activations written out, constants of
// constants, residual additions, values with many readers or none.
package randgraph

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// maxElems bounds the size of a value for a batch of 1.
const maxElems = 2048

// Options choose what a network has in it.
type Options struct {
	Nodes int  // about how many operators; 0 means 5 to 25
	Fixed bool // inputs with a fixed batch of 2 instead of a batch to choose
}

// gen is a network in the making.
type gen struct {
	*rand.Rand
	b    *graph.Builder
	vals []graph.ID // values to read: the later ones more often
}

// New is the network of a seed.
func New(seed uint64, o Options) (*graph.Graph, error) {
	g := &gen{Rand: rand.New(rand.NewPCG(seed, 0x7eff)), b: graph.NewBuilder(fmt.Sprintf("random %d", seed))}
	n := o.Nodes
	if n == 0 {
		n = 5 + g.IntN(21)
	}
	for i := range 1 + g.IntN(2) {
		dims := g.inputDims()
		if o.Fixed {
			dims[0] = 2
		}
		g.vals = append(g.vals, g.b.Input(fmt.Sprintf("in%d", i), tensor.F32Spec(dims...), !o.Fixed))
	}
	for tries := 0; g.b.Len() < n && tries < 20*n; tries++ {
		g.step()
		if err := g.b.Err(); err != nil {
			return nil, fmt.Errorf("randgraph: seed %d: %w", seed, err)
		}
	}
	g.b.Output("last", g.vals[len(g.vals)-1])
	for i := range g.IntN(3) {
		g.b.Output(fmt.Sprintf("out%d", i), g.pick())
	}
	return g.b.Build()
}

// inputDims is a shape with a batch of 1: images mostly, sequences, volumes,
// vectors.
func (g *gen) inputDims() []int {
	c := []int{1, 2, 3, 4, 6, 8}[g.IntN(6)]
	switch g.IntN(8) {
	case 0:
		return []int{1, 4 + g.IntN(12), c}
	case 1:
		return []int{1, 2 + g.IntN(3), 3 + g.IntN(3), 3 + g.IntN(4), c}
	case 2:
		return []int{1, 4 * c}
	}
	return []int{1, 4 + g.IntN(6), 4 + g.IntN(6), c}
}

// pick is some value, more often a late one.
func (g *gen) pick() graph.ID {
	n := len(g.vals)
	if g.IntN(3) > 0 {
		return g.vals[n-1-g.IntN(min(n, 3))]
	}
	return g.vals[g.IntN(n)]
}

func (g *gen) shape(id graph.ID) tensor.Shape { return g.b.Spec(id).Shape }

// add appends a node whose value may be read.
func (g *gen) add(op ops.Op, params []tensor.Tensor, in ...graph.ID) graph.ID {
	id := g.b.Add("", op, params, in...)
	if g.b.Err() == nil {
		g.vals = append(g.vals, id)
	}
	return id
}

// fits reports operands that op takes, for a result of bearable size.
func (g *gen) fits(op ops.Op, params []tensor.Tensor, in ...graph.ID) bool {
	var specs []tensor.Spec
	for _, x := range in {
		specs = append(specs, g.b.Spec(x))
	}
	s, err := op.Infer(specs, ops.Specs(params))
	return err == nil && s.Shape.Elems() <= maxElems && s.Shape.Elems() > 0
}

// try adds a node if it fits.
func (g *gen) try(op ops.Op, params []tensor.Tensor, in ...graph.ID) (graph.ID, bool) {
	if !g.fits(op, params, in...) {
		return 0, false
	}
	return g.add(op, params, in...), true
}

// values is a tensor of normally distributed numbers.
func (g *gen) values(scale float64, dims ...int) tensor.Tensor {
	t := tensor.New(tensor.F32Spec(dims...))
	for i := range t.F32() {
		t.F32()[i] = float32(g.NormFloat64() * scale)
	}
	return t
}

// between is a tensor of numbers in [lo, hi].
func (g *gen) between(lo, hi float64, dims ...int) tensor.Tensor {
	t := tensor.New(tensor.F32Spec(dims...))
	for i := range t.F32() {
		t.F32()[i] = float32(lo + (hi-lo)*g.Float64())
	}
	return t
}

// weights are operands from the second on: as parameters, or as Constant nodes.
func (g *gen) weights(x graph.ID, ts ...tensor.Tensor) (params []tensor.Tensor, in []graph.ID) {
	in = []graph.ID{x}
	if g.IntN(2) == 0 {
		return ts, in
	}
	for _, t := range ts {
		in = append(in, g.b.Const("", t))
	}
	return nil, in
}

// Inputs are random values for g's inputs, and the same for each seed.
func Inputs(g *graph.Graph, seed uint64) []tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	var ts []tensor.Tensor
	for _, id := range g.Inputs() {
		t := tensor.New(g.Node(id).Out)
		switch t.DType {
		case tensor.F32:
			for i := range t.F32() {
				t.F32()[i] = float32(r.NormFloat64())
			}
		case tensor.I8, tensor.U8:
			for i := range t.Data {
				t.Data[i] = byte(r.Uint32())
			}
		}
		ts = append(ts, t)
	}
	return ts
}

// Eval computes g's results with the reference kernels.
func Eval(g *graph.Graph, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
	vals := make([]tensor.Tensor, g.Len())
	for i, id := range g.Inputs() {
		if !inputs[i].Spec.Equal(g.Node(id).Out) {
			return nil, fmt.Errorf("randgraph: input %d is %v, want %v", i, inputs[i].Spec, g.Node(id).Out)
		}
		vals[id] = inputs[i]
	}
	last := make([]int, g.Len()) // reader after which a value can go
	for i := range vals {
		for _, x := range g.Node(graph.ID(i)).In {
			last[x] = i
		}
	}
	for _, o := range g.Outputs() {
		last[o.ID] = g.Len()
	}
	for i := range vals {
		n := g.Node(graph.ID(i))
		switch n.Op.Kind() {
		case ops.KindInput:
			continue
		case ops.KindConstant:
			vals[i] = n.Params[0]
			continue
		}
		in := make([]tensor.Tensor, len(n.In))
		for j, x := range n.In {
			in[j] = vals[x]
		}
		t, err := ops.Run(n.Op, in, n.Params)
		if err != nil {
			return nil, fmt.Errorf("randgraph: node %d %q: %w", i, n.Name, err)
		}
		if !t.Spec.Equal(n.Out) {
			return nil, fmt.Errorf("randgraph: node %d %q is %v, its graph says %v", i, n.Name, t.Spec, n.Out)
		}
		vals[i] = t
		for _, x := range n.In {
			if last[x] == i {
				vals[x] = tensor.Tensor{}
			}
		}
	}
	var out []tensor.Tensor
	for _, o := range g.Outputs() {
		out = append(out, vals[o.ID])
	}
	return out, nil
}

// Distance is the largest difference of two tensors, as a part of the largest
// number in want (of 0.1 at least); 0 only for equal numbers. NaNs are equal to each other and
// infinitely far from numbers.
func Distance(want, got tensor.Tensor) float64 {
	if !want.Spec.Equal(got.Spec) {
		return math.Inf(1)
	}
	if want.DType != tensor.F32 {
		if string(want.Data) != string(got.Data) {
			return math.Inf(1)
		}
		return 0
	}
	diff, size := 0.0, 0.1 // a result near 0 is what is left of larger numbers
	for i, w := range want.F32() {
		w, v := float64(w), float64(got.F32()[i])
		switch {
		case w == v || math.IsNaN(w) && math.IsNaN(v):
		case math.IsNaN(w-v) || math.IsInf(w-v, 0):
			return math.Inf(1)
		default:
			diff = max(diff, math.Abs(w-v))
		}
		if !math.IsNaN(w) && !math.IsInf(w, 0) {
			size = max(size, math.Abs(w))
		}
	}
	return diff / size
}
