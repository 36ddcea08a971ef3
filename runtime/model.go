// Package runtime runs networks: it opens a .teff file or takes a graph,
// chooses kernels, packs weights, plans memory, and runs without allocating.
//
// A Model is immutable and shared. A Session is one arena and a position in
// it; it belongs to one goroutine at a time, and a model has as many as wanted.
//
//	m, err := runtime.Open("resnet18.teff")
//	s, err := m.NewSession(runtime.WithBatch(1))
//	copy(s.Input(0).Float32(), pixels)
//	err = s.Run(ctx)
//	best := s.Output(0).Float32()
//
// # Memory
//
// A session's arena lies in Go's heap and counts for GOMEMLIMIT, unless the caller
// brings one (WithArena). Two things lie outside, where neither GOMEMLIMIT nor
// runtime.MemStats sees them: the map of a file that Open opened, whose pages the
// system can drop and read again, and the packed weights of a model of 4 MB and
// more (on Linux; Session.Memory's Packed), there once for all sessions, until the
// model is closed or collected. A service sets GOMEMLIMIT lower by those.
//
// An arena that is larger than the memory the process can have is an error of
// NewSession. What that is is known on Linux: the machine's memory, or the lower
// limit of a control group or of setrlimit.
package runtime

import (
	"errors"
	"fmt"
	"io"
	goruntime "runtime"
	"sync"
	"sync/atomic"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
)

// Option changes how a model is prepared. A nil one changes nothing.
type Option func(*config)

type config struct {
	threads int
	backend accel.Backend
	accel.Options
	raw    bool
	shared bool // the backend is the caller's
}

// WithThreads sets the number of threads a run may use, the caller's included;
// 0 is GOMAXPROCS, the default; more than that only take time from each other.
// The outputs are the same bits for any number.
func WithThreads(n int) Option { return func(c *config) { c.threads = n } }

// WithBackend runs the model on b instead of the CPU, which nil is. Models that share
// CPU(n) share its workers, which is faster where several run at once. b stays the caller's to close,
// after all models that run on it.
func WithBackend(b accel.Backend) Option { return func(c *config) { c.backend, c.shared = b, true } }

// WithExact allows no path that rounds more than plain float32 sums do: no
// Winograd.
func WithExact() Option { return func(c *config) { c.Exact = true } }

// WithBF16 lets products be of bfloat16 numbers, summed in float32, where the
// processor has instructions for it that are faster than float32's: AMD's since
// Zen 4. Elsewhere nothing is rounded and results are those without it.
func WithBF16() Option { return WithPrecision(ops.PrecisionBF16) }

// WithPrecision is the type of the numbers that products may be computed from,
// summed in float32; the default is float32. On the CPU bfloat16 is WithBF16 and
// the others are float32; an accelerator may have them all.
func WithPrecision(p ops.Precision) Option {
	return func(c *config) {
		c.Precision, c.Halves = p, nil
		if p == ops.PrecisionBF16 {
			c.Halves = ops.BF16Products
		}
	}
}

// WithMemoryBudget bounds the extra bytes (packed copies, scratch) that one
// operator may take for speed.
func WithMemoryBudget(n int) Option { return func(c *config) { c.MemoryBudget = n } }

// WithChoices says of nodes of the compiled graph, by name, how to compute them,
// as package tune finds out by trying. It is never wrong: what does not suit a
// node is as if it were not said.
func WithChoices(c map[string]ops.Choice) Option { return func(o *config) { o.Choices = c } }

// WithReference takes the plain path of every operator: slow, and the
// definition of what the others compute.
func WithReference() Option { return func(c *config) { c.Reference = true } }

// WithGraphAsIs skips the passes that fold and fuse.
func WithGraphAsIs() Option { return func(c *config) { c.raw = true } }

