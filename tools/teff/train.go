package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/teff-ml/teff/tools/dataset"
)

// trainOptions are teff train's flags.
type trainOptions struct {
	data                                       list
	device                                     string
	val, out, what, bn, optimizer, schedule    string
	checkpoint, report, log, augment, classWts string
	budget                                     byteSize
	resume, resetHead, fold, exact, best       bool
	timed                                      bool
	epochs, batch, threads, warmup, skip       int
	accumulate, grow, folds, views, every      int
	patience                                   int
	lr, momentum, decay, smoothing, split      float64
	clip, dropout                              float64
	seed                                       uint64
	aug                                        dataset.Augment
	last                                       int // of --what last:N
	scales                                     layerScales
	noDecay                                    list
	given                                      map[string]bool // flags on the command line
}

func (o *trainOptions) flags(f *flags) {
	f.Var(&o.data, "data", "folder of class folders, idx files or strips; may be repeated")
	f.StringVar(&o.val, "val", "", "the same for validation; else part of --data is held back")
	f.Float64Var(&o.split, "val-split", 0.1, "share of --data held back where there is no --val")
	f.IntVar(&o.folds, "folds", 0, "cross-validate: train so many times, each time holding another part back; then on everything")
	f.StringVar(&o.out, "o", "", "the .teff file to write")
	f.StringVar(&o.what, "what", "auto", "what learns: all, head (features are computed once), last:N (blocks), norms (biases and norms), auto: all of fresh networks and of small ones with 2000 images, else the head")
	f.Var(&o.budget, "budget", "choose what learns so that training holds at most this, such as 512KB, beside the model")
	f.StringVar(&o.bn, "bn", "auto", "batch norm: train (and update its statistics), frozen, estimate (statistics measured on --data, before and after), auto: train when all learns, else frozen")
	f.BoolVar(&o.fold, "fold", false, "write batch norm folded into weights")
	f.IntVar(&o.epochs, "epochs", 0, "times over the data; 0: 10, or for a head what makes a thousand updates")
	f.BoolVar(&o.best, "best", false, "write the network of the epoch with the best validation, not of the last")
	f.IntVar(&o.patience, "patience", 0, "end after so many epochs without a better validation, and write the best; 0: never")
	f.IntVar(&o.batch, "batch", 32, "images of a step")
	f.IntVar(&o.accumulate, "accumulate", 1, "steps whose gradients make one update")
	f.IntVar(&o.grow, "grow", 0, "double --accumulate after each so many epochs; 0: never")
	f.Float64Var(&o.lr, "lr", 0, "learning rate; 0: by optimizer and what learns")
	f.Var(&o.scales, "lr-scale", "PATTERN=X: layers whose names fit (* stands for any letters; teff inspect --graph lists names) learn at X times the rate, at 0 not at all; may be repeated, the last that fits counts. --what auto is all with it")
	f.Var(&o.noDecay, "no-decay", "PATTERN: no weight decay for layers whose names fit; may be repeated")
	f.StringVar(&o.optimizer, "optimizer", "sgd", "sgd (momentum), nesterov, adamw or adagrad")
	f.Float64Var(&o.momentum, "momentum", 0.9, "of sgd and nesterov")
	f.Float64Var(&o.decay, "weight-decay", 5e-4, "on weights, not on biases and norms")
	f.StringVar(&o.schedule, "schedule", "cosine", "constant, cosine or step (a tenth after each third)")
	f.IntVar(&o.warmup, "warmup", 0, "updates over which the rate climbs")
	f.Float64Var(&o.smoothing, "smoothing", 0, "label smoothing")
	f.StringVar(&o.classWts, "class-weights", "", "balanced (rare classes count more), or a weight for each class: 1,2,0.5")
	f.Float64Var(&o.dropout, "dropout", 0, "drop this share of the features before the head while training")
	f.Float64Var(&o.clip, "clip", 0, "largest norm of an update's gradient; 0: any. Without it 1 for trained networks, unless the head alone learns")
	f.StringVar(&o.augment, "augment", "auto", "auto: photos (96 pixels and more, in colour) are mirrored and zoomed unless flags say else; none")
	f.BoolVar(&o.aug.Flip, "flip", false, "mirror images at random")
	f.IntVar(&o.aug.Shift, "shift", 0, "move images at random by up to so many pixels")
	f.Float64Var(&o.aug.Zoom, "zoom", 0, "cut out a random part of at least this share of the image; 0: off")
	f.Float64Var(&o.aug.Colour, "colour", 0, "change brightness, contrast and saturation by up to this share")
	f.Float64Var(&o.aug.Erase, "erase", 0, "probability that a rectangle becomes noise")
	f.IntVar(&o.views, "views", 0, "pictures of each image, augmented but for the first, whose features a head learns from; 0: by the number of images")
	f.BoolVar(&o.resetHead, "reset-head", false, "draw the last layer anew even if its size fits")
	f.Uint64Var(&o.seed, "seed", 1, "of shuffling, augmentation, dropout and a new head")
	f.BoolVar(&o.exact, "exact", false, "no kernel that rounds more than plain float32 sums; slower")
	f.IntVar(&o.threads, "threads", 0, "threads; 0: all")
	f.StringVar(&o.device, "device", "cpu", deviceHelp)
	f.StringVar(&o.checkpoint, "checkpoint", "", "file written after every epoch and on interruption")
	f.IntVar(&o.every, "checkpoint-steps", 0, "write it after every so many steps, too")
	f.BoolVar(&o.resume, "resume", false, "go on from --checkpoint if it is there")
	f.StringVar(&o.report, "report", "", "write a self-contained HTML report")
	f.StringVar(&o.log, "log", "", "write a JSON line for every epoch to this file; training that --resume goes on with adds to its lines")
	f.BoolVar(&o.timed, "layers", false, "time of each layer, forward, backward and of its update: the least of all steps")
	f.IntVar(&o.skip, "max-skipped", 10, "fail when more images cannot be read")
}

