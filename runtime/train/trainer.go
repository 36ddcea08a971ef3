package train

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Trainer trains one network. It belongs to one goroutine.
type Trainer struct {
	cfg     Config
	net     *network
	pool    *ops.Workers
	arena   []byte
	state   []byte // optimiser state of all parameters, and gradients that outlive their node's turn
	inputs  []tensor.Tensor
	dInputs []tensor.Tensor // with Config.InputGradients
	scores  tensor.Tensor
	loss    tensor.Tensor
	fwd     []fwdRun
	bwd     []*bwdRun
	params  []param
	stats   []statistic
	peak    int
	times   []LayerTime           // with Profile
	update  *updateTask           // of all parameters; nil: each node's in its turn
	squares squares               // with ClipNorm
	now     update                // under way
	spoilt  atomic.Pointer[param] // whose gradient was found to be no number in this step

	step        int // steps done
	updates     int
	accumulated int // steps since the last update
}

type fwdRun struct {
	node   graph.ID
	kernel ops.Kernel
	repack ops.Repacker // nil when there is nothing to pack
	block  []byte       // packed weights go here before every run, not after every update
	args   ops.Args
}

func (r *fwdRun) run() {
	if r.block != nil {
		clear(r.block)
		r.repack.Repack(&r.args)
	}
	r.kernel.Run(&r.args)
}

type bwdRun struct {
	node   graph.ID
	kernel ops.GradKernel
	grads  ops.Grads
	narrow *narrowRun
	clear  [][]float32
	redo   []redoRun
	sums   [][]float32 // gradients of parameters that start and end here
	update *updateTask // of these parameters, or nil
	tiled  *tiledRun   // of parameter 0, or nil
}

func (r *bwdRun) run() {
	r.differentiate()
	r.learn()
}

// learn updates what is updated in the node's turn.
func (r *bwdRun) learn() {
	if r.tiled != nil {
		r.tiled.run()
	}
	if r.update != nil {
		r.update.run()
	}
}

func (r *bwdRun) differentiate() {
	for i := range r.redo {
		r.redo[i].kernel.Redo(&r.redo[i].args)
	}
	for _, c := range r.sums {
		clear(c)
	}
	if r.narrow != nil { // first: the kernel may overwrite the gradient of its result
		r.narrow.run()
	}
	for _, c := range r.clear {
		clear(c)
	}
	if r.kernel != nil {
		r.kernel.Run(&r.grads)
	}
}

// redoRun makes a value again.
type redoRun struct {
	kernel ops.Redoer
	args   ops.Args
}

// param is one trainable tensor.
type param struct {
	name  string
	key   paramKey
	w, g  []float32 // all of it; the gradient of what learns
	state [2][]float32
	decay bool
	rate  float32 // times the schedule's
	// channels of the first dimension that learn, nil: all
	channels []int
}

// learning is how many of its numbers learn.
func (p *param) learning() int {
	if p.channels == nil {
		return len(p.w)
	}
	return len(p.g)
}

// New plans training of g: the portable graph, batch norm unfolded where it is
// to learn. Everything that can go wrong with the network goes wrong here, and
// PeakBytes is known afterwards. What learns is copied; the other weights are read where
// they lie, so a runtime.Model or format.File that they are of is closed after the trainer.
func New(g *graph.Graph, cfg Config) (*Trainer, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	net, err := build(g, &cfg)
	if err != nil {
		return nil, err
	}
	t := &Trainer{cfg: cfg, net: net, pool: ops.NewWorkers(cfg.Threads)}
	s, err := newSchedule(net, &t.cfg, t.pool.Threads())
	if err != nil {
		t.pool.Close()
		return nil, err
	}
	t.bindParams(s)
	t.bindStatistics(s)
	if err := t.bind(s); err != nil {
		t.pool.Close()
		return nil, err
	}
	t.peak = s.bytes()
	return t, nil
}

