package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops/tensor"
)

// ErrClosed says that the model or the session was closed.
var ErrClosed = errors.New("runtime: model or session is closed")

var errNilContext = errors.New("runtime: nil context")

// SessionOption changes a session. A nil one changes nothing.
type SessionOption func(*sessionConfig)

type sessionConfig struct {
	batch  int
	arena  []byte
	groups grouping
}

// WithBatch fixes the batch size; the default is 1, or what the network fixes. On the CPU four images and more go through a
// network's larger layers one after another, each worker's its own, so the arena is smaller than as many of one image.
func WithBatch(n int) SessionOption {
	return func(c *sessionConfig) { c.batch, c.groups = n, byGroups }
}

// WithArena makes the session live in b, which must have at least the model's
// ArenaSize bytes and start at a multiple of 64.
func WithArena(b []byte) SessionOption { return func(c *sessionConfig) { c.arena = b } }

// Session is one arena and a position in it. It belongs to one goroutine at a
// time.
type Session struct {
	model *Model
	prog  accel.Program
	state accel.State
	nIn   int
	nOut  int
	over  bool // closed
	times []int64
}

// NewSession makes a session. Everything that can go wrong goes wrong here.
func (m *Model) NewSession(opts ...SessionOption) (*Session, error) {
	c := sessionConfig{batch: 1}
	for _, o := range opts {
		if o != nil {
			o(&c)
		}
	}
	if c.batch == 1 && !m.g.Batched() {
		c.batch = m.g.Batch()
	}
	p, err := m.program(c.batch, c.groups)
	if err != nil {
		return nil, err
	}
	st, err := p.NewState(c.arena)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	return &Session{model: m, prog: p, state: st, nIn: len(m.g.Inputs()), nOut: len(m.g.Outputs())}, nil
}

// NumInputs is the number of inputs.
func (s *Session) NumInputs() int { return s.nIn }

// NumOutputs is the number of outputs.
func (s *Session) NumOutputs() int { return s.nOut }

// Input is input i in the arena, of the layout and type that the model's author declared
// (Model.Inputs at the session's batch), to be written before Run, which does not change
// it. Like Output it panics where there is no such i.
func (s *Session) Input(i int) tensor.Tensor { return s.state.Input(i) }

// Output is output i as the last Run left it, like Model.Outputs at the session's
// batch. The next Run overwrites it.
func (s *Session) Output(i int) tensor.Tensor { return s.state.Output(i) }

// Run computes the outputs from the inputs. It allocates nothing. It fails only
// when ctx is done or its deadline has passed, which it looks at between operators;
// the outputs are undefined then. ctx must not be nil: that is an error, too. After Close, the
// session's or the model's, it returns ErrClosed.
func (s *Session) Run(ctx context.Context) error {
	m := s.model
	m.running.RLock()
	defer m.running.RUnlock()
	if s.over || m.closed.Load() { // weights may be unmapped
		return ErrClosed
	}
	if ctx == nil {
		return errNilContext
	}
	return s.state.Run(ctx)
}

// Profile makes each Run note how long every layer took. The slice it returns
// holds nanoseconds, in the order of Layers, after each Run.
func (s *Session) Profile() []int64 {
	if s.times == nil {
		s.times = make([]int64, len(s.prog.Layers()))
	}
	s.state.Times(s.times)
	return s.times
}

// Layers describes the steps of a run.
func (s *Session) Layers() []accel.Layer { return s.prog.Layers() }

// Memory says what the session and its model hold.
func (s *Session) Memory() accel.Memory { return s.prog.Memory() }

// Close gives up the session. On an accelerator a model's sessions are closed
// before it.
func (s *Session) Close() error {
	s.over = true
	return s.state.Close()
}
