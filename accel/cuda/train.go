package cuda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

var _ accel.TrainBackend = (*backend)(nil)

// TrainConfig is how a Trainer learns.
type TrainConfig = accel.TrainOptions

// Trainer trains a classifier on the device in float32. A step (images in, forward,
// backward, update, loss and scores out) is recorded once: what changes from step to
// step comes as numbers. Batch norm uses its batch's statistics and moves the running
// ones, unless they are frozen.
type Trainer struct {
	g       *graph.Graph // at batch 1, as given
	c       TrainConfig
	s       *state
	memory  driver.Ptr // parameters, accumulated gradients, the rule's numbers
	params  []trained
	moving  int // bytes of running statistics, which are first in memory
	kept    ref // what they were before the last step
	target  tensor.Tensor
	dropped []graph.ID // of the step's keys
	rates   []float32  // of the numbers behind them
	scores  graph.ID
	updates int // by Step
}

// trained is one parameter that a step changes.
type trained struct {
	node  graph.ID
	param int
	at    int // bytes into the trainer's memory
	elems int
	parts [accel.PartState1 + 1]bool // that there are: one slot each
}

// NewTrainer plans and records a training step of g, batch norm unfolded, on a
// backend that Open gave. The error names a node whose gradient has no kernel.
func NewTrainer(b accel.Backend, g *graph.Graph, c TrainConfig) (*Trainer, error) {
	dev, ok := b.(*backend)
	if !ok {
		return nil, fmt.Errorf("cuda: %s is no backend of this package", b.Name())
	}
	return dev.trainer(g, c)
}

