package cuda

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TrainConfig is how a Trainer learns: by SGD with momentum, in the form that
// PyTorch uses. Weight decay is for weights, not for biases and norms.
type TrainConfig struct {
	Batch       int
	Momentum    float32
	WeightDecay float32
}

// Trainer trains a classifier on the device, by the cross-entropy of its scores
// with labels: what is before a last softmax, else the network's output. A step
// (images in, forward, backward, update, loss out) is recorded once. Batch norm
// uses its batch's statistics and moves the running ones.
type Trainer struct {
	g       *graph.Graph // at batch 1, as given
	s       *state
	l       *lowering
	memory  driver.Ptr // weights, momentum
	weights []trained
}

// trained is one parameter that a step changes.
type trained struct {
	node  graph.ID
	param int
	at    int // bytes into the trainer's memory
	elems int
}

// NewTrainer plans and records a training step of g, batch norm unfolded, on a
// backend that Open gave. The error names a node whose gradient has no kernel.
func NewTrainer(b accel.Backend, g *graph.Graph, c TrainConfig) (*Trainer, error) {
	dev, ok := b.(*backend)
	if !ok {
		return nil, fmt.Errorf("cuda: %s is no backend of this package", b.Name())
	}
	if c.Batch < 1 || c.Momentum < 0 || c.Momentum >= 1 || c.WeightDecay < 0 {
		return nil, fmt.Errorf("cuda: training with %+v", c)
	}
	wide, err := g.WithBatch(c.Batch)
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	dev.mu.Lock()
	defer dev.mu.Unlock()
	if dev.closed {
		return nil, ErrClosed
	}
	t := &Trainer{g: g}
	p, err := t.lower(dev, wide, c)
	if err != nil {
		return nil, err
	}
	if err := t.build(dev, p); err != nil {
		return nil, errors.Join(err, t.s.release(), p.drop(), t.release(dev))
	}
	dev.states++
	p.states++
	return t, nil
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
	first := make([]byte, p.own) // momentum begins at 0
	for _, w := range t.weights {
		copy(first[w.at:], t.g.Node(w.node).Params[w.param].Data)
	}
	err = dev.drv.ToDevice(t.s.stream, t.memory, first)
	if e := dev.drv.Sync(t.s.stream); err == nil {
		err = e
	}
	return err
}

// lower makes a program of a whole step, whose inputs are the network's, then the
// labels and the rate, and whose output is the loss of each row.
func (t *Trainer) lower(dev *backend, g *graph.Graph, c TrainConfig) (*program, error) {
	nums, err := numbersOf(ops.PrecisionF32)
	if err != nil {
		return nil, err
	}
	l := newLowering(g, nums, dev.machine())
	t.l = l
	b, err := newBackward(l)
	if err != nil {
		return nil, err
	}
	own, err := t.place(l)
	if err != nil {
		return nil, err
	}
	if err := b.all(t, c); err != nil {
		return nil, err
	}
	p := &program{b: dev, g: g, l: l, own: own}
	p.ins = []carried{{g.Node(g.Inputs()[0]).Out, l.inputs[0]}, {tensor.F32Spec(c.Batch), b.labels}, {tensor.F32Spec(1), b.rate}}
	p.outs = []carried{{tensor.F32Spec(c.Batch), b.loss}}
	return p, p.place()
}

// place gives every parameter that a step changes, and its momentum, memory of
// the trainer's.
func (t *Trainer) place(l *lowering) (bytes int, err error) {
	l.own = map[*byte]ref{}
	for i := range l.g.Len() {
		n := l.g.Node(graph.ID(i))
		for j, p := range n.Params {
			if !changes(n.Op) {
				continue
			}
			if _, twice := l.own[&p.Data[0]]; twice {
				return 0, fmt.Errorf("cuda: training: %q shares its weights, which has no kernel", n.Name)
			}
			w := trained{graph.ID(i), j, bytes, p.Shape.Elems()}
			l.own[&p.Data[0]] = ref{in: inState, offset: bytes}
			t.weights = append(t.weights, w)
			bytes += 2 * w.slot()
		}
	}
	return max(bytes, weightAlign), nil
}

// slot is the room of a parameter; its momentum is behind it.
func (w trained) slot() int { return (4*w.elems + weightAlign - 1) &^ (weightAlign - 1) }

// changes says whether a step changes an operator's parameters.
func changes(o ops.Op) bool {
	switch o.(type) {
	case *ops.Conv, *ops.Dense, *ops.BatchNorm:
		return true
	}
	return false
}

// Step learns from one batch and gives its mean loss before the update. images has
// the network's input's size at the batch, labels one class a row.
func (t *Trainer) Step(ctx context.Context, images []float32, labels []int, rate float32) (float32, error) {
	in := t.s.inputs
	x, y := in[0].host.F32(), in[len(in)-2].host.F32()
	if len(images) != len(x) || len(labels) != len(y) {
		return 0, fmt.Errorf("cuda: a step takes %d numbers and %d labels, not %d and %d", len(x), len(y), len(images), len(labels))
	}
	copy(x, images)
	classes := t.l.g.Node(t.l.g.Outputs()[0].ID).Out.Shape.Channels()
	for i, c := range labels {
		if c < 0 || c >= classes {
			return 0, fmt.Errorf("cuda: label %d of %d classes", c, classes)
		}
		y[i] = float32(c)
	}
	in[len(in)-1].host.F32()[0] = rate
	if err := t.s.Run(ctx); err != nil {
		return 0, err
	}
	sum := 0.0
	for _, v := range t.s.outputs[0].host.F32() {
		sum += float64(v)
	}
	return float32(sum), nil
}

// Graph is the network with the weights as they are now.
func (t *Trainer) Graph() (*graph.Graph, error) {
	d := t.s.p.b.drv
	fresh := map[graph.ID][]tensor.Tensor{}
	var err error
	for _, w := range t.weights {
		if fresh[w.node] == nil {
			fresh[w.node] = slices.Clone(t.g.Node(w.node).Params)
		}
		p := &fresh[w.node][w.param]
		*p = tensor.New(p.Spec)
		err = errors.Join(err, d.ToHost(t.s.stream, p.Data, t.memory+driver.Ptr(w.at)))
	}
	if err = errors.Join(err, d.Sync(t.s.stream)); err != nil {
		return nil, fmt.Errorf("cuda: reading the weights: %w", err)
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
