// Package ops holds the operators: one struct an operator that says everything
// about itself. Fields lists its attributes, Infer finds every user error and
// the result's spec, Prepare chooses a kernel for this machine, and, where the
// operator is Differentiable, Backward prepares its gradient.
//
// An operator's operands are its node's inputs followed by its node's
// parameters (weights known when the graph is built). Most operators do not
// care which of the two an operand is; those that pack weights do it for
// parameters and take the plain path for inputs.
//
// Activations are NHWC, convolution weights are [oc, k..., ic/groups].
package ops

import (
	"fmt"

	"github.com/teff-ml/teff/ops/internal/pool"
	"github.com/teff-ml/teff/ops/tensor"
)

// Op is an operator with its attributes. A value is immutable once it is in a
// graph.
type Op interface {
	Kind() Kind
	// Fields shows each attribute to f, always in the same order: it is the
	// only list of them, used to encode, decode, print and compare.
	Fields(f Fields)
	// Infer is the spec of the result, or what is wrong with the operands.
	Infer(in, params []tensor.Spec) (tensor.Spec, error)
	// Prepare chooses how to compute. It may pack weights and ask for scratch.
	// With p.Reference it returns the plain path that defines the operator.
	Prepare(p *Prep) (Kernel, error)
}

// Kernel computes an operator. It is shared by sessions, so it keeps nothing
// of a run: what changes is in the Args. Run cannot fail and must not allocate.
type Kernel interface{ Run(a *Args) }

// Prep is what Prepare may know and ask for.
type Prep struct {
	In     []tensor.Spec   // the node's inputs
	Params []tensor.Tensor // the node's parameters
	Out    tensor.Spec     // what Infer said

	Threads   int          // workers a Parallel may run on, at least 1
	Reference bool         // take the plain path that defines the operator
	Exact     bool         // no path that rounds more than fp32 does (no Winograd, no products by pairs)
	Precision Precision    // what the caller allows inside float32 operators
	Halves    HalfProducts // with PrecisionBF16; nil computes in float32
	// Training says that Params are live: they change between runs. A kernel
	// that packed them implements Repacker.
	Training bool
	// FrozenNorm says that batch norm uses its running statistics even though
	// the rest trains.
	FrozenNorm bool
	// OutPitch is the distance in elements between the starts of neighbouring
	// rows (all dimensions but the last) of the output, when it is a slice of a
	// wider tensor; 0 means dense. Only set for operators with PitchedOutput.
	OutPitch int
	// MemoryBudget bounds the extra memory (packed copies, scratch) one
	// operator should take for speed; 0 means no bound.
	MemoryBudget int
	// ScratchBudget is the scratch that fits beside what lives in the arena
	// anyway; more makes the arena grow. 0 means unknown. A kernel that can do
	// with less for a little speed keeps to it.
	ScratchBudget int
	// FormBudget is about as much, but depends on the graph alone: a choice
	// that changes rounding keeps to it, so that it is the same for any number
	// of threads. It grows with the batch. 0 means unknown.
	FormBudget int
	// WeightBytes is the size of all parameters of the network; 0 means unknown.
	WeightBytes int
	// Packs shares packed weights between preparations for other batch sizes.
	Packs *PackCache
	// PackBlock is where packed copies of live parameters go as long as there
	// is room, shared with other kernels: the caller clears it and calls Repack
	// before every run.
	PackBlock []byte
	// Choice is how to compute where there are several ways.
	Choice Choice

	scratch int
	aux     int
	inPlace []int
	view    int // 1 + input
	path    string
}

// Precision is what a caller allows inside float32 operators. A backend may be
// more precise than it has to be.
type Precision uint8

// The precisions: plain float32, or products of shorter numbers summed in
// float32. An accelerator stores activations as F16 and BF16, too.
const (
	PrecisionF32 Precision = iota
	PrecisionBF16
	PrecisionTF32 // 10 bits of fraction, float32's range
	PrecisionF16  // 10 bits of fraction, numbers up to 65504
)