// bytes is what training by this schedule holds.
func (s *schedule) bytes() int {
	n := s.layout.Size + s.packs.Bytes() + s.packed
	for k, p := range s.net.live {
		n += len(p.Data)
		if s.runs[k.node] && s.learns(k.node, k.param) {
			n += 4 * stateFloats(s.learning(k), s.cfg)
		}
		if s.moves(k) {
			n += len(p.Data)
		}
	}
	return n
}

// stateFloats is what a parameter's optimiser state takes, and its gradient
// where that is not in the arena.
func stateFloats(elems int, c *Config) int {
	n := c.Optimizer.slots()
	if !c.early() {
		n++
	}
	return (elems + 15) / 16 * 16 * n
}

// PeakBytes is all that training holds beside the source graph: the arena
// (values, gradients, scratch), live parameters, their gradients and the
// optimiser's state, and packed weights. It does not grow.
func (t *Trainer) PeakBytes() int { return t.peak }

// Input is input i of a step, to be filled by the caller before each step, which
// may use its memory for other things once it is read; the last one is the target.
func (t *Trainer) Input(i int) tensor.Tensor { return t.inputs[i] }

// InputGradient is the gradient of the loss by input i in the last step, of the
// input's shape; the zero Tensor without Config.InputGradients, and where the input is
// no float32 or the loss does not depend on it. The next step overwrites it.
func (t *Trainer) InputGradient(i int) tensor.Tensor {
	if i < 0 || i >= len(t.dInputs) {
		return tensor.Tensor{}
	}
	return t.dInputs[i]
}

// Target is where a step reads classes (int32) or the float target; like Input,
// to be filled before each step.
func (t *Trainer) Target() tensor.Tensor { return t.inputs[len(t.inputs)-1] }

// Scores is what the loss read in the last step: logits, [batch, classes].
func (t *Trainer) Scores() tensor.Tensor { return t.scores }

// Steps is the number of steps done.
func (t *Trainer) Steps() int { return t.step }

// Updates is the number of times the parameters changed.
func (t *Trainer) Updates() int { return t.updates }

// Rate is the learning rate of the next update.
func (t *Trainer) Rate() float32 { return t.cfg.Schedule(t.updates) }

// Step copies one minibatch in, runs it forward and backward, and updates the
// parameters (with Accumulate, every so many steps). It returns the loss before
// the update and allocates nothing. A loss that is no number stops before the
// update with an error that wraps ErrDiverged and names the layer, or ErrLabel
// where that is why; a gradient that is none ends the update, see ErrDiverged.
func (t *Trainer) Step(input, target tensor.Tensor) (float32, error) {
	if !input.Spec.Equal(t.inputs[0].Spec) || !target.Spec.Equal(t.Target().Spec) {
		return 0, fmt.Errorf("train: step got %v and %v, want %v and %v", input.Spec, target.Spec, t.inputs[0].Spec, t.Target().Spec)
	}
	copy(t.inputs[0].Data, input.Data)
	copy(t.Target().Data, target.Data)
	return t.StepInPlace()
}

// StepInPlace is Step on what the caller wrote into Input and Target since the
// step before.
func (t *Trainer) StepInPlace() (float32, error) {
	if t.cfg.Loss == Custom {
		return 0, errors.New("train: a step by a loss of the program's own is StepFunc")
	}
	return t.learn(nil)
}

// StepFunc is StepInPlace by a loss of the program's own, where Config.Loss is
// Custom. Of the network's output, [batch, …], loss computes the loss over the batch
// and its gradient, element by element; Target is not looked at. A mean over the
// batch is the program's to take.
func (t *Trainer) StepFunc(loss func(output, gradient []float32) float32) (float32, error) {
	if t.cfg.Loss != Custom || loss == nil {
		return 0, errors.New("train: StepFunc wants Config.Loss to be Custom, and a loss")
	}
	return t.learn(loss)
}

// learn is a step; custom, if any, makes loss and gradient of the scores.
func (t *Trainer) learn(custom func(scores, gradient []float32) float32) (float32, error) {
	t.keepStatistics()
	loss, err := t.tryStep(custom)
	if err != nil {
		t.undoStatistics()
	}
	return loss, err
}

