package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/dataset"
)

// trainOptions are teff train's flags.
type trainOptions struct {
	data, val, out, what, norm, optimizer, schedule string
	checkpoint, report, log                         string
	resume, flip, resetHead                         bool
	epochs, batch, crop, threads, warmup, skip      int
	lr, momentum, decay, smoothing, split           float64
	clip                                            float64
	seed                                            uint64
}

func (o *trainOptions) flags(f *flags) {
	f.StringVar(&o.data, "data", "", "folder of class folders, idx files or strips")
	f.StringVar(&o.val, "val", "", "the same for validation; else part of --data is held back")
	f.Float64Var(&o.split, "val-split", 0.1, "share of --data held back where there is no --val")
	f.StringVar(&o.out, "o", "", "the .teff file to write")
	f.StringVar(&o.what, "what", "auto", "what learns: all, head (features are computed once), norms (biases and norms), auto: head for networks of over 500k weights, else all")
	f.StringVar(&o.norm, "norm", "batch", "batch norm: batch (train and update its statistics) or frozen")
	f.IntVar(&o.epochs, "epochs", 10, "times over the data")
	f.IntVar(&o.batch, "batch", 32, "images of a step")
	f.Float64Var(&o.lr, "lr", 0, "learning rate; 0: 0.05 for sgd, 0.001 for adamw")
	f.StringVar(&o.optimizer, "optimizer", "sgd", "sgd (momentum) or adamw")
	f.Float64Var(&o.momentum, "momentum", 0.9, "of sgd")
	f.Float64Var(&o.decay, "weight-decay", 5e-4, "on weights, not on biases and norms")
	f.StringVar(&o.schedule, "schedule", "cosine", "constant, cosine or step (a tenth after each third)")
	f.IntVar(&o.warmup, "warmup", 0, "updates over which the rate climbs")
	f.Float64Var(&o.smoothing, "smoothing", 0, "label smoothing")
	f.Float64Var(&o.clip, "clip", 0, "largest norm of a step's gradient; 0: any")
	f.BoolVar(&o.flip, "flip", false, "mirror images at random")
	f.IntVar(&o.crop, "shift", 0, "move images at random by up to so many pixels")
	f.BoolVar(&o.resetHead, "reset-head", false, "draw the last layer anew even if its size fits")
	f.Uint64Var(&o.seed, "seed", 1, "of shuffling, augmentation, dropout and a new head")
	f.IntVar(&o.threads, "threads", 0, "threads; 0: all")
	f.StringVar(&o.checkpoint, "checkpoint", "", "file written after every epoch")
	f.BoolVar(&o.resume, "resume", false, "go on from --checkpoint if it is there")
	f.StringVar(&o.report, "report", "", "write a self-contained HTML report")
	f.StringVar(&o.log, "log", "", "write a JSON line for every epoch")
	f.IntVar(&o.skip, "max-skipped", 10, "fail when more images cannot be read")
}

// epochResult is what one epoch gave.
type epochResult struct {
	Epoch  int     `json:"epoch"`
	Loss   float64 `json:"loss"`
	Top1   float64 `json:"top1"` // on validation images
	Train  float64 `json:"train_top1"`
	Rate   float32 `json:"rate"`
	MsStep float64 `json:"ms_per_step"`
}

func runTrain(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "train", "MODEL --data PATH -o OUT")
	ld := loadFlags(f)
	var o trainOptions
	o.flags(f)
	pre := preprocessFlags(f)
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	switch {
	case o.data == "":
		return usagef("--data PATH is missing")
	case o.out == "":
		return usagef("-o OUT is missing")
	case o.epochs < 1 || o.batch < 1 || o.split < 0 || o.split >= 1 || o.crop < 0 || o.warmup < 0 || o.threads < 0 || o.skip < 0:
		return usagef("--epochs, --batch, --val-split, --shift, --warmup, --threads or --max-skipped is out of range")
	case !(o.lr >= 0 && o.momentum >= 0 && o.momentum < 1 && o.decay >= 0 && o.clip >= 0 && o.smoothing >= 0 && o.smoothing < 1):
		return usagef("--lr, --momentum, --weight-decay, --clip or --smoothing is out of range")
	case !slices.Contains([]string{"all", "head", "norms", "auto"}, o.what):
		return usagef("--what %q: all, head, norms or auto", o.what)
	case o.resume && o.checkpoint == "":
		return usagef("--resume needs --checkpoint")
	}
	for _, path := range []string{o.out, o.checkpoint, o.report} {
		if path == "" {
			continue
		}
		if err := canWrite(path); err != nil {
			return err
		}
	}
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
	t, err := newTraining(c, m, &o, pre, f.json)
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.run(ctx); err != nil {
		return err
	}
	return t.finish(f.json)
}