// Model is a network ready to run. It is safe for concurrent use.
type Model struct {
	source *graph.Graph // as loaded
	g      *graph.Graph // folded and fused
	file   *format.File
	owns   bool  // file is closed with the model
	hold   *hold // of that file, where the collector may close it
	cfg    config

	mu       sync.Mutex
	programs map[int]accel.Program
	closed   atomic.Bool
	running  sync.RWMutex // held for reading by each run: weights must not be unmapped then
}

// Open maps a .teff file, verifies it and prepares it. Weights stay in the map
// where kernels can use them as they are; Close unmaps them. Of a model on the CPU
// that is dropped with its sessions the collector unmaps them, unless Graph, Compiled or
// Program was called: weights may then be in use elsewhere.
func Open(path string, opts ...Option) (*Model, error) {
	f, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	return own(f, opts)
}

// Load is Open for a stream.
func Load(r io.Reader, opts ...Option) (*Model, error) {
	f, err := format.Read(r)
	if err != nil {
		return nil, err
	}
	return own(f, opts)
}

// Parse is Open for bytes, such as those of go:embed. b must not change while
// the model is in use: weights are used where they lie.
func Parse(b []byte, opts ...Option) (*Model, error) {
	f, err := format.Parse(b)
	if err != nil {
		return nil, err
	}
	return own(f, opts)
}

// own is FromFile for a file that the model closes.
func own(f *format.File, opts []Option) (*Model, error) {
	m, err := FromFile(f, opts...)
	if err != nil {
		f.Close()
		return nil, err
	}
	m.owns = true
	if _, ok := m.cfg.backend.(*cpuBackend); ok && !m.constantOutput() {
		m.hold = &hold{f}
		goruntime.SetFinalizer(m.hold, func(h *hold) { _ = h.file.Close() }) // AddCleanup is 4 KB more of a small program
	}
	return m, nil
}

// hold is what goes when a model and its sessions do. It is no part of Model, which
// programs may give a finalizer of their own.
type hold struct{ file *format.File }

// release leaves the file to Close alone: its weights go to others, who may keep
// them when m is gone.
func (m *Model) release() {
	if m.hold != nil {
		goruntime.SetFinalizer(m.hold, nil)
	}
}

// constantOutput reports an output that may lie among the weights: its tensor can
// outlive the session that gave it out.
func (m *Model) constantOutput() bool {
	for _, o := range m.g.Outputs() {
		n := m.g.Node(o.ID)
		for len(n.In) == 1 { // views
			n = m.g.Node(n.In[0])
		}
		if n.Op.Kind() == ops.KindConstant {
			return true
		}
	}
	return false
}

// FromFile prepares the network of an opened file, which stays the caller's to
// close, after the model.
func FromFile(f *format.File, opts ...Option) (*Model, error) {
	if f == nil {
		return nil, fmt.Errorf("runtime: nil file: %w", graph.ErrNil)
	}
	m, err := New(f.Graph, opts...)
	if err != nil {
		return nil, err
	}
	m.file = f
	if b, ok := m.cfg.backend.(*cpuBackend); ok {
		b.packs.Released = f.Release
	}
	return m, nil
}

var errCompact = errors.New("runtime: weights kept in few bits (format.OpenCompact) are for the CPU")

// New prepares a graph: folds batch norm, fuses activations and residuals.
func New(g *graph.Graph, opts ...Option) (*Model, error) {
	if g == nil {
		return nil, fmt.Errorf("runtime: %w", graph.ErrNil)
	}
	m := &Model{source: g, g: g, programs: map[int]accel.Program{}}
	for _, o := range opts {
		if o != nil {
			o(&m.cfg)
		}
	}
	if m.cfg.backend == nil {
		m.cfg.backend = CPU(m.cfg.threads)
	}
	if _, ok := m.cfg.backend.(*cpuBackend); !ok {
		if g.HeldBytes() != g.ParamBytes() {
			return nil, errCompact
		}
	}
	infer := passes.Infer
	if b, ok := m.cfg.backend.(*cpuBackend); ok {
		infer = passes.InferInPlace
		m.cfg.backend, m.cfg.shared = b.forModel(m.cfg.shared), false // ours to close
	}
	if !m.cfg.raw {
		var err error
		if m.g, err = infer(g); err != nil {
			return nil, fmt.Errorf("runtime: %w", err)
		}
		if _, ok := m.cfg.backend.(*cpuBackend); ok && ops.UnsignedActivations() && !m.cfg.Reference {
			if m.g, err = passes.Unsigned(m.g); err != nil {
				return nil, fmt.Errorf("runtime: %w", err)
			}
		}
	}
	return m, nil
}

