// Package accel is the contract between a model and what computes it. The CPU
// implements it (in package runtime), and so does any accelerator.
//
// A backend takes a whole graph or names the node that it cannot do: there is
// no partitioning.
package accel

import (
	"context"
	"errors"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// ErrUnavailable says that an accelerator cannot work in this program or on
// this machine: built without it, no driver, no device. Errors wrap it and say
// which.
var ErrUnavailable = errors.New("accelerator not available")

// Options are what a caller asks of a compilation.
type Options struct {
	Threads      int // workers, at least 1
	Exact        bool
	Precision    ops.Precision
	Halves       ops.HalfProducts // with PrecisionBF16, for the CPU
	MemoryBudget int              // bytes for packed copies and scratch of one operator; 0: no bound
	Reference    bool             // plain paths only: the definition of every operator
	// Choices say of nodes, by name, how to compute them; the others, and all
	// where a backend has no choice, are as the backend thinks best.
	Choices map[string]ops.Choice
}

// Backend turns graphs into programs for one kind of machine.
type Backend interface {
	Name() string
	// Supports says why n cannot run here, or nil.
	Supports(g *graph.Graph, id graph.ID) error
	// Compile chooses kernels, packs weights and plans memory.
	Compile(g *graph.Graph, o Options) (Program, error)
}

// Program is a graph compiled for one batch size on one machine. It is
// immutable and shared; it is never saved. One that holds what is not Go's is an
// io.Closer, closed before the graph's weights go.
type Program interface {
	// ArenaSize is the exact number of bytes a state's arena needs.
	ArenaSize() int
	// NewState makes a position in the program. arena has ArenaSize bytes and
	// is 64-byte aligned; nil lets the program allocate it.
	NewState(arena []byte) (State, error)
	// Layers describes the steps in execution order.
	Layers() []Layer
	// Memory says what the program holds.
	Memory() Memory
}

// State is one run's memory. It belongs to one goroutine at a time.
type State interface {
	Input(i int) tensor.Tensor
	Output(i int) tensor.Tensor
	// Run computes the outputs. It allocates nothing and fails only when ctx is
	// done (between steps) or the device is lost. ctx is not nil.
	Run(ctx context.Context) error
	// Times asks for each step's duration in nanoseconds to be written to ns,
	// which has the length of Layers; nil stops it.
	Times(ns []int64)
	Close() error
}

// Layer describes one step of a program.
type Layer struct {
	ID      graph.ID
	Name    string
	Kind    ops.Kind
	Path    string     // the kernel
	Chain   []graph.ID // nodes before it that the step computes too, first to last
	Out     tensor.Spec
	MACs    int64
	Params  int // elements
	Scratch int // bytes
	Live    int // bytes of the arena in use while it runs
}

// Memory is what a program holds, in bytes.
type Memory struct {
	Arena   int // one session
	LiveSet int // the largest sum of values alive at once: what any plan needs
	Packed  int // packed weights, once a model
}