// String is the name of the precision, as flags spell it.
func (p Precision) String() string {
	switch p {
	case PrecisionF32:
		return "f32"
	case PrecisionBF16:
		return "bf16"
	case PrecisionTF32:
		return "tf32"
	case PrecisionF16:
		return "f16"
	}
	return "unknown"
}

// Operand is the spec of operand i: inputs first, then parameters. ok is false
// when there are fewer. Operand, Specs and wantOperands stand in every operator's
// preparation, not in its run: not inlined, a small program is 20 KB less.
//
//go:noinline
func (p *Prep) Operand(i int) (spec *tensor.Spec, ok bool) {
	if i < len(p.In) {
		return &p.In[i], true
	}
	if i -= len(p.In); i < len(p.Params) {
		return &p.Params[i].Spec, true
	}
	return new(tensor.Spec), false
}

// NeedScratch asks for n bytes of Args.Scratch, 64-byte aligned and not
// cleared. The largest request counts.
//
//go:noinline
func (p *Prep) NeedScratch(n int) { p.scratch = max(p.scratch, n) }

// NeedAux asks for n bytes that the forward run of a training step fills and
// Backward reads: masks, pool indices, batch statistics.
func (p *Prep) NeedAux(n int) { p.aux = max(p.aux, n) }

// InPlace promises that the kernel works when Out shares input i's memory.
//
//go:noinline
func (p *Prep) InPlace(i int) { p.inPlace = append(p.inPlace, i) }

// View says that the output is input i's bytes under another shape: the
// planner lets them share memory and Prepare may return a nil Kernel.
func (p *Prep) View(i int) { p.view = 1 + i }

// Path records the name of the chosen kernel for reports, like "igemm/avx512".
//
//go:noinline
func (p *Prep) Path(name string) { p.path = name }

// Requests are the answers a planner reads after Prepare.
type Requests struct {
	Scratch, Aux int
	InPlace      []int
	View         int // input the output is a view of, or -1
	Path         string
}

// Requests is what the kernel asked for.
//
//go:noinline
func (p *Prep) Requests() Requests {
	return Requests{p.scratch, p.aux, p.inPlace, p.view - 1, p.path}
}

// PitchedOutput is implemented by operators whose kernels honour
// Prep.OutPitch, so that a concatenation need not copy their result.
type PitchedOutput interface{ PitchedOutput() bool }

// Repacker is implemented by kernels that hold a packed copy of parameters. A
// trainer calls Repack after it changed them; it must not allocate.
type Repacker interface{ Repack(a *Args) }

// Redoer is implemented by kernels whose result can be made again, in another
// place, from the same operands and Aux: Redo changes nothing else.
type Redoer interface{ Redo(a *Args) }

// Live is implemented by operators with a form of their own for parameters that
// change between runs. Only trainers ask for it, through PrepareLive, so that a
// program which only infers is linked without.
type Live interface {
	PrepareLive(p *Prep) (Kernel, error)
}

// PrepareLive prepares an operator for a trainer.
func PrepareLive(op Op, p *Prep) (Kernel, error) {
	if l, ok := op.(Live); ok {
		return l.PrepareLive(p)
	}
	return op.Prepare(p)
}

// Args is one run of one node in one session. A session makes it once.
type Args struct {
	In      []tensor.Tensor
	Out     tensor.Tensor
	Scratch []byte
	Aux     []byte     // see Prep.NeedAux; nil outside training
	Pool    *pool.Pool // nil runs on the caller alone
	Seed    uint64     // differs between nodes and steps; for Dropout

	task Task
}

// Task is a piece of work that Parallel splits: Do computes part i of n on the
// given worker, 0 <= worker < Threads. Parts may run in any order and at the
// same time, so results must not depend on it.
type Task interface {
	Do(a *Args, i, worker int)
}

// Parallel runs t.Do(a, i, worker) for each i in [0, n) and waits for all.
func (a *Args) Parallel(n int, t Task) {
	if n == 1 || a.Pool.Threads() == 1 {
		for i := range n {
			t.Do(a, i, 0)
		}
		return
	}
	a.task = t
	a.Pool.Run(n, a)
	a.task = nil
}

