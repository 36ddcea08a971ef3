package runtime

import (
	"context"
	"fmt"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// cpuBackend compiles for this processor. Its programs share a pool of workers,
// and those of one model its packed weights, which are found by where the weights
// lie: another model's may come to lie there once the file of the first is unmapped.
type cpuBackend struct {
	packs  *ops.PackCache // of a model's own backend; nil: each program has its own
	pool   *ops.Workers
	lent   bool       // another backend closes the pool
	groups grouping   // of a model's own backend: how batches are compiled
	mu     sync.Mutex // held by Compile: it runs on the pool, and leaves no weight half packed for another
}

// CPU is the backend a model uses when it is given no other, with the given
// number of threads (0: GOMAXPROCS). It is an io.Closer; the workers of one that
// nobody uses any more end by themselves.
func CPU(threads int) accel.Backend { return &cpuBackend{pool: ops.NewWorkers(threads)} }

// forModel is the backend of one model on b's workers, which lent leaves to b.
func (b *cpuBackend) forModel(lent bool) *cpuBackend {
	return &cpuBackend{packs: new(ops.PackCache), pool: b.pool, lent: lent}
}

// Name is "cpu".
func (*cpuBackend) Name() string { return "cpu" }

// Supports is always nil: every operator has a plain path.
func (*cpuBackend) Supports(*graph.Graph, graph.ID) error { return nil }

// largeWeights is the size from which the packed weights of a model are kept
// out of Go's heap.
const largeWeights = 4 << 20

// Compile chooses kernels, packs weights and plans memory.
func (b *cpuBackend) Compile(g *graph.Graph, o accel.Options) (accel.Program, error) {
	o.Threads = b.pool.Threads()
	b.mu.Lock()
	defer b.mu.Unlock()
	packs := b.packs
	if packs == nil {
		packs = new(ops.PackCache)
	}
	packs.Defer(g.ParamBytes() >= largeWeights)
	defer packs.Fill(b.pool)
	if b.groups != nil && !o.Reference {
		if p, err := b.groups(g, o, packs, b.pool); p != nil || err != nil {
			return p, err
		}
	}
	return compileCPU(g, o, g.ParamBytes(), false, packs, b.pool)
}

// Close stops the workers and gives a model's packed weights back.
func (b *cpuBackend) Close() error {
	if !b.lent {
		b.pool.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.packs != nil {
		b.packs.Free()
	}
	return nil
}

// cpuProgram is a graph compiled for this processor.
type cpuProgram struct {
	g       *graph.Graph
	pool    *ops.Workers
	packs   *ops.PackCache
	steps   []step
	scratch []int // offset of each step's scratch
	values  []valueAt
	layers  []accel.Layer
	arena   int
	live    int
}

// valueAt is where a value lives: in the arena, or among the weights.
type valueAt struct {
	spec     tensor.Spec
	offset   int
	pitch    int // elements between rows, 0: dense
	constant []byte
	away     int // 1 + the input, not in the arena, whose bytes it is
}

func (v *valueAt) tensor(arena []byte) tensor.Tensor {
	if v.constant != nil {
		return tensor.Tensor{Spec: v.spec, Data: v.constant}
	}
	if v.away > 0 {
		return tensor.Tensor{Spec: v.spec}
	}
	n := v.spec.Bytes()
	if v.pitch > 0 && n > 0 { // the last row is not followed by a gap
		size := v.spec.DType.Size()
		n = ((v.spec.Shape.Rows()-1)*v.pitch + v.spec.Shape.Channels()) * size
	}
	return tensor.Tensor{Spec: v.spec, Data: arena[v.offset : v.offset+n : v.offset+n]}
}

// ArenaSize is the number of bytes of one session.
func (p *cpuProgram) ArenaSize() int { return p.arena }

// Layers describes the steps.
func (p *cpuProgram) Layers() []accel.Layer { return p.layers }

// Memory says what the program holds.
func (p *cpuProgram) Memory() accel.Memory {
	return accel.Memory{Arena: p.arena, LiveSet: p.live, Packed: p.packs.Bytes()}
}

// arenaFor is arena if it suits a program of n bytes, or such a one where there is none.
func arenaFor(n int, arena []byte) ([]byte, error) {
	switch {
	case arena == nil:
		return ops.NewArena(n)
	case len(arena) < n:
		return nil, fmt.Errorf("arena of %d bytes, the program needs %d", len(arena), n)
	case !tensor.Aligned(arena, 64):
		return nil, fmt.Errorf("the arena is not aligned to 64 bytes")
	}
	return arena, nil
}

// NewState binds the steps to an arena.
func (p *cpuProgram) NewState(arena []byte) (accel.State, error) {
	arena, err := arenaFor(p.arena, arena)
	if err != nil {
		return nil, err
	}
	s := &cpuState{prog: p, args: make([]ops.Args, len(p.steps))}
	for i, st := range p.steps {
		a := &s.args[i]
		a.In = make([]tensor.Tensor, len(st.in))
		for j, x := range st.in {
			a.In[j] = p.values[x].tensor(arena)
		}
		a.Out = p.values[st.node].tensor(arena)
		a.Scratch = arena[p.scratch[i] : p.scratch[i]+st.scratch : p.scratch[i]+st.scratch]
		a.Aux = a.Scratch[st.scratch-st.aux:]
		a.Pool = p.pool
	}
	for _, id := range p.g.Inputs() {
		s.inputs = append(s.inputs, p.values[id].tensor(arena))
	}
	for _, o := range p.g.Outputs() {
		s.outputs = append(s.outputs, p.values[o.ID].tensor(arena))
	}
	return s, nil
}

// cpuState is a position in a program.
type cpuState struct {
	prog            *cpuProgram
	args            []ops.Args
	inputs, outputs []tensor.Tensor
	times           []int64
}

// Input is input i in the arena.
func (s *cpuState) Input(i int) tensor.Tensor { return s.inputs[i] }

// Output is output i in the arena.
func (s *cpuState) Output(i int) tensor.Tensor { return s.outputs[i] }

// Times asks for the duration of each step.
func (s *cpuState) Times(ns []int64) { s.times = ns }

// Close has nothing to free: the arena belongs to the caller.
func (s *cpuState) Close() error { return nil }

// Run computes all steps in order. It looks at ctx between steps, and for itself at
// the time when there is a deadline: kernels leave no processor to what would tell
// ctx, which has then been 10 ms late and more.
func (s *cpuState) Run(ctx context.Context) error {
	done := ctx.Done()
	deadline, timed := ctx.Deadline()
	var start time.Time
	var left time.Duration
	if timed {
		start, left = time.Now(), time.Until(deadline)
	}
	for i := range s.args {
		if done != nil {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if timed && time.Since(start) >= left {
			return context.DeadlineExceeded
		}
		if s.times == nil {
			s.prog.steps[i].kernel.Run(&s.args[i])
			continue
		}
		t := time.Now()
		s.prog.steps[i].kernel.Run(&s.args[i])
		s.times[i] = time.Since(t).Nanoseconds()
	}
	goruntime.KeepAlive(s) // while packed weights, no part of the heap, are read
	return nil
}
