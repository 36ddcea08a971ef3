package cuda

import (
	"fmt"
	"math"

	"github.com/teff-ml/teff/accel/plan"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// ref is an address that is known once memory is planned: bytes behind the
// start of a buffer of the arena, or of a weight.
type ref struct {
	in     memory
	index  int
	offset int
}

// memory says what a ref's index counts.
type memory uint8

const (
	nowhere  memory = iota // the null address
	inArena                // a buffer of the session's arena
	inWeight               // a weight on the device
	inState                // a trainer's memory, index 0
)

// param is one parameter of a kernel: an address, or 8 bytes as they are.
type param struct {
	ref  ref
	bits uint64
	addr bool
}

func at(r ref) param      { return param{ref: r, addr: true} }
func num(v float64) param { return param{bits: math.Float64bits(v)} }
func int64Of(n int) param { return param{bits: uint64(int64(n))} }
func ints(ns ...int) (p []param) {
	for _, n := range ns {
		p = append(p, int64Of(n))
	}
	return p
}

// launch is one kernel call.
type launch struct {
	kernel string
	grid   [3]int
	params []param
}

// step is the launches of one node, or what brings a value into the device's
// numbers or out of them.
type step struct {
	node     graph.ID
	at       int // when, of the plan
	cast     bool
	launches []launch
	scratch  int // bytes
}

// machine is what matters of a device.
type machine struct {
	processors int
	capability int // 80 is 8.0
}

// lowering turns nodes into launches and values into places.
type lowering struct {
	g *graph.Graph
	numbers
	machine
	inputs  []ref // where they are copied to
	outputs []ref // where they are copied from
	lastUse []int
	values  []ref
	spans   []plan.Span
	weights []weight
	steps   []step
	parts   map[graph.ID]part // values that are written where a concatenation has them
	wholes  map[graph.ID]ref  // concatenations with such parts
	own     map[*byte]ref     // weights that a trainer changes
	wide    []bool            // values that are float32 where the program's are of two bytes
	full    []bool            // nodes that compute in float32 where the program's products do not; nil: none
}

func newLowering(g *graph.Graph, nums numbers, d machine) *lowering {
	return &lowering{g: g, numbers: nums, machine: d, values: make([]ref, g.Len())}
}

// lower is the whole graph, or the first node that cannot be done.
func lower(g *graph.Graph, nums numbers, d machine) (*lowering, error) {
	l := newLowering(g, nums, d)
	l.lastUse = make([]int, g.Len())
	for i, us := range g.Consumers() {
		l.lastUse[i] = i
		for _, u := range us {
			l.lastUse[i] = max(l.lastUse[i], int(u))
		}
	}
	for _, o := range g.Outputs() {
		l.lastUse[o.ID] = g.Len()
	}
	l.widen()
	l.join()
	for i := range g.Len() {
		s, err := lowerNode(l, graph.ID(i))
		if err != nil {
			n := g.Node(graph.ID(i))
			return nil, fmt.Errorf("cuda: %w", &graph.NodeError{ID: graph.ID(i), Name: n.Name, Kind: n.Op.Kind(), Err: err})
		}
		if len(s.launches) > 0 {
			l.steps = append(l.steps, s)
		}
	}
	for _, o := range g.Outputs() {
		l.output(o.ID)
	}
	return l, nil
}

// output is where a result is copied from: its own memory, or that of a copy as
// float32.
func (l *lowering) output(id graph.ID) {
	r := l.values[id]
	if l.size != 4 && !l.isWide(id) {
		nd := l.node(id)
		nd.step.at, nd.step.cast = l.g.Len(), true
		wide := l.buffer(nd.Out.Bytes(), l.g.Len(), l.g.Len())
		nd.count("widen_"+l.element, nd.Out.Shape.Elems(), []param{at(r), at(wide)}, ints(nd.Out.Shape.Elems()))
		l.steps = append(l.steps, nd.step)
		r = wide
	}
	l.outputs = append(l.outputs, r)
}

// input is where the value of an input is copied to: its own memory, or that of a
// copy as float32.
func (n *node) input() error {
	r := n.y
	if n.size != 4 {
		n.step.cast = true
		r = n.buffer(n.Out.Bytes(), -1, int(n.id))
		n.each("narrow", n.Out.Shape.Elems(), []param{at(r), at(n.y)}, ints(n.Out.Shape.Elems()))
	}
	n.inputs = append(n.inputs, r)
	return nil
}

// node is one node while it is lowered.
type node struct {
	*lowering
	*graph.Node
	numbers // the program's, or float32
	id      graph.ID
	step    step
	y       ref // its value
	rows    int // elements from one row of y to the next, where rows have gaps; else 0
}

// node is a node about to be lowered.
func (l *lowering) node(id graph.ID) *node {
	n := &node{lowering: l, Node: l.g.Node(id), numbers: l.numbers, id: id, step: step{node: id, at: int(id)}}
	if l.isFull(id) {
		n.numbers = float32s()
	}
	return n
}

// lowerNode is the launches of one node, or why there are none. It is also
// what Supports asks: it looks at no value of another node but its spec.
func lowerNode(l *lowering, id graph.ID) (step, error) {
	nd := l.node(id)
	if err := nd.check(); err != nil {
		return step{}, err
	}
	if nd.viewed() {
		return nd.step, nil
	}
	first := int(id)
	if nd.Op.Kind() == ops.KindInput && nd.size == 4 {
		first = -1 // inputs are copied before the first step
	}
	nd.y, nd.rows = l.place(id, first)
	l.values[id] = nd.y
	return nd.step, nd.lower()
}

// check refuses what no kernel can read or write.
func (n *node) check() error {
	specs := append([]tensor.Spec{n.Out}, ops.Specs(n.Params)...)
	for _, x := range n.In {
		specs = append(specs, n.g.Node(x).Out)
	}
	for i, s := range specs {
		param := 0 < i && i <= len(n.Params)
		switch {
		case s.DType == tensor.F32, s.DType.IsInt8() && n.size == 4:
		case s.DType == tensor.I32 && param && n.integer(): // a bias
		case s.DType.IsInt8():
			return fmt.Errorf("%v: integers and activations of %s do not go together", s, n.element)
		default:
			return fmt.Errorf("%v: this backend computes with f32, i8 and u8", s)
		}
		if s.Shape.Elems() == 0 {
			return fmt.Errorf("%v has no elements", s)
		}
	}
	return nil
}

// last is the last step that reads a value.
func (l *lowering) last(id graph.ID) int {
	if l.lastUse == nil { // Supports
		return int(id)
	}
	return l.lastUse[id]
}

// buffer is new memory in the arena.
func (l *lowering) buffer(bytes, first, last int) ref {
	l.spans = append(l.spans, plan.Span{Bytes: bytes, First: first, Last: last})
	return ref{in: inArena, index: len(l.spans) - 1}
}

// weight is a tensor on the device, stored as the node's activations are.
func (n *node) weight(t tensor.Tensor) ref { return n.made(n.stored(t)) }

// made is a weight on the device, as it is or changed.
func (l *lowering) made(w weight) ref {
	if r, ok := l.own[w.key.from[0]]; ok && w.key.form == "" {
		return r
	}
	l.weights = append(l.weights, w)
	return ref{in: inWeight, index: len(l.weights) - 1}
}

// changes says that a trainer changes a weight: what is known of it now will not do.
func (l *lowering) changes(t tensor.Tensor) bool {
	_, own := l.own[&t.Data[0]]
	return own
}

// viewed gives a value that needs no step its place: a constant among the
// weights, another shape of its input in that input's memory.
func (n *node) viewed() bool {
	switch o := n.Op.(type) {
	case *ops.Constant:
		n.values[n.id] = n.weight(n.Params[0])
		return true
	case *ops.Dropout:
		if o.Training || o.Output != 0 {
			return false
		}
	case *ops.Unary:
		if o.Fn != ops.UnaryNone || n.integer() {
			return false
		}
	case *ops.Reshape, *ops.Identity, *ops.Cast:
		if x := n.spec(0); x.DType != n.Out.DType || !x.Quant.Equal(n.Out.Quant) {
			return false
		}
	default:
		return false
	}
	v := n.operand(0)
	n.values[n.id] = v
	if v.in == inArena && n.lastUse != nil {
		s := &n.spans[v.index]
		s.Last = max(s.Last, n.last(n.id))
	}
	return true
}

// threads is the size of every block.
const threads = 256

// maxGrid bounds the second and third dimension of a grid; the first has 2³¹-1.
const maxGrid = 65535

// call adds a launch of a kernel on a grid of blocks.
func (n *node) call(kernel string, grid [3]int, params ...[]param) {
	l := launch{kernel: kernel, grid: grid}
	for _, p := range params {
		l.params = append(l.params, p...)
	}
	n.step.launches = append(n.step.launches, l)
}

// each adds a launch with a thread for each of elems elements, of the kernel for
// the program's numbers.
func (n *node) each(kernel string, elems int, params ...[]param) {
	n.count(kernel+"_"+n.element, elems, params...)
}

// count is each for a kernel by its whole name.
func (n *node) count(kernel string, elems int, params ...[]param) {
	n.call(kernel, [3]int{(elems + threads - 1) / threads, 1, 1}, params...)
}

func (n *node) lower() error {
	if n.integer() {
		return n.lowerInt()
	}
	switch o := n.Op.(type) {
	case *ops.Input:
		return n.input()
	case *ops.Conv:
		return n.conv(o)
	case *ops.Dense:
		return n.dense(o)
	case *ops.Pool:
		return n.pool(o)
	case *ops.GlobalPool:
		return n.globalPool(o)
	case *ops.Softmax:
		return n.softmax(o)
	case *ops.Binary:
		return n.binary(o)
	case *ops.Unary:
		return n.activate(o.Fn, o.A, o.B, n.operand(0), n.y, n.Out.Shape.Elems())
	case *ops.PRelu:
		return n.prelu()
	case *ops.BatchNorm:
		return n.batchNorm(o)
	case *ops.Concat:
		return n.concat(o)
	case *ops.Slice:
		return n.slice(o)
	case *ops.Pad:
		return n.pad(o)
	case *ops.Transpose:
		return n.transpose(o)
	case *ops.Expand:
		n.expand()
		return nil
	case *ops.MatMul:
		return n.matMul(o)
	case *ops.Reduce:
		return n.reduce(o)
	case *ops.GroupNorm:
		return n.groupNorm(o)
	case *ops.LayerNorm:
		return n.layerNorm(o)
	case *ops.ConvTranspose:
		return n.convTranspose(o)
	case *ops.Resize:
		return n.resize(o)
	}
	return fmt.Errorf("%v has no kernel", n.Op.Kind())
}
