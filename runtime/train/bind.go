package train

import (
	"fmt"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// bindParams lays out gradients and optimiser state.
func (t *Trainer) bindParams(s *schedule) {
	total := 0
	for i := range t.net.g.Len() {
		nd := t.net.g.Node(graph.ID(i))
		for j := range nd.Params {
			if !s.runs[i] || !s.learns(graph.ID(i), j) {
				continue
			}
			key := paramKey{graph.ID(i), j}
			t.params = append(t.params, param{name: paramName(nd, j), key: key, w: nd.Params[j].F32(), decay: t.cfg.decays(nd, j), rate: t.cfg.rate(nd, j), channels: s.chans[key]})
			total += stateFloats(s.learning(key), &t.cfg)
		}
	}
	t.state = tensor.AlignedBytes(4 * total)
	f := tensor.CastSlice[float32](t.state)
	take := func(n int) []float32 {
		v := f[:n:n]
		f = f[(n+15)/16*16:]
		return v
	}
	if !t.cfg.early() {
		t.update = &updateTask{t: t}
		for i := range t.params {
			t.params[i].g = take(s.learning(t.params[i].key))
			t.update.add(&t.params[i])
		}
		if t.cfg.ClipNorm > 0 {
			t.squares = squares{t.update.parts, make([]float64, len(t.update.parts))}
		}
	}
	for i := range t.params {
		for k := range t.cfg.Optimizer.slots() {
			t.params[i].state[k] = take(s.learning(t.params[i].key))
		}
	}
}

// binder lays a schedule over a trainer's arena.
type binder struct {
	t     *Trainer
	s     *schedule
	g     *graph.Graph
	grads map[paramKey]*param
}

// bytes are a span's.
func (b *binder) bytes(span int) []byte {
	if span < 0 {
		return nil
	}
	o, n := b.s.layout.Offsets[span], b.s.spans[span].Bytes
	return b.t.arena[o : o+n : o+n]
}

// value is a node's value as the forward pass leaves it.
func (b *binder) value(id graph.ID) tensor.Tensor {
	nd := b.g.Node(id)
	if b.s.value[id] < 0 {
		if nd.Op.Kind() == ops.KindConstant {
			return nd.Params[0]
		}
		return tensor.Tensor{Spec: nd.Out}
	}
	return tensor.Tensor{Spec: nd.Out, Data: b.bytes(b.s.value[id])[:nd.Out.Bytes()]}
}

// gradient is that of a node's value.
func (b *binder) gradient(id graph.ID) tensor.Tensor {
	sp := tensor.Spec{DType: tensor.F32, Shape: b.g.Node(id).Out.Shape}
	return tensor.Tensor{Spec: sp, Data: b.bytes(b.s.grad[id])}
}

func (b *binder) values(ids []graph.ID) []tensor.Tensor {
	v := make([]tensor.Tensor, len(ids))
	for i, id := range ids {
		v[i] = b.value(id)
	}
	return v
}

// backValues are values as the backward pass finds them: kept, or made again.
func (b *binder) backValues(ids []graph.ID) []tensor.Tensor {
	v := b.values(ids)
	for i, id := range ids {
		if r := b.s.redos[id]; r != nil {
			v[i] = tensor.Tensor{Spec: b.g.Node(id).Out, Data: b.bytes(r.span)}
		}
	}
	return v
}

// bind turns the schedule into runs over the arena.
func (t *Trainer) bind(s *schedule) error {
	var err error
	if t.arena, err = ops.NewArena(s.layout.Size); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	b := &binder{t: t, s: s, g: t.net.g, grads: map[paramKey]*param{}}
	for i := range t.params {
		p := &t.params[i]
		b.grads[p.key] = p
		if span, ok := s.sums[p.key]; ok {
			p.g = floats(b.bytes(span))
		}
	}
	for _, st := range s.fwd {
		r, err := b.forward(st)
		if err != nil {
			return err
		}
		t.fwd = append(t.fwd, r)
	}
	for _, st := range s.bwd {
		t.bwd = append(t.bwd, b.backward(st))
	}
	for _, id := range b.g.Inputs() {
		t.inputs = append(t.inputs, b.value(id))
		if id != t.net.target && s.needs[id] {
			t.dInputs = append(t.dInputs, b.gradient(id))
		} else {
			t.dInputs = append(t.dInputs, tensor.Tensor{})
		}
	}
	t.scores, t.loss = b.value(t.net.scores), b.value(t.net.loss)
	return nil
}

func (b *binder) forward(st fwdStep) (fwdRun, error) {
	r := fwdRun{node: st.node, kernel: st.kernel, args: ops.Args{
		In: b.values(b.g.Node(st.node).In), Out: b.value(st.node), Scratch: b.bytes(st.scratch), Aux: b.bytes(st.aux), Pool: b.t.pool,
	}}
	if st.pack >= 0 { // the same kernel again, packing into the arena
		r.block = b.bytes(st.pack)
		p := b.s.prep(st.node, b.t.pool.Threads())
		p.PackBlock = r.block
		var err error
		if r.kernel, err = ops.PrepareLive(b.g.Node(st.node).Op, p); err != nil {
			return r, fmt.Errorf("train: %w", err)
		}
	}
	if rp, ok := r.kernel.(ops.Repacker); ok && (st.learns || r.block != nil) {
		r.repack = rp
	}
	return r, nil
}

func floats(b []byte) []float32 { return tensor.CastSlice[float32](b) }

// backward comes after all of forward: what is made again is made by its runs.
func (b *binder) backward(st bwdStep) *bwdRun {
	nd := b.g.Node(st.node)
	r := &bwdRun{node: st.node, kernel: st.kernel, grads: ops.Grads{
		In: b.backValues(nd.In), Params: nd.Params, Out: b.value(st.node), DOut: b.gradient(st.node),
		DIn: make([]tensor.Tensor, len(nd.In)), DParams: make([]tensor.Tensor, len(nd.Params)),
		Aux: b.bytes(st.aux), Scratch: b.bytes(st.scratch), Pool: b.t.pool,
	}}
	for i, x := range nd.In {
		if b.s.needs[x] {
			r.grads.DIn[i] = b.gradient(x)
		}
	}
	for j, w := range nd.Params {
		p := b.grads[paramKey{st.node, j}]
		if p == nil {
			continue
		}
		if j == 0 && st.tiled != nil {
			r.tiled = b.tiled(st.tiled, r, p)
			continue
		}
		if p.channels == nil {
			r.grads.DParams[j] = tensor.FromF32(p.g, w.Shape.Dims()...)
		}
		if b.t.update == nil { // in the node's turn
			if r.update == nil {
				r.update = &updateTask{t: b.t}
			}
			r.update.add(p)
			r.sums = append(r.sums, p.g)
		}
	}
	for _, re := range b.s.redone(st.node) {
		for i := range b.t.fwd {
			if f := &b.t.fwd[i]; f.node == re.from {
				a := f.args
				a.Out.Data, a.Scratch = b.bytes(re.span), b.bytes(re.scratch)
				r.redo = append(r.redo, redoRun{f.kernel.(ops.Redoer), a})
			}
		}
	}
	for _, x := range st.clear {
		r.clear = append(r.clear, b.gradient(x).F32())
	}
	if st.narrow != nil {
		r.narrow = b.narrow(st)
	}
	return r
}

func (b *binder) narrow(st bwdStep) *narrowRun {
	n, nd := st.narrow, b.g.Node(st.node)
	r := &narrowRun{kernel: n.kernel, channels: n.channels, dout: b.gradient(st.node).F32(), all: nd.Out.Shape.Channels(), grads: ops.Grads{
		In: b.backValues(nd.In), Params: n.params, DIn: make([]tensor.Tensor, 1), Scratch: b.bytes(n.scratch), Pool: b.t.pool,
		DOut:    tensor.Tensor{Spec: n.out, Data: b.bytes(n.dout)},
		DParams: []tensor.Tensor{tensor.FromF32(b.grads[paramKey{st.node, 0}].g, n.params[0].Shape.Dims()...)},
	}}
	if n.act >= 0 {
		r.out, r.grads.Out = b.value(st.node).F32(), tensor.Tensor{Spec: n.out, Data: b.bytes(n.act)}
	}
	return r
}