// training is one run of teff train.
type training struct {
	c         *cli
	o         *trainOptions
	m         *model
	meta      format.Metadata
	whole     *graph.Graph // with the right head
	trainer   *train.Trainer
	train     *samples
	val       *samples
	head      bool
	steps     int // of an epoch
	epochs    []epochResult
	confusion [][]int
	quiet     bool
	start     time.Time
}

// close stops the workers.
func (t *training) close() { t.trainer.Close() }

func newTraining(c *cli, m *model, o *trainOptions, pre *preFlags, quiet bool) (*training, error) {
	t := &training{c: c, o: o, m: m, meta: *m.metadata(), quiet: quiet, start: time.Now(), epochs: []epochResult{}}
	set, err := dataset.Open(o.data)
	if err != nil {
		return nil, err
	}
	var valSet *dataset.Set
	if o.val != "" {
		if valSet, err = dataset.Open(o.val); err != nil {
			return nil, err
		}
		if !slices.Equal(valSet.Classes, set.Classes) {
			return nil, fmt.Errorf("--val has the classes %v, --data has %v", valSet.Classes, set.Classes)
		}
	} else {
		set, valSet = holdBack(set, o.split, o.seed)
	}
	if len(set.Classes) < 2 {
		return nil, fmt.Errorf("%s has %d class, training needs two", o.data, len(set.Classes))
	}
	if t.whole, err = train.WithClasses(m.graph, len(set.Classes), o.seed, o.resetHead); err != nil {
		return nil, err
	}
	if len(t.whole.Inputs()) == 0 {
		return nil, fmt.Errorf("%s has no input", m.path)
	}
	in := t.whole.Node(t.whole.Inputs()[0]).Out
	p, err := pre.fit(m, in)
	if err != nil {
		return nil, err
	}
	t.meta.Labels, t.meta.Preprocess = set.Classes, &p
	if t.train, err = loadSamples(c, set, p, in, o, quiet); err != nil {
		return nil, err
	}
	if t.val, err = loadSamples(c, valSet, p, in, o, true); err != nil {
		return nil, err
	}
	t.head = o.what == "head" || o.what == "auto" && t.whole.ParamCount() > 500_000
	return t, t.plan()
}

// plan makes the trainer.
func (t *training) plan() error {
	o := t.o
	t.steps = len(t.train.labels) / o.batch
	if t.steps == 0 {
		return fmt.Errorf("%d images do not fill a batch of %d; use --batch", len(t.train.labels), o.batch)
	}
	cfg := train.Config{
		Batch: o.batch, Smoothing: float32(o.smoothing), ClipNorm: float32(o.clip), Threads: o.threads, Seed: o.seed,
	}
	rate := float32(o.lr)
	switch o.optimizer {
	case "sgd":
		cfg.Optimizer = train.SGD{Momentum: float32(o.momentum), WeightDecay: float32(o.decay)}
		if rate == 0 {
			rate = 0.05
		}
	case "adamw":
		cfg.Optimizer = train.AdamW{WeightDecay: float32(o.decay)}
		if rate == 0 {
			rate = 0.001
		}
	default:
		return usagef("--optimizer %q: sgd or adamw", o.optimizer)
	}
	updates := t.steps * o.epochs
	switch o.schedule {
	case "constant":
		cfg.Schedule = train.Constant(rate)
	case "cosine":
		cfg.Schedule = train.Cosine(rate, updates)
	case "step":
		cfg.Schedule = train.Step(rate, 0.1, max(1, (updates+2)/3))
	default:
		return usagef("--schedule %q: constant, cosine or step", o.schedule)
	}
	if o.warmup > 0 {
		cfg.Schedule = train.Warmup(o.warmup, cfg.Schedule)
	}
	switch o.norm {
	case "batch":
	case "frozen":
		cfg.Norm = train.NormFrozen
	default:
		return usagef("--norm %q: batch or frozen", o.norm)
	}
	g := t.whole
	switch {
	case t.head:
		backbone, head, err := train.Split(t.whole)
		if err != nil {
			return err
		}
		for _, s := range []*samples{t.train, t.val} {
			if err := s.features(t.c, backbone, o.threads, t.quiet); err != nil {
				return err
			}
		}
		g = head
	case o.what == "norms":
		cfg.Trainable = func(n *graph.Node, param int) bool { return n.Op.Kind() == ops.KindBatchNorm || param == 1 }
	}
	var err error
	t.trainer, err = train.New(g, cfg)
	return err
}

