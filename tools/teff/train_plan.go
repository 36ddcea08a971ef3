package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/imageio"
)

// A head's features are centred and of norm 1: these suit all.
const (
	headRate  = 1.0
	headDecay = 1e-4
)

// estimateBatches is how many minibatches statistics of norms are measured on.
const estimateBatches = 30

// newRound plans the training of samples; val may be nil.
func (t *training) newRound(tr, val *samples) (*round, error) {
	o := t.o
	r := &round{training: t, whole: t.whole, train: tr, val: val, epochs: []epochResult{}}
	rows := len(tr.labels) * tr.views()
	r.batch, r.accumulate = o.batch, o.accumulate
	if !o.given["batch"] {
		r.batch = min(r.batch, rows)
		if !t.head && !t.whole.Batched() { // as many steps as it takes to an update
			r.batch = t.whole.Batch()
			if !o.given["accumulate"] {
				r.accumulate = max(1, o.batch/r.batch)
			}
		}
	}
	if r.steps = rows / r.batch; r.steps == 0 {
		return nil, fmt.Errorf("%d images do not fill a batch of %d; use --batch", rows, r.batch)
	}
	if r.total = o.epochs; r.total == 0 {
		r.total = 10
		if t.head {
			r.total = min(60, max(5, (1000+r.steps-1)/r.steps))
		}
	}
	cfg, err := r.config()
	if err != nil {
		return nil, err
	}
	g := r.whole
	switch {
	case t.head:
		g = t.split
		if r.centring, err = newCentring(tr, g); err != nil {
			return nil, err
		}
		if r.centring != nil {
			if g, err = r.centring.into(g, false); err != nil {
				return nil, err
			}
		}
	case o.bn == "estimate":
		if r.whole, err = r.estimated(r.whole); err != nil {
			return nil, err
		}
		g = r.whole
	}
	if err := o.layers(g, &cfg); err != nil {
		return nil, err
	}
	if o.budget > 0 {
		if err := r.choose(g, &cfg); err != nil {
			return nil, err
		}
	}
	r.trainer, err = t.learner(g, cfg)
	return r, err
}

// config is how to train, but for a sparse plan.
func (r *round) config() (train.Config, error) {
	o := r.o
	cfg := train.Config{
		Batch: r.batch, Accumulate: r.accumulate, Smoothing: float32(o.smoothing), ClipNorm: float32(o.clip), Exact: o.exact, Threads: o.threads, Seed: o.seed,
	}
	if !r.fresh && !r.head && !o.given["clip"] { // one bad step would undo what the network knows
		cfg.ClipNorm = 1
	}
	var err error
	if cfg.ClassWeights, err = o.classWeights(r.train.labels); err != nil {
		return cfg, err
	}
	rate, decay := float32(o.lr), float32(o.decay)
	if r.head && !o.given["weight-decay"] {
		decay = headDecay
	}
	rates := map[bool]float32{true: 0.05, false: 0.01}
	switch o.optimizer {
	case "adamw":
		cfg.Optimizer = train.AdamW{WeightDecay: decay}
		rates = map[bool]float32{true: 0.002, false: 0.0005}
	case "adagrad":
		cfg.Optimizer = train.Adagrad{WeightDecay: decay}
		rates = map[bool]float32{true: 0.02, false: 0.005}
	default:
		cfg.Optimizer = train.SGD{Momentum: float32(o.momentum), WeightDecay: decay, Nesterov: o.optimizer == "nesterov"}
	}
	switch {
	case rate > 0:
	case !r.head && !r.fresh && !train.HasNorms(r.whole): // nothing keeps the layers' scales
		if rate = rates[false] / 10; inputScale(r.meta.Preprocess) > 0.1 {
			rate /= 10
		}
	case r.head && (o.optimizer == "adamw" || o.optimizer == "adagrad"): // whose steps do not shrink with gradients
		rate = 0.05
	case r.head:
		rate = headRate
	default:
		rate = rates[r.fresh]
	}
	r.rate = rate
	updates := r.steps * r.total / r.accumulate
	if updates == 0 {
		return cfg, fmt.Errorf("%d steps are less than the %d of an update (--accumulate): nothing would be learned", r.steps*r.total, r.accumulate)
	}
	if o.grow > 0 {
		gathers := r.gathers()
		updates = len(gathers)
		cfg.Grow = func(u int) int { return gathers[min(u, len(gathers)-1)] }
	}
	switch o.schedule {
	case "constant":
		cfg.Schedule = train.Constant(rate)
	case "cosine":
		cfg.Schedule = train.Cosine(rate, updates)
	case "step":
		cfg.Schedule = train.Step(rate, 0.1, max(1, (updates+2)/3))
	}
	if o.warmup > 0 {
		cfg.Schedule = train.Warmup(o.warmup, cfg.Schedule)
	}
	if o.bn == "frozen" || o.bn == "estimate" || o.bn == "auto" && (o.what == "last" || o.budget > 0) {
		cfg.Norm = train.NormFrozen
	}
	switch o.what {
	case "norms":
		cfg.Trainable = train.NormsAndBiases(r.newHead)
	case "last":
		cfg.Trainable, err = train.LastBlocks(r.whole, o.last)
	}
	return cfg, err
}

