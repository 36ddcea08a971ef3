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
	}
	for i := range t.params {
		for k := range t.cfg.Optimizer.slots() {
			t.params[i].state[k] = take(s.learning(t.params[i].key))
		}
	}
}

// bind turns the schedule into runs over the arena.
func (t *Trainer) bind(s *schedule) error {
	var err error
	if t.arena, err = ops.NewArena(s.layout.Size); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	g := t.net.g
	bytes := func(span int) []byte {
		if span < 0 {
			return nil
		}
		o, n := s.layout.Offsets[span], s.spans[span].Bytes
		return t.arena[o : o+n : o+n]
	}
	value := func(id graph.ID) tensor.Tensor {
		nd := g.Node(id)
		if s.value[id] < 0 {
			if nd.Op.Kind() == ops.KindConstant {
				return nd.Params[0]
			}
			return tensor.Tensor{Spec: nd.Out}
		}
		return tensor.Tensor{Spec: nd.Out, Data: bytes(s.value[id])[:nd.Out.Bytes()]}
	}
	gradient := func(id graph.ID) tensor.Tensor {
		sp := tensor.Spec{DType: tensor.F32, Shape: g.Node(id).Out.Shape}
		return tensor.Tensor{Spec: sp, Data: bytes(s.grad[id])}
	}
	values := func(ids []graph.ID) []tensor.Tensor {
		v := make([]tensor.Tensor, len(ids))
		for i, id := range ids {
			v[i] = value(id)
		}
		return v
	}
	for _, st := range s.fwd {
		r := fwdRun{node: st.node, kernel: st.kernel, args: ops.Args{
			In: values(g.Node(st.node).In), Out: value(st.node), Scratch: bytes(st.scratch), Aux: bytes(st.aux), Pool: t.pool,
		}}
		if st.pack >= 0 { // the same kernel again, packing into the arena
			r.block = bytes(st.pack)
			p := s.prep(st.node, t.pool.Threads())
			p.PackBlock = r.block
			var err error
			if r.kernel, err = ops.PrepareLive(g.Node(st.node).Op, p); err != nil {
				return fmt.Errorf("train: %w", err)
			}
		}
		if rp, ok := r.kernel.(ops.Repacker); ok && (st.learns || r.block != nil) {
			r.repack = rp
		}
		t.fwd = append(t.fwd, r)
	}
	grads := map[paramKey]*param{}
	for i := range t.params {
		p := &t.params[i]
		grads[p.key] = p
		if t.update == nil {
			p.g = tensor.CastSlice[float32](bytes(s.sums[p.key]))
		}
	}
	backValue := func(id graph.ID) tensor.Tensor {
		if r := s.redos[id]; r != nil {
			return tensor.Tensor{Spec: g.Node(id).Out, Data: bytes(r.span)}
		}
		return value(id)
	}
	backValues := func(ids []graph.ID) []tensor.Tensor {
		v := values(ids)
		for i, id := range ids {
			v[i] = backValue(id)
		}
		return v
	}
	for _, st := range s.bwd {
		nd := g.Node(st.node)
		r := bwdRun{node: st.node, kernel: st.kernel, grads: ops.Grads{
			In: backValues(nd.In), Params: nd.Params, Out: value(st.node), DOut: gradient(st.node),
			DIn: make([]tensor.Tensor, len(nd.In)), DParams: make([]tensor.Tensor, len(nd.Params)),
			Aux: bytes(st.aux), Scratch: bytes(st.scratch), Pool: t.pool,
		}}
		for i, x := range nd.In {
			if s.needs[x] {
				r.grads.DIn[i] = gradient(x)
			}
		}
		for j, p := range nd.Params {
			if pr := grads[paramKey{st.node, j}]; pr != nil && pr.channels == nil {
				r.grads.DParams[j] = tensor.FromF32(pr.g, p.Shape.Dims()...)
			}
		}
		for j := range nd.Params {
			if p := grads[paramKey{st.node, j}]; p != nil && t.update == nil {
				if r.update == nil {
					r.update = &updateTask{t: t}
				}
				r.update.add(p)
				r.sums = append(r.sums, p.g)
			}
		}
		for _, re := range s.redone(st.node) {
			for i := range t.fwd {
				if f := &t.fwd[i]; f.node == re.from {
					a := f.args
					a.Out.Data, a.Scratch = bytes(re.span), bytes(re.scratch)
					r.redo = append(r.redo, redoRun{f.kernel.(ops.Redoer), a})
				}
			}
		}
		for _, x := range st.clear {
			r.clear = append(r.clear, gradient(x).F32())
		}
		if n := st.narrow; n != nil {
			dout, out := gradient(st.node), value(st.node)
			r.narrow = &narrowRun{kernel: n.kernel, channels: n.channels, dout: dout.F32(), all: nd.Out.Shape.Channels(), grads: ops.Grads{
				In: backValues(nd.In), Params: n.params, DIn: make([]tensor.Tensor, 1), Scratch: bytes(n.scratch), Pool: t.pool,
				DOut:    tensor.Tensor{Spec: n.out, Data: bytes(n.dout)},
				DParams: []tensor.Tensor{tensor.FromF32(grads[paramKey{st.node, 0}].g, n.params[0].Shape.Dims()...)},
			}}
			if n.act >= 0 {
				r.narrow.out, r.narrow.grads.Out = out.F32(), tensor.Tensor{Spec: n.out, Data: bytes(n.act)}
			}
		}
		t.bwd = append(t.bwd, r)
	}
	for _, id := range g.Inputs() {
		t.inputs = append(t.inputs, value(id))
		if id != t.net.target && s.needs[id] {
			t.dInputs = append(t.dInputs, gradient(id))
		} else {
			t.dInputs = append(t.dInputs, tensor.Tensor{})
		}
	}
	t.scores, t.loss = value(t.net.scores), value(t.net.loss)
	return nil
}