// NewTrainer is the function of that name as accel.TrainBackend has it.
func (b *backend) NewTrainer(g *graph.Graph, c accel.TrainOptions) (accel.Trainer, error) {
	t, err := b.trainer(g, c)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (b *backend) trainer(g *graph.Graph, c TrainConfig) (*Trainer, error) {
	if err := checkTraining(g, &c); err != nil {
		return nil, err
	}
	wide, err := g.WithBatch(c.Batch)
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	t := &Trainer{g: g, c: c, target: tensor.New(tensor.Spec{DType: tensor.I32, Shape: tensor.Of(c.Batch)})}
	p, err := t.lower(b, wide)
	if err != nil {
		return nil, err
	}
	if err := t.build(b, p); err != nil {
		return nil, errors.Join(err, t.s.release(), p.drop(), t.release(b))
	}
	b.states++
	p.states++
	return t, nil
}

// checkTraining fills in what is usual and refuses what has no meaning.
func checkTraining(g *graph.Graph, c *TrainConfig) error {
	if c.Batch < 1 || c.Momentum < 0 || c.Momentum >= 1 || c.WeightDecay < 0 || c.Clip < 0 || c.Smoothing < 0 || c.Smoothing >= 1 || c.Rule > accel.RuleAdagrad {
		return fmt.Errorf("cuda: training with batch %d, momentum %v, weight decay %v, clip %v, smoothing %v", c.Batch, c.Momentum, c.WeightDecay, c.Clip, c.Smoothing)
	}
	if c.Rule == accel.RuleAdam && !(c.Beta1 > 0 && c.Beta1 < 1 && c.Beta2 > 0 && c.Beta2 < 1 && c.Eps > 0) {
		return fmt.Errorf("cuda: training by Adam with %v, %v and %v", c.Beta1, c.Beta2, c.Eps)
	}
	if c.Learns == nil {
		c.Learns = func(id graph.ID, _ int) bool {
			k := g.Node(id).Op.Kind()
			return k == ops.KindConv || k == ops.KindDense || k == ops.KindBatchNorm
		}
	}
	if c.Decays == nil {
		c.Decays = func(id graph.ID, param int) bool { return param == 0 && g.Node(id).Op.Kind() != ops.KindBatchNorm }
	}
	return nil
}

// build takes the memory, brings the weights there and records a step.
func (t *Trainer) build(dev *backend, p *program) error {
	var err error
	t.s = &state{p: p}
	if t.memory, err = dev.alloc(p.own, "weights that learn"); err != nil {
		return err
	}
	p.state = t.memory
	if err := t.s.build(); err != nil {
		return err
	}
	first := make([]byte, p.own) // what a rule has begins at 0
	for _, w := range t.params {
		copy(first[w.at:], t.g.Node(w.node).Params[w.param].Data)
	}
	err = dev.drv.ToDevice(t.s.stream, t.memory, first)
	if e := dev.drv.Sync(t.s.stream); err == nil {
		err = e
	}
	return err
}

// lower makes a program of a whole step, whose inputs are the network's, then the
// labels and the step's numbers, and whose outputs are the loss of each row, the
// scores and the verdict on the update.
func (t *Trainer) lower(dev *backend, g *graph.Graph) (*program, error) {
	l := newLowering(g, float32s(), dev.machine())
	b, err := newBackward(l, &t.c)
	if err != nil {
		return nil, err
	}
	t.scores = b.scores
	own, err := t.place(l)
	if err != nil {
		return nil, err
	}
	if err := b.all(t); err != nil {
		return nil, err
	}
	t.dropped, t.rates = b.dropped, b.rates
	p := &program{b: dev, g: g, l: l, own: own}
	p.ins = []carried{
		{g.Node(g.Inputs()[0]).Out, l.inputs[0]}, {tensor.F32Spec(t.c.Batch), b.labels},
		{tensor.F32Spec(stepNumbers + 2*len(b.dropped) + stepNumbers*len(b.rates)), b.step},
	}
	p.outs = []carried{{tensor.F32Spec(t.c.Batch), b.loss}, {g.Node(b.scores).Out, l.values[b.scores]}, {tensor.F32Spec(3), b.verdict}}
	return p, p.place()
}

// place gives every parameter that a step changes memory of the trainer's, with what
// else there is of it behind it: running statistics first, a copy of them last.
func (t *Trainer) place(l *lowering) (bytes int, err error) {
	l.own = map[*byte]ref{}
	states := map[accel.Rule]int{accel.RuleAdam: 2, accel.RuleAdagrad: 1}[t.c.Rule]
	if t.c.Rule == accel.RuleSGD && t.c.Momentum > 0 {
		states = 1
	}
	for _, statistics := range []bool{true, false} {
		for i := range l.g.Len() {
			n := l.g.Node(graph.ID(i))
			for j, p := range n.Params {
				learns := learns(&t.c, l.g, graph.ID(i), j)
				if isStatistic(n, j) != statistics || !learns && (t.c.Frozen || !statistics) {
					continue
				}
				if _, twice := l.own[&p.Data[0]]; twice {
					return 0, fmt.Errorf("cuda: training: %q shares its weights, which has no kernel", n.Name)
				}
				w := trained{node: graph.ID(i), param: j, at: bytes, elems: p.Shape.Elems()}
				w.parts = [...]bool{true, learns && accumulates(&t.c), learns && states > 0, learns && states > 1}
				l.own[&p.Data[0]] = ref{in: inState, offset: bytes}
				t.params = append(t.params, w)
				for _, there := range w.parts {
					if there {
						bytes += w.slot()
					}
				}
			}
		}
		if statistics {
			t.moving = bytes
		}
	}
	t.kept = ref{in: inState, offset: bytes}
	bytes += t.moving
	return max(bytes, weightAlign), nil
}

// slot is the room of a part of a parameter.
func (w *trained) slot() int { return (4*w.elems + weightAlign - 1) &^ (weightAlign - 1) }

// part is where a part lies in the trainer's memory.
func (w *trained) part(p accel.Part) (ref, bool) {
	at := w.at
	for i := range p {
		if w.parts[i] {
			at += w.slot()
		}
	}
	return ref{in: inState, offset: at}, w.parts[p]
}

// find is what there is of a parameter, or nil.
func (t *Trainer) find(id graph.ID, param int) *trained {
	i := slices.IndexFunc(t.params, func(w trained) bool { return w.node == id && w.param == param })
	if i < 0 {
		return nil
	}
	return &t.params[i]
}

// Input is the network's input, in pinned memory.
func (t *Trainer) Input() tensor.Tensor { return t.s.inputs[0].host }

// Target is a class for each row.
func (t *Trainer) Target() tensor.Tensor { return t.target }

// Scores is what the loss read in the last step.
func (t *Trainer) Scores() tensor.Tensor { return t.s.outputs[1].host }

// Bytes is what training holds on the device beside weights that do not learn.
func (t *Trainer) Bytes() int { return t.s.p.arena + t.s.p.own }

// stepNumbers is how many numbers a step has; the kernels name them. Behind them lie the
// keys of what is dropped, two each, and the same numbers again with every other rate.
const stepNumbers = 6

// Run does one step.
func (t *Trainer) Run(ctx context.Context, u accel.TrainStep) (loss, norm float32, err error) {
	if ctx == nil {
		return 0, 0, errors.New("cuda: nil context")
	}
	classes := t.Scores().Shape.Channels()
	y := t.s.inputs[1].host.F32()
	for i, c := range t.target.I32() {
		if c < 0 || int(c) >= classes {
			return 0, 0, fmt.Errorf("cuda: label %d of %d classes", c, classes)
		}
		y[i] = float32(c)
	}
	yes := func(b bool) float32 {
		if b {
			return 1
		}
		return 0
	}
	h := t.s.inputs[2].host.F32()
	h[0], h[1], h[2], h[3] = u.Rate, u.Scale, yes(u.First), yes(u.Apply)
	if t.c.Rule == accel.RuleAdam {
		n := float64(u.Updates + 1)
		h[4], h[5] = float32(1/(1-math.Pow(float64(t.c.Beta1), n))), float32(1/(1-math.Pow(float64(t.c.Beta2), n)))
	}
	for i, id := range t.dropped {
		key := t.g.Node(id).Op.(*ops.Dropout).Key(u.Seed(id))
		h[stepNumbers+2*i], h[stepNumbers+2*i+1] = math.Float32frombits(uint32(key)), math.Float32frombits(uint32(key>>32))
	}
	for i, r := range t.rates {
		v := h[stepNumbers*(i+1)+2*len(t.dropped):]
		copy(v, h[:stepNumbers])
		v[0] *= r
	}
	if err := t.s.Run(ctx); err != nil {
		return 0, 0, err
	}
	sum := 0.0
	for _, v := range t.s.outputs[0].host.F32() {
		sum += float64(v)
	}
	loss, norm = float32(sum), t.s.outputs[2].host.F32()[2]
	if bad(loss) || t.c.Clip > 0 && bad(norm) {
		err = t.undo()
	}
	return loss, norm, err
}

// Step learns from one batch, an update each, and gives its mean loss before. images
// has the network's input's size at the batch, labels one class a row.
func (t *Trainer) Step(ctx context.Context, images []float32, labels []int, rate float32) (float32, error) {
	x, y := t.Input().F32(), t.target.I32()
	if len(images) != len(x) || len(labels) != len(y) {
		return 0, fmt.Errorf("cuda: a step takes %d numbers and %d labels, not %d and %d", len(x), len(y), len(images), len(labels))
	}
	copy(x, images)
	for i, c := range labels {
		y[i] = int32(c)
	}
	loss, _, err := t.Run(ctx, accel.TrainStep{Rate: rate, Scale: 1, First: true, Apply: true, Updates: t.updates, Seed: t.plainSeed})
	if err == nil {
		t.updates++
	}
	return loss, err
}

// plainSeed is of Step's dropout.
func (t *Trainer) plainSeed(id graph.ID) uint64 { return uint64(t.updates)<<32 | uint64(id) }

// Get copies a part of a parameter from the device.
func (t *Trainer) Get(id graph.ID, param int, p accel.Part, to []float32) error {
	return t.move(id, param, p, to, func(at driver.Ptr, b []byte) error { return t.s.p.b.drv.ToHost(t.s.stream, b, at) })
}

// Put copies a part of a parameter to the device.
func (t *Trainer) Put(id graph.ID, param int, p accel.Part, from []float32) error {
	return t.move(id, param, p, from, func(at driver.Ptr, b []byte) error { return t.s.p.b.drv.ToDevice(t.s.stream, at, b) })
}

func (t *Trainer) move(id graph.ID, param int, p accel.Part, v []float32, do func(driver.Ptr, []byte) error) error {
	w := t.find(id, param)
	if w == nil {
		return nil
	}
	at, there := w.part(p)
	if !there {
		return nil
	}
	if len(v) != w.elems {
		return fmt.Errorf("cuda: %d numbers for %d of %q", len(v), w.elems, t.g.Node(id).Name)
	}
	err := do(t.memory+driver.Ptr(at.offset), tensor.BytesOf(v))
	if err = errors.Join(err, t.s.p.b.drv.Sync(t.s.stream)); err != nil {
		return fmt.Errorf("cuda: copying %q: %w", t.g.Node(id).Name, err)
	}
	return nil
}

// Graph is the network with the weights as they are now.
func (t *Trainer) Graph() (*graph.Graph, error) {
	fresh := map[graph.ID][]tensor.Tensor{}
	for _, w := range t.params {
		if fresh[w.node] == nil {
			fresh[w.node] = slices.Clone(t.g.Node(w.node).Params)
		}
		p := &fresh[w.node][w.param]
		*p = tensor.New(p.Spec)
		if err := t.Get(w.node, w.param, accel.PartValue, p.F32()); err != nil {
			return nil, err
		}
	}
	return graph.Rewrite(t.g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if ps := fresh[id]; ps != nil {
			return b.Add(n.Name, n.Op, ps, in...)
		}
		return b.Keep(n, in)
	})
}

// Close gives back what the trainer has on the device.
func (t *Trainer) Close() error {
	if t.s.closed {
		return nil
	}
	dev := t.s.p.b
	err := errors.Join(t.s.Close(), t.s.p.Close())
	dev.mu.Lock()
	defer dev.mu.Unlock()
	return errors.Join(err, t.release(dev))
}

func (t *Trainer) release(dev *backend) error {
	if t.memory == 0 {
		return nil
	}
	p := t.memory
	t.memory = 0
	return dev.drv.Free(p)
}
