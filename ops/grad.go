package ops

import (
	"slices"

	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// Differentiable is an Op that knows its gradient. It is an interface of its
// own, used by the trainer alone, so that the linker leaves every Backward out
// of programs that only infer.
type Differentiable interface {
	Op
	// Keeps says which values of the forward run Backward reads.
	Keeps(in, params []tensor.Spec) Keep
	// Backward prepares the gradient. Like Prepare it may fail, allocate and
	// ask for scratch; the kernel it returns may not.
	Backward(p *GradPrep) (GradKernel, error)
}

// Keep is a set of values that must live until the backward pass.
type Keep uint8

// What may be kept: all inputs, input 0 or 1 alone, the output. Parameters and
// the bytes of Prep.NeedAux are always there.
const (
	KeepNone Keep = 0
	KeepIn0  Keep = 1
	KeepIn1  Keep = 2
	KeepIn   Keep = 4 // every input
	KeepOut  Keep = 8
)

// GradPrep is what Backward may know and ask for.
type GradPrep struct {
	In        []tensor.Spec
	Params    []tensor.Tensor // live: values change between steps
	Out       tensor.Spec
	NeedIn    []bool // which inputs want a gradient
	NeedParam []bool // which parameters want a gradient
	Threads   int
	// Reference asks for the plain path, in which every sum is in float64
	// where that is cheap; it defines the gradient.
	Reference  bool
	Exact      bool // no path that rounds more than fp32 does (no Winograd)
	FrozenNorm bool
	// Fresh says of which inputs no gradient is there yet, Sole which of these
	// nothing else reads. nil: none. A kernel can promise to write such a
	// gradient rather than add to it, or to leave it where its own result's was.
	Fresh, Sole []bool

	scratch int
	sets    []int
	shares  int // 1 + input
}

// replaces says that the kernel writes the gradient of input i whole instead of
// adding to it, element by element in the order of DOut, or in DOut's own memory
// (see Sets and Shares); false means that it has to add. It is for one input
// of an operator.
func (p *GradPrep) replaces(i int) bool {
	if i < len(p.Sole) && p.Sole[i] && p.shares == 0 {
		p.shares = 1 + i
		return true
	}
	return p.writes(i)
}

// writes is replaces without the leave to use DOut's memory.
func (p *GradPrep) writes(i int) bool {
	if i < len(p.Fresh) && p.Fresh[i] {
		p.sets = append(p.sets, i)
		return true
	}
	return false
}

// Sets reports whether the kernel writes the gradient of input i instead of
// adding to it: nobody need clear it.
func (p *GradPrep) Sets(i int) bool { return slices.Contains(p.sets, i) }

// Shares is the input whose gradient takes the place of DOut, -1 for none.
func (p *GradPrep) Shares() int { return p.shares - 1 }

// NeedScratch asks for n bytes of Grads.Scratch; the largest request counts.
func (p *GradPrep) NeedScratch(n int) { p.scratch = max(p.scratch, n) }

// ScratchSize is the largest request.
func (p *GradPrep) ScratchSize() int { return p.scratch }

// GradKernel computes an operator's gradient. It must not allocate.
type GradKernel interface{ Run(g *Grads) }

// Grads is one backward run of one node. All gradients are float32 and
// ACCUMULATE: a kernel adds into DIn and DParams, so messages sum by
// themselves where a value fans out.
type Grads struct {
	In      []tensor.Tensor // forward inputs; only those Keeps named have values
	Params  []tensor.Tensor
	Out     tensor.Tensor   // forward output, with KeepOut
	DOut    tensor.Tensor   // gradient of the loss by Out; Run may overwrite it
	DIn     []tensor.Tensor // zero Tensor where not wanted
	DParams []tensor.Tensor // zero Tensor where not wanted
	Aux     []byte
	Scratch []byte
	Pool    *pool.Pool

	task GradTask
}

// GradTask is Task for a backward run.
type GradTask interface {
	Do(g *Grads, i, worker int)
}

// Parallel runs t.Do(g, i, worker) for each i in [0, n) and waits for all.
func (g *Grads) Parallel(n int, t GradTask) {
	if n == 1 || g.Pool.Threads() == 1 {
		for i := range n {
			t.Do(g, i, 0)
		}
		return
	}
	g.task = t
	g.Pool.Run(n, g)
	g.task = nil
}

// Do makes Grads a pool.Task; it is not for callers.
func (g *Grads) Do(i, worker int) { g.task.Do(g, i, worker) }