func (t *Trainer) tryStep(custom func(scores, gradient []float32) float32) (float32, error) {
	early := t.update == nil
	if t.accumulated == 0 && !early {
		for i := range t.params {
			clear(t.params[i].g)
		}
	}
	loss := t.forward()
	if custom != nil {
		loss = custom(t.scores.F32(), t.Target().F32())
	}
	if isBad(loss) {
		return loss, t.diverged(loss)
	}
	if err := t.checkStatistics(); err != nil {
		return loss, err
	}
	if early {
		t.prepare(1)
	}
	t.backward()
	t.step++
	if early {
		return loss, t.updated()
	}
	t.accumulated++
	if t.accumulated < t.cfg.accumulation(t.updates) {
		return loss, nil
	}
	t.prepare(t.accumulated)
	if err := t.clip(); err != nil {
		t.accumulated = 0
		return loss, err
	}
	t.update.run()
	return loss, t.updated()
}

// forward runs a minibatch in training form and returns its loss, changing no
// parameter but running statistics.
func (t *Trainer) forward() float32 {
	for i := range t.fwd {
		r := &t.fwd[i]
		r.args.Seed = mix(t.cfg.Seed, uint64(t.step), uint64(r.node))
		if t.times == nil {
			r.run()
			continue
		}
		start := time.Now()
		r.run()
		t.times[r.node].Forward = time.Since(start)
	}
	return t.loss.F32()[0]
}

func (t *Trainer) backward() {
	t.bwd[0].grads.DOut.F32()[0] = 1
	for i := range t.bwd {
		if r := t.bwd[i]; t.times == nil {
			r.run()
		} else {
			r.timed(&t.times[r.node])
		}
	}
}

// diverged names the first layer with a value that is no number.
func (t *Trainer) diverged(loss float32) error {
	if y := t.Target(); t.cfg.Loss == CrossEntropy && y.DType == tensor.I32 {
		for i, c := range y.I32() {
			if n := t.scores.Shape.Channels(); c < 0 || int(c) >= n {
				return fmt.Errorf("%w: %d at row %d, there are %d classes", ErrLabel, c, i, n)
			}
		}
	}
	for i := range t.fwd {
		// Later nodes may have reused memory, so run again up to here.
		r := &t.fwd[i]
		r.run()
		if r.args.Out.DType != tensor.F32 {
			continue
		}
		for _, v := range r.args.Out.F32() {
			if isBad(v) {
				return fmt.Errorf("%w: loss is %v at step %d; the first bad value is in layer %q", ErrDiverged, loss, t.step, t.net.g.Node(r.node).Name)
			}
		}
	}
	return fmt.Errorf("%w: loss is %v at step %d", ErrDiverged, loss, t.step)
}

func isBad(v float32) bool { return v != v || math.IsInf(float64(v), 0) }

// mix turns seeds into one that looks random (splitmix64's finaliser).
func mix(a, b, c uint64) uint64 {
	x := a + b*0x9e3779b97f4a7c15 + c*0xbf58476d1ce4e5b9
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Graph is the network with its parameters as they are now: a new graph, in
// the form it came in, ready to be written, folded or run.
func (t *Trainer) Graph() (*graph.Graph, error) { return t.net.snapshot() }

// Gradient is the gradient of the named parameter ("node.index") in the last
// step before its update, nil when there is none of that name or it is not kept
// (Config.Gradients); of the channels that learn, where not all do. It is for
// tests and diagnostics.
func (t *Trainer) Gradient(name string) []float32 {
	for i := range t.params {
		if t.params[i].name == name && t.update != nil {
			return t.params[i].g
		}
	}
	return nil
}

// Parameters names what learns, in order.
func (t *Trainer) Parameters() []string {
	names := make([]string, len(t.params))
	for i := range t.params {
		names[i] = t.params[i].name
	}
	return names
}

// Close stops the workers.
func (t *Trainer) Close() error {
	t.pool.Close()
	return nil
}