// Graph is the graph the model was made from. Its weights are those of the file,
// there until Close; some may have a Source and no Data.
func (m *Model) Graph() *graph.Graph {
	m.release()
	return m.source
}

// Compiled is the graph that runs: folded and fused. Its weights are there until Close.
func (m *Model) Compiled() *graph.Graph {
	m.release()
	return m.g
}

// Metadata is what the file says of labels and preprocessing; nil when the
// model did not come from a file or the file says nothing.
func (m *Model) Metadata() *format.Metadata {
	if m.file == nil {
		return nil
	}
	return m.file.Metadata
}

// Inputs are the specs of the inputs at batch 1, or at the one that is fixed. Their
// names are those of the nodes Graph().Inputs().
func (m *Model) Inputs() []tensor.Spec {
	var s []tensor.Spec
	for _, id := range m.g.Inputs() {
		s = append(s, m.g.Node(id).Out)
	}
	return s
}

// Outputs are the specs of the outputs at batch 1, or at the one that is fixed. Their
// names are in Graph().Outputs().
func (m *Model) Outputs() []tensor.Spec {
	var s []tensor.Spec
	for _, o := range m.g.Outputs() {
		s = append(s, m.g.Node(o.ID).Out)
	}
	return s
}

// Backend is the name of what computes the model.
func (m *Model) Backend() string { return m.cfg.backend.Name() }

// Program is the model compiled for a batch size. It is made once, and can be used
// until Close.
func (m *Model) Program(batch int) (accel.Program, error) {
	m.release()
	return m.program(batch, byGroups)
}

// program is Program. groups is byGroups where a batch was asked for: a program that asks for none is linked without.
func (m *Model) program(batch int, groups grouping) (accel.Program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed.Load() {
		return nil, ErrClosed
	}
	if p, ok := m.programs[batch]; ok {
		return p, nil
	}
	g, err := m.g.WithBatch(batch)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	for i := range g.Len() {
		if err := m.cfg.backend.Supports(g, graph.ID(i)); err != nil {
			n := g.Node(graph.ID(i))
			return nil, fmt.Errorf("runtime: %s: %w", m.cfg.backend.Name(),
				&graph.NodeError{ID: graph.ID(i), Name: n.Name, Kind: n.Op.Kind(), Err: err})
		}
	}
	if b, ok := m.cfg.backend.(*cpuBackend); ok {
		b.groups = groups
	}
	p, err := m.cfg.backend.Compile(g, m.cfg.Options)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	m.programs[batch] = p
	return p, nil
}

// ArenaSize is the exact number of bytes of a session at that batch size.
func (m *Model) ArenaSize(batch int) (int, error) {
	p, err := m.program(batch, byGroups)
	if err != nil {
		return 0, err
	}
	return p.ArenaSize(), nil
}

// Close waits for runs that are under way, then stops the workers and unmaps the
// file. Later runs, of sessions that are still there, give ErrClosed, so a service
// may put another model in the place of one that is in use. The graph's weights go
// with the file: no trainer or writer may use Graph any more.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed.Swap(true) {
		return nil
	}
	m.running.Lock()
	defer m.running.Unlock()
	var err error
	for _, p := range m.programs {
		if c, ok := p.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	m.programs = nil
	if c, ok := m.cfg.backend.(io.Closer); ok && !m.cfg.shared {
		err = errors.Join(err, c.Close())
	}
	if m.owns {
		m.release()
		err = errors.Join(err, m.file.Close())
	}
	return err
}
