package cuda

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/ops/tensor"
)

// state is one session: an arena on the device, pinned memory for what goes in
// and out, a stream, and the recorded run.
type state struct {
	p       *program
	arena   driver.Ptr
	stream  driver.Stream
	graph   driver.Graph
	ready   [2]bool // stream and graph are there
	inputs  []transfer
	outputs []transfer
	calls   [][]call // of each step
	times   []int64
	err     error // what broke the device; every later Run gives it
	closed  bool
}

// transfer is a value that is copied between this machine and the device.
type transfer struct {
	host tensor.Tensor
	at   driver.Ptr
}

// call is a launch with its addresses.
type call struct {
	f      driver.Func
	grid   [3]int
	params []uint64
}

// NewState takes an arena on the device and records the run. The caller's
// memory is of no use to the device: arena must be nil.
func (p *program) NewState(arena []byte) (accel.State, error) {
	if arena != nil {
		return nil, fmt.Errorf("cuda: the arena lies on the device, the caller cannot give one")
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.b.closed || p.closed {
		return nil, ErrClosed
	}
	s := &state{p: p}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	p.b.states++
	p.states++
	return s, nil
}

func (s *state) build() error {
	p, d := s.p, s.p.b.drv
	var err error
	if p.arena > 0 {
		if s.arena, err = p.b.alloc(p.arena, "a session"); err != nil {
			return err
		}
	}
	if s.stream, err = d.NewStream(); err != nil {
		return fmt.Errorf("cuda: stream of a session: %w", err)
	}
	s.ready[0] = true
	for _, c := range p.ins {
		if err := s.transfer(&s.inputs, c.spec, c.ref); err != nil {
			return err
		}
	}
	for _, c := range p.outs {
		if err := s.transfer(&s.outputs, c.spec, c.ref); err != nil {
			return err
		}
	}
	for i, st := range p.l.steps {
		var cs []call
		for j, l := range st.launches {
			c := call{f: p.funcs[i][j], grid: l.grid}
			for _, a := range l.params {
				if a.addr {
					a.bits = uint64(p.address(a.ref, s.arena))
				}
				c.params = append(c.params, a.bits)
			}
			cs = append(cs, c)
		}
		s.calls = append(s.calls, cs)
	}
	return s.record()
}

// transfer adds pinned memory for a value.
func (s *state) transfer(to *[]transfer, spec tensor.Spec, r ref) error {
	b, err := s.p.b.drv.AllocHost(spec.Bytes())
	if err != nil {
		return fmt.Errorf("cuda: %d bytes of pinned memory: %w", spec.Bytes(), err)
	}
	clear(b)
	*to = append(*to, transfer{tensor.Tensor{Spec: spec, Data: b}, s.p.address(r, s.arena)})
	return nil
}

// record captures a whole run as a graph.
func (s *state) record() error {
	d := s.p.b.drv
	if err := d.BeginCapture(s.stream); err != nil {
		return fmt.Errorf("cuda: recording a run: %w", err)
	}
	err := s.enqueue()
	// The capture ends even after a failure: the stream is of no use before.
	g, e := d.EndCapture(s.stream)
	if e == nil {
		s.graph, s.ready[1] = g, true
	} else if err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("cuda: recording a run: %w", err)
	}
	return nil
}

// enqueue queues a whole run.
func (s *state) enqueue() error {
	if err := s.send(); err != nil {
		return err
	}
	for i := range s.calls {
		if err := s.step(i); err != nil {
			return err
		}
	}
	return s.fetch()
}

func (s *state) send() error {
	for i := range s.inputs {
		if err := s.p.b.drv.ToDevice(s.stream, s.inputs[i].at, s.inputs[i].host.Data); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) fetch() error {
	for i := range s.outputs {
		if err := s.p.b.drv.ToHost(s.stream, s.outputs[i].host.Data, s.outputs[i].at); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) step(i int) error {
	for j := range s.calls[i] {
		c := &s.calls[i][j]
		if err := s.p.b.drv.Launch(s.stream, c.f, c.grid, [3]int{threads, 1, 1}, 0, c.params); err != nil {
			return err
		}
	}
	return nil
}

// Input is input i in pinned memory.
func (s *state) Input(i int) tensor.Tensor { return s.inputs[i].host }

// Output is output i in pinned memory.
func (s *state) Output(i int) tensor.Tensor { return s.outputs[i].host }

// Times asks for the duration of each step: Run then launches one by one and
// waits after each, which takes longer.
func (s *state) Times(ns []int64) { s.times = ns }

// Run replays the recorded run and waits for it. It looks at ctx before, and
// between steps when they are timed. A fault of the device is for good: later
// runs give it again, and only Close is left.
func (s *state) Run(ctx context.Context) error {
	if s.closed {
		return ErrClosed
	}
	if s.err != nil {
		return s.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.times != nil {
		return s.timed(ctx)
	}
	err := s.p.b.drv.LaunchGraph(s.graph, s.stream)
	if err == nil {
		err = s.p.b.drv.Sync(s.stream)
	}
	return s.broken(err)
}

// broken remembers what broke the device.
func (s *state) broken(err error) error {
	if err != nil {
		s.err = fmt.Errorf("cuda: the device failed in a run: %w", err)
	}
	return s.err
}

// timed runs step by step.
func (s *state) timed(ctx context.Context) error {
	d := s.p.b.drv
	err := s.send()
	if err == nil {
		err = d.Sync(s.stream)
	}
	for i := range s.calls {
		if err != nil {
			return s.broken(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		t := time.Now()
		if err = s.step(i); err == nil {
			err = d.Sync(s.stream)
		}
		s.times[i] = time.Since(t).Nanoseconds()
	}
	if err == nil {
		err = s.fetch()
	}
	if err == nil {
		err = d.Sync(s.stream)
	}
	return s.broken(err)
}

// Close gives back what the session has on the device. Its inputs and outputs
// are gone with it.
func (s *state) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.p.b.mu.Lock()
	defer s.p.b.mu.Unlock()
	s.p.b.states--
	s.p.states--
	return errors.Join(s.release(), s.p.giveBack())
}

// release frees whatever is there; after a fault of the device all of it is
// tried, and the first errors are told.
func (s *state) release() error {
	d := s.p.b.drv
	var errs []error
	if s.ready[1] {
		errs = append(errs, d.CloseGraph(s.graph))
	}
	if s.ready[0] {
		errs = append(errs, d.CloseStream(s.stream))
	}
	for _, ts := range [][]transfer{s.inputs, s.outputs} {
		for _, t := range ts {
			errs = append(errs, d.FreeHost(t.host.Data))
		}
	}
	if s.arena != 0 {
		errs = append(errs, d.Free(s.arena))
	}
	s.inputs, s.outputs, s.ready, s.arena = nil, nil, [2]bool{}, 0
	return errors.Join(errs...)
}
