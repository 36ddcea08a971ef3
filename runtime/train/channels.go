package train

import (
	"fmt"
	"slices"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Some output channels of a layer can learn alone. Their weights' gradient is
// that of a narrower layer: the same operator with those channels only, given
// their columns of the result's gradient. It is as small as they are, and so
// are the optimiser's state and the accumulated gradient.

// channels are the output channels of parameter j of a node that learn, nil for
// all.
func (c *Config) channels(n *graph.Node, j int) ([]int, error) {
	if c.Channels == nil || !hasChannels(n, j) || !c.learns(n, j) {
		return nil, nil
	}
	chosen := c.Channels(n, j)
	if chosen == nil {
		return nil, nil
	}
	all := n.Params[j].Shape.Dim(0)
	for i, v := range chosen {
		if v < 0 || v >= all || i > 0 && v <= chosen[i-1] {
			return nil, fmt.Errorf("train: %s: channels %v, want them ascending below %d", paramName(n, j), chosen, all)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("train: %s: no channels", paramName(n, j))
	}
	if len(chosen) == all {
		return nil, nil
	}
	return slices.Clone(chosen), nil
}

// hasChannels reports weights of which single output channels can learn.
func hasChannels(n *graph.Node, j int) bool {
	if j != 0 || len(n.In) != 1 || len(n.Params) == 0 || n.Params[0].DType != tensor.F32 {
		return false
	}
	switch op := n.Op.(type) {
	case *ops.Conv:
		return op.Groups <= 1 && !op.Residual
	case *ops.Dense:
		return !op.Residual
	}
	return false
}

// narrowStep is the weight gradient of some channels of a layer.
type narrowStep struct {
	kernel             ops.GradKernel
	channels           []int
	params             []tensor.Tensor
	in                 tensor.Spec
	out                tensor.Spec
	dout, act, scratch int // spans; act: of the result, where a fused activation needs it
}

// narrow prepares the gradient of node id's chosen channels.
func (s *schedule) narrow(id graph.ID, channels []int, threads int) (*narrowStep, error) {
	nd := s.net.g.Node(id)
	w := nd.Params[0]
	k := len(channels)
	n := &narrowStep{channels: channels, in: s.net.g.Node(nd.In[0]).Out, out: nd.Out, act: -1, scratch: -1}
	n.out.Shape = nd.Out.Shape.With(-1, k)
	// A weight gradient does not read weights: any of this shape will do.
	row := w.Shape.Elems() / w.Shape.Dim(0)
	n.params = []tensor.Tensor{tensor.FromF32(w.F32()[:k*row], w.Shape.With(0, k).Dims()...)}
	p := &ops.GradPrep{
		In: []tensor.Spec{n.in}, Params: n.params, Out: n.out, Threads: threads, Reference: s.cfg.Reference, Exact: s.cfg.exact(),
		NeedIn: []bool{false}, NeedParam: []bool{true},
	}
	var err error
	if n.kernel, err = nd.Op.(ops.Differentiable).Backward(p); err != nil {
		return nil, &graph.NodeError{ID: id, Name: nd.Name, Kind: nd.Op.Kind(), Err: err}
	}
	at := s.back(id) - 1
	n.dout = s.span(n.out.Bytes(), at, at)
	if s.keep[id]&ops.KeepOut != 0 {
		n.act = s.span(n.out.Bytes(), at, at)
	}
	if b := p.ScratchSize(); b > 0 {
		n.scratch = s.span(b, at, at)
	}
	return n, nil
}

// narrowRun is a narrowStep over the arena.
type narrowRun struct {
	kernel   ops.GradKernel
	grads    ops.Grads
	channels []int
	dout     []float32 // of the whole layer, [rows][all]
	out      []float32 // its result, or nil
	all      int
}

func (r *narrowRun) run() {
	gatherColumns(r.grads.DOut.F32(), r.dout, r.all, r.channels)
	if r.out != nil {
		gatherColumns(r.grads.Out.F32(), r.out, r.all, r.channels)
	}
	r.kernel.Run(&r.grads)
}

// gatherColumns copies some of n columns, row by row.
func gatherColumns(dst, src []float32, n int, columns []int) {
	for len(src) >= n && len(dst) >= len(columns) {
		for j, c := range columns {
			dst[j] = src[c]
		}
		src, dst = src[n:], dst[len(columns):]
	}
}

// updateChannels changes the channels that learn.
func (p *param) updateChannels(o Optimizer, u update) {
	row := len(p.g) / len(p.channels)
	for j, c := range p.channels {
		var state [2][]float32
		for s := range o.slots() {
			state[s] = p.state[s][j*row : (j+1)*row]
		}
		o.update(u, p.w[c*row:(c+1)*row], p.g[j*row:(j+1)*row], state)
	}
}

// findChannels asks which channels learn where not all do.
func (s *schedule) findChannels() error {
	s.chans = map[paramKey][]int{}
	for i := range s.net.target {
		c, err := s.cfg.channels(s.net.g.Node(i), 0)
		if err != nil {
			return err
		}
		if c != nil && s.runs[i] {
			s.chans[paramKey{i, 0}] = c
		}
	}
	return nil
}

// learning is how many numbers of a parameter learn.
func (s *schedule) learning(k paramKey) int {
	shape := s.net.g.Node(k.node).Params[k.param].Shape
	n := shape.Elems()
	if c := s.chans[k]; c != nil {
		n = n / shape.Dim(0) * len(c)
	}
	return n
}

func (s *schedule) learnsAny(id graph.ID) bool {
	nd := s.net.g.Node(id)
	for j := range nd.Params {
		if s.learns(id, j) {
			return true
		}
	}
	return false
}

func (s *schedule) learns(id graph.ID, j int) bool {
	if id >= s.net.target {
		return false
	}
	return s.cfg.learns(s.net.g.Node(id), j)
}