// Do makes Args a pool.Task; it is not for callers.
func (a *Args) Do(i, worker int) { a.task.Do(a, i, worker) }

// Run computes op once by the reference path on the given operands, allocating
// what it needs. It is for constant folding and tests.
//
//go:noinline
func Run(op Op, in, params []tensor.Tensor) (tensor.Tensor, error) {
	return RunPrepared(op, in, params, &Prep{Reference: true, Threads: 1}, nil)
}

// RunPrepared is Run with a path of the caller's choice: the switches of p
// count, its specs are filled in here.
func RunPrepared(op Op, in, params []tensor.Tensor, p *Prep, pl *pool.Pool) (tensor.Tensor, error) {
	specs, pspecs := Specs(in), Specs(params)
	out, err := op.Infer(specs, pspecs)
	if err != nil {
		return tensor.Tensor{}, err
	}
	p.In, p.Params, p.Out = specs, params, out
	if p.Threads < 1 {
		p.Threads = 1
	}
	k, err := op.Prepare(p)
	if err != nil {
		return tensor.Tensor{}, err
	}
	r := p.Requests()
	t := tensor.New(out)
	if r.View >= 0 {
		if len(in[r.View].Data) != len(t.Data) {
			return tensor.Tensor{}, fmt.Errorf("BUG: %v is no view of its input", op.Kind())
		}
		copy(t.Data, in[r.View].Data)
	}
	if k != nil {
		k.Run(&Args{In: in, Out: t, Scratch: tensor.AlignedBytes(r.Scratch), Aux: tensor.AlignedBytes(r.Aux), Pool: pl})
	}
	return t, nil
}

// Specs are the specs of tensors.
//
//go:noinline
func Specs(ts []tensor.Tensor) []tensor.Spec {
	s := make([]tensor.Spec, len(ts))
	for i := range ts {
		s[i] = ts[i].Spec
	}
	return s
}

// ShapeError says that an operand does not fit.
type ShapeError struct {
	Kind    Kind
	Operand string // "input", "weight", "bias", …
	Want    string
	Got     string
}

func (e *ShapeError) Error() string {
	return fmt.Sprintf("ops: %v: %s: want %s, got %s", e.Kind, e.Operand, e.Want, e.Got)
}

// notShape is one: callers are many, and what a call takes is less than the making.
//
//go:noinline
func notShape(k Kind, operand, want, got string) error { return &ShapeError{k, operand, want, got} }

// errf is an error of an operator that no ShapeError describes.
func errf(k Kind, format string, args ...any) error {
	return fmt.Errorf("ops: %v: "+format, append([]any{k}, args...)...)
}

// operands joins the specs of inputs and parameters.
//
//go:noinline
func operands(in, params []tensor.Spec) []tensor.Spec {
	if len(params) == 0 {
		return in
	}
	return append(append(make([]tensor.Spec, 0, len(in)+len(params)), in...), params...)
}

// wantOperands checks the number of operands.
//
//go:noinline
func wantOperands(k Kind, in, params []tensor.Spec, lo, hi int) ([]tensor.Spec, error) {
	o := operands(in, params)
	if len(o) < lo || len(o) > hi {
		return nil, errf(k, "has %d operands, want %d to %d", len(o), lo, hi)
	}
	return o, nil
}

// arg is operand i of a run whose node has the parameters params. It is called
// once or twice a task; inlined everywhere it is 12 KB of a program.
//
//go:noinline
func arg(a *Args, params []tensor.Tensor, i int) *tensor.Tensor {
	if i < len(a.In) {
		return &a.In[i]
	}
	return &params[i-len(a.In)]
}

// f32, i32 and i64 are the views of a tensor, and argF32 that of operand i, in a few
// instructions where they are called: the methods copy the whole tensor to their callee.
//
//go:noinline
func f32(t *tensor.Tensor) []float32 { return t.F32() }

//go:noinline
func i32(t *tensor.Tensor) []int32 { return t.I32() }

//go:noinline
func i64(t *tensor.Tensor) []int64 { return t.I64() }

//go:noinline
func argF32(a *Args, params []tensor.Tensor, i int) []float32 { return arg(a, params, i).F32() }