// inputScale is what a pixel's value is multiplied by.
func inputScale(p *format.Preprocess) float32 {
	s := p.Scale
	if s == 0 {
		s = 1
	}
	if len(p.Std) > 0 {
		s /= p.Std[0]
	}
	return s
}

// gather is the steps of an update that begins in epoch e.
func (r *round) gather(e int) int {
	if r.o.grow == 0 {
		return r.accumulate
	}
	return r.accumulate << min(e/r.o.grow, 16)
}

// gathers is gather for each update.
func (r *round) gathers() (g []int) {
	for at := 0; at < r.steps*r.total; {
		n := r.gather(at / r.steps)
		g = append(g, n)
		at += n
	}
	return g
}

// estimated is g with norms that know the training images.
func (r *round) estimated(g *graph.Graph) (*graph.Graph, error) {
	batch := min(32, len(r.train.labels))
	order := shuffled(len(r.train.labels), r.o.seed, 1<<42)
	n := min(estimateBatches, len(order)/batch)
	return train.EstimateNorms(g, batch, n, r.o.threads, func(i int, in tensor.Tensor) error {
		rows := in.Shape.Dim(0)
		for k := range rows {
			if err := r.putPlain(in, k, r.train, order[(i*rows+k)%len(order)]); err != nil {
				return err
			}
		}
		return nil
	})
}

// choose makes a sparse plan within --budget.
func (r *round) choose(g *graph.Graph, cfg *train.Config) error {
	var must []string
	if r.newHead != "" {
		must = append(must, r.newHead)
	}
	rng := rand.New(rand.NewPCG(r.o.seed, 0xb0d6))
	var dst *imageio.RGB
	s, err := train.ChooseSparse(g, *cfg, int(r.o.budget), must, 8, func(_ int, t *train.Trainer) (err error) {
		for k := range t.Target().Shape.Dim(0) {
			i := rng.IntN(len(r.train.labels))
			t.Target().I32()[k] = int32(r.train.labels[i])
			if dst, err = r.train.store.put(t.Input(0), k, r.train.index[i], r.o.aug, rng, dst); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, train.ErrBudget) {
		return fmt.Errorf("--budget %d: %w", r.o.budget, err)
	}
	if err != nil {
		return err
	}
	r.sparse = s
	r.batch, r.steps = s.Config.Batch, r.steps*r.batch/s.Config.Batch
	*cfg = s.Config
	n := 0
	for _, p := range s.Parts {
		if p.Chosen {
			n++
		}
	}
	r.say("budget %s: %d of %d tensors learn, batch %d, %d of them an update, training holds %d bytes", bytesText(int64(r.o.budget)), n, len(s.Parts), r.batch, s.Config.Accumulate, s.PeakBytes)
	return nil
}

// validate runs the network as it is now on the held-back images, or, where
// there are none, on those of training.
func (r *round) validate() (float64, error) {
	g, err := r.trainer.Graph()
	if err != nil {
		return 0, err
	}
	opts := []runtime.Option{runtime.WithThreads(r.o.threads)}
	if r.backend != nil {
		opts = append(opts, runtime.WithBackend(r.backend))
	}
	m, err := runtime.New(g, opts...)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	on := r.val
	if on == nil {
		on = r.train
	}
	batch := m.Compiled().Batch()
	if m.Compiled().Batched() {
		batch = min(16, len(on.labels))
	}
	ses, err := m.NewSession(runtime.WithBatch(batch))
	if err != nil {
		return 0, err
	}
	defer ses.Close()
	classes := len(r.meta.Labels)
	r.confusion = make([][]int, classes)
	for i := range r.confusion {
		r.confusion[i] = make([]int, classes)
	}
	right := 0
	for from := 0; from < len(on.labels); from += batch {
		n := min(batch, len(on.labels)-from)
		for k := range n {
			if err := r.putPlain(ses.Input(0), k, on, from+k); err != nil {
				return 0, err
			}
		}
		if err := ses.Run(context.Background()); err != nil {
			return 0, err
		}
		scores := ses.Output(0).F32()
		if slices.ContainsFunc(scores, func(v float32) bool { return v != v }) { // no later step may find it
			return 0, fmt.Errorf("%w: the network gives what is no number; a lower --lr or --clip may help", train.ErrDiverged)
		}
		per := len(scores) / batch
		for k := range n {
			want, top := on.labels[from+k], argmax(scores[k*per:(k+1)*per])
			if top < classes {
				r.confusion[want][top]++
			}
			if top == want {
				right++
			}
		}
	}
	return float64(right) / float64(len(on.labels)), nil
}