// run trains epoch by epoch.
func (t *training) run(ctx context.Context) error {
	first := 0
	if t.o.resume {
		extra, err := t.trainer.Load(t.o.checkpoint)
		switch {
		case err == nil:
			first = int(extra)
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
	}
	var log io.WriteCloser
	if t.o.log != "" {
		f, err := os.OpenFile(t.o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		log = f
	}
	p := newProgress(t.c, "train", t.steps*t.o.epochs, t.quiet)
	for e := first; e < t.o.epochs; e++ {
		r, err := t.epoch(ctx, e, p)
		if err != nil {
			return err
		}
		if r.Top1, err = t.validate(); err != nil {
			return err
		}
		t.epochs = append(t.epochs, r)
		p.done()
		if !t.quiet {
			fmt.Fprintf(t.c.out, "epoch %d: loss %.4f, training %.2f %%, validation %.2f %%, %.1f ms a step\n", e+1, r.Loss, 100*r.Train, 100*r.Top1, r.MsStep)
		}
		if log != nil {
			if err := json.NewEncoder(log).Encode(r); err != nil {
				return fmt.Errorf("%s: %w", t.o.log, err)
			}
		}
		if t.o.checkpoint != "" {
			if err := t.trainer.Save(t.o.checkpoint, uint64(e+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// epoch goes once over the training images in an order of its own.
func (t *training) epoch(ctx context.Context, e int, p *progress) (epochResult, error) {
	order := shuffled(len(t.train.labels), t.o.seed, uint64(e))
	r := epochResult{Epoch: e + 1, Rate: t.trainer.Rate()}
	right, start := 0, time.Now()
	for s := range t.steps {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		index := order[s*t.o.batch : (s+1)*t.o.batch]
		if err := t.train.fill(t.trainer, index, t.o, uint64(e*t.steps+s)); err != nil {
			return r, err
		}
		loss, err := t.trainer.StepInPlace()
		if err != nil {
			return r, err
		}
		if x := float64(loss); math.IsNaN(x) || math.IsInf(x, 0) {
			return r, fmt.Errorf("epoch %d, step %d: the loss is %v; a lower --lr or --clip may help", e+1, s+1, x)
		}
		r.Loss += float64(loss)
		right += countRight(t.trainer.Scores().F32(), t.train.labels, index)
		p.text(e*t.steps+s+1, fmt.Sprintf("loss %.3f, right %.1f %%", r.Loss/float64(s+1), 100*float64(right)/float64((s+1)*t.o.batch)))
	}
	r.Loss /= float64(t.steps)
	r.Train = float64(right) / float64(t.steps*t.o.batch)
	r.MsStep = ms(time.Since(start)) / float64(t.steps)
	return r, nil
}

// finish writes the network.
func (t *training) finish(asJSON bool) error {
	g, err := t.tuned()
	if err != nil {
		return err
	}
	if err := format.WriteFile(t.o.out, g, &format.WriteOptions{Metadata: &t.meta}); err != nil {
		return err
	}
	if t.o.report != "" {
		if err := t.writeReport(); err != nil {
			return err
		}
	}
	if asJSON {
		return printJSON(t.c.out, map[string]any{
			"epochs": t.epochs, "peak_bytes": t.trainer.PeakBytes(), "skipped": t.train.skipped, "classes": t.meta.Labels,
		})
	}
	for _, s := range t.train.skipped {
		fmt.Fprintln(t.c.out, "skipped", s)
	}
	_, err = fmt.Fprintf(t.c.out, "%s: %s, training held %s\n", t.o.out, bytesText(fileSize(t.o.out)), bytesText(int64(t.trainer.PeakBytes())))
	return err
}

// tuned is the whole network as it is now.
func (t *training) tuned() (*graph.Graph, error) {
	g, err := t.trainer.Graph()
	if err != nil || !t.head {
		return g, err
	}
	return train.Join(t.whole, g)
}