// check finds wrong usage before anything is read.
func (o *trainOptions) check() error {
	switch {
	case len(o.data) == 0:
		return usagef("--data PATH is missing")
	case modelOut(o.out) != nil:
		return modelOut(o.out)
	case o.given["epochs"] && o.epochs < 1 || o.batch < 1 || !(o.split >= 0 && o.split < 1) || o.warmup < 0 || o.threads < 0 || o.skip < 0:
		return usagef("--epochs, --batch, --val-split, --warmup, --threads or --max-skipped is out of range")
	case !(o.lr >= 0 && o.lr <= math.MaxFloat32 && o.momentum >= 0 && o.momentum < 1 && o.decay >= 0 && o.decay <= math.MaxFloat32 && o.clip >= 0 && o.smoothing >= 0 && o.smoothing < 1 && o.dropout >= 0 && o.dropout < 1):
		return usagef("--lr, --momentum, --weight-decay, --clip, --smoothing or --dropout is out of range")
	case o.aug.Shift < 0 || !(o.aug.Zoom >= 0 && o.aug.Zoom <= 1 && o.aug.Colour >= 0 && o.aug.Colour <= 1 && o.aug.Erase >= 0 && o.aug.Erase <= 1):
		return usagef("--shift, --zoom, --colour or --erase is out of range")
	case o.accumulate < 1 || o.grow < 0 || o.views < 0 || o.every < 0 || o.folds < 0 || o.folds == 1:
		return usagef("--accumulate, --grow, --views, --checkpoint-steps or --folds is out of range")
	case o.folds > 0 && (o.val != "" || o.resume || o.checkpoint != "" || o.best || o.patience > 0):
		return usagef("--folds goes without --val, --checkpoint, --resume, --best and --patience")
	case o.patience < 0:
		return usagef("--patience cannot be negative")
	case !slices.Contains([]string{"sgd", "nesterov", "adamw", "adagrad"}, o.optimizer):
		return usagef("--optimizer %q: sgd, nesterov, adamw or adagrad", o.optimizer)
	case o.optimizer == "nesterov" && o.momentum == 0:
		return usagef("--optimizer nesterov needs --momentum")
	case !slices.Contains([]string{"constant", "cosine", "step"}, o.schedule):
		return usagef("--schedule %q: constant, cosine or step", o.schedule)
	case !slices.Contains([]string{"auto", "train", "frozen", "estimate"}, o.bn):
		return usagef("--bn %q: train, frozen, estimate or auto", o.bn)
	case !slices.Contains([]string{"auto", "none"}, o.augment):
		return usagef("--augment %q: auto or none", o.augment)
	case (o.resume || o.every > 0) && o.checkpoint == "":
		return usagef("--resume needs --checkpoint, and so does --checkpoint-steps")
	case !slices.Contains([]string{"cpu", "cuda", "auto"}, o.device):
		return usagef("--device %q: cpu, cuda or auto", o.device)
	case o.timed && o.device == "cuda":
		return usagef("--layers times the CPU's layers; --device cuda does not go with it")
	case o.budget > 0 && o.device == "cuda":
		return usagef("--budget chooses single channels, which --device cuda has no kernels for")
	case o.budget > 0 && o.what != "auto":
		return usagef("--budget chooses what learns; --what does not go with it")
	}
	if n, ok := strings.CutPrefix(o.what, "last:"); ok {
		v, err := strconv.Atoi(n)
		if err != nil || v < 1 {
			return usagef("--what %q: last:N with N from 1", o.what)
		}
		o.what, o.last = "last", v
	} else if !slices.Contains([]string{"all", "head", "norms", "auto"}, o.what) {
		return usagef("--what %q: all, head, last:N, norms or auto", o.what)
	}
	if _, err := o.classWeights(nil); err != nil && o.classWts != "balanced" {
		return err
	}
	return nil
}

