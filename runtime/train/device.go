package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// Device is a Trainer whose steps a device does. Beside it a Trainer keeps the
// plan, the schedule and the checkpoints: what the device has learned is copied
// there when it is asked for, so a checkpoint of one resumes on the other. It
// belongs to one goroutine.
type Device struct {
	host *Trainer
	dev  accel.Trainer
	seed func(graph.ID) uint64
}

// OnDevice plans training of g on a backend. The error says which node, or what of
// the configuration, the backend has no kernel for.
func OnDevice(b accel.Backend, g *graph.Graph, cfg Config) (*Device, error) {
	if b == nil {
		return nil, errors.New("train: nil backend")
	}
	tb, ok := b.(accel.TrainBackend)
	if !ok {
		return nil, fmt.Errorf("train: %s does not train", b.Name())
	}
	host, err := New(g, cfg)
	if err != nil {
		return nil, err
	}
	d := &Device{host: host}
	d.seed = func(id graph.ID) uint64 { return mix(host.cfg.Seed, uint64(host.step), uint64(id)) }
	if d.dev, err = d.begin(tb); err != nil {
		return nil, errors.Join(err, host.Close())
	}
	return d, nil
}

func (d *Device) begin(b accel.TrainBackend) (accel.Trainer, error) {
	c := &d.host.cfg
	switch {
	case c.Loss != CrossEntropy:
		return nil, fmt.Errorf("train: %s has one loss, cross-entropy", b.Name())
	case c.InputGradients:
		return nil, fmt.Errorf("train: %s gives no gradients by inputs", b.Name())
	case c.Channels != nil:
		return nil, fmt.Errorf("train: %s has no kernels for single channels that learn", b.Name())
	case c.Lean || c.Reference:
		return nil, fmt.Errorf("train: %s has one form of its kernels: neither Lean nor Reference", b.Name())
	case len(d.host.net.g.Inputs()) != 2:
		return nil, fmt.Errorf("train: %s takes networks of one input", b.Name())
	}
	o := accel.TrainOptions{
		Batch: c.Batch, Smoothing: c.Smoothing, ClassWeights: c.ClassWeights, Clip: c.ClipNorm, Accumulate: !c.early(), Frozen: c.Norm == NormFrozen,
	}
	rates, decays, all := map[paramKey]float32{}, map[paramKey]bool{}, false
	switch r := c.Optimizer.(type) {
	case SGD:
		o.Momentum, o.Nesterov, o.WeightDecay, o.Decoupled, all = r.Momentum, r.Nesterov, r.WeightDecay, r.Decoupled, r.DecayAll
	case AdamW:
		r = r.filled()
		o.Rule, o.Beta1, o.Beta2, o.Eps, o.WeightDecay, o.Decoupled = accel.RuleAdam, r.Beta1, r.Beta2, r.Eps, r.WeightDecay, !r.Coupled
	case Adagrad:
		r = r.filled()
		o.Rule, o.Eps, o.WeightDecay = accel.RuleAdagrad, r.Eps, r.WeightDecay
	default:
		return nil, fmt.Errorf("train: %s has no kernel for %T", b.Name(), r)
	}
	for _, p := range d.host.params {
		rates[p.key], decays[p.key] = p.rate, p.decay || all
	}
	o.Learns = func(id graph.ID, param int) bool { _, learns := rates[paramKey{id, param}]; return learns }
	o.Rates = func(id graph.ID, param int) float32 { return rates[paramKey{id, param}] }
	o.Decays = func(id graph.ID, param int) bool { return decays[paramKey{id, param}] }
	g, err := d.host.Graph()
	if err != nil {
		return nil, err
	}
	return b.NewTrainer(g, o)
}

// Input is the network's input.
func (d *Device) Input(int) tensor.Tensor { return d.dev.Input() }

// Target is where a step reads classes.
func (d *Device) Target() tensor.Tensor { return d.dev.Target() }

// Scores is what the loss read in the last step.
func (d *Device) Scores() tensor.Tensor { return d.dev.Scores() }

// Rate is the learning rate of the next update.
func (d *Device) Rate() float32 { return d.host.Rate() }

// Steps is the number of steps done.
func (d *Device) Steps() int { return d.host.Steps() }

// Updates is the number of times the parameters changed.
func (d *Device) Updates() int { return d.host.Updates() }

// Parameters names what learns, in order.
func (d *Device) Parameters() []string { return d.host.Parameters() }

// PeakBytes is what training holds on the device, beside weights that do not learn.
func (d *Device) PeakBytes() int { return d.dev.Bytes() }

// StepInPlace is Trainer.StepInPlace on the device. A loss that is no number leaves
// the parameters and running statistics as they were, and ends what was accumulated.
// Gradients are looked at with ClipNorm alone; Save refuses parameters and statistics
// that became no numbers.
func (d *Device) StepInPlace() (float32, error) {
	h := d.host
	n := h.accumulated + 1
	apply := n >= h.cfg.accumulation(h.updates)
	s := accel.TrainStep{Rate: h.cfg.Schedule(h.updates), Scale: 1 / float32(n), First: h.accumulated == 0, Apply: apply, Updates: h.updates, Seed: d.seed}
	if r, ok := h.cfg.Optimizer.(Adagrad); ok {
		s.Rate = r.rate(s.Rate, h.updates)
	}
	loss, norm, err := d.dev.Run(context.Background(), s)
	if err != nil {
		return loss, err
	}
	if isBad(loss) {
		h.accumulated = 0 // what was accumulated is spoilt
		return loss, d.diverged(loss)
	}
	h.step++
	if h.accumulated = n; !apply {
		return loss, nil
	}
	h.accumulated = 0
	if h.cfg.ClipNorm > 0 && isBad(norm) {
		return loss, fmt.Errorf("%w: gradients of norm %v at step %d", ErrDiverged, norm, h.step)
	}
	h.updates++
	return loss, nil
}

// diverged names the first layer with a value that is no number: the CPU's, of the
// same step.
func (d *Device) diverged(loss float32) error {
	h := d.host
	if err := d.pull(); err != nil {
		return err
	}
	copy(h.inputs[0].Data, d.dev.Input().Data)
	copy(h.Target().Data, d.dev.Target().Data)
	h.forward()
	return h.diverged(loss)
}

// parts calls f with everything that the device has and a checkpoint holds.
func (d *Device) parts(f func(k paramKey, p accel.Part, v []float32) error) (err error) {
	try := func(k paramKey, p accel.Part, v []float32) {
		if err == nil {
			err = f(k, p, v)
		}
	}
	for k, v := range d.host.net.live {
		try(k, accel.PartValue, v.F32())
	}
	for i := range d.host.params {
		p := &d.host.params[i]
		if d.host.update != nil {
			try(p.key, accel.PartGradient, p.g)
		}
		for s := range d.host.cfg.Optimizer.slots() {
			try(p.key, accel.PartState0+accel.Part(s), p.state[s])
		}
	}
	return err
}

// pull brings the device's state here.
func (d *Device) pull() error {
	err := d.parts(func(k paramKey, p accel.Part, v []float32) error { return d.dev.Get(k.node, k.param, p, v) })
	d.host.repack()
	return err
}

// Graph is the network with its parameters as they are now.
func (d *Device) Graph() (*graph.Graph, error) {
	if err := d.pull(); err != nil {
		return nil, err
	}
	return d.host.Graph()
}

// Save writes a checkpoint, the same that a Trainer of this configuration writes.
func (d *Device) Save(path string, extra uint64) error {
	if err := d.pull(); err != nil {
		return err
	}
	return d.host.Save(path, extra)
}

// Load goes on from a checkpoint, a Trainer's as well.
func (d *Device) Load(path string) (extra uint64, err error) {
	if extra, err = d.host.Load(path); err != nil {
		return 0, err
	}
	return extra, d.parts(func(k paramKey, p accel.Part, v []float32) error { return d.dev.Put(k.node, k.param, p, v) })
}

// Close gives back what training has on the device; the backend stays open.
func (d *Device) Close() error { return errors.Join(d.dev.Close(), d.host.Close()) }