// classWeights are the weights that --class-weights asks for, nil for none.
// labels are of the training images.
func (o *trainOptions) classWeights(labels []int) ([]float32, error) {
	if o.classWts == "" {
		return nil, nil
	}
	if o.classWts == "balanced" {
		if len(labels) == 0 {
			return nil, nil
		}
		counts := make([]float32, slices.Max(labels)+1)
		for _, l := range labels {
			counts[l]++
		}
		for i, n := range counts {
			counts[i] = float32(len(labels)) / (float32(len(counts)) * max(1, n))
		}
		return counts, nil
	}
	var w floats
	if err := w.Set(o.classWts); err != nil {
		return nil, usagef("--class-weights %q: %v", o.classWts, err)
	}
	for _, v := range w {
		if v < 0 {
			return nil, usagef("--class-weights %q: %v is no weight", o.classWts, v)
		}
	}
	if slices.Max(w) == 0 {
		return nil, usagef("--class-weights %q: all are 0", o.classWts)
	}
	return w, nil
}

// byteSize is a flag of bytes: 262144, 256KB, 1.5MB, 256KiB.
type byteSize int

func (b *byteSize) String() string { return strconv.Itoa(int(*b)) }

// Set reads decimal units (KB, MB) as powers of 1000 and KiB, MiB of 1024.
func (b *byteSize) Set(s string) error {
	number, unit := strings.TrimRight(s, "BKMGikmgb"), 1.0
	switch strings.ToLower(s[len(number):]) {
	case "", "b":
	case "k", "kb":
		unit = 1e3
	case "m", "mb":
		unit = 1e6
	case "g", "gb":
		unit = 1e9
	case "kib":
		unit = 1 << 10
	case "mib":
		unit = 1 << 20
	case "gib":
		unit = 1 << 30
	default:
		return fmt.Errorf("%q is no number of bytes", s)
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v*unit >= 1 && v*unit < 1<<40) {
		return fmt.Errorf("%q is no number of bytes", s)
	}
	*b = byteSize(v * unit)
	return nil
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
	o.given = f.given()
	if err := o.check(); err != nil {
		return err
	}
	for _, path := range []string{o.out, o.checkpoint, o.report, o.log} {
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
	t := newTraining(c, m, &o, f.json)
	if err := t.openDevice(); err != nil {
		return err
	}
	if err := t.prepare(ctx, pre); err != nil {
		return err
	}
	if o.folds > 0 {
		if err := t.crossValidate(ctx); err != nil {
			return err
		}
	}
	r, err := t.newRound(t.train, t.val)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.run(ctx); err != nil {
		return err
	}
	return t.finish(r, f.json)
}
