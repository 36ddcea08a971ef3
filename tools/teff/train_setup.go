package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/dataset"
)

// training is one call of teff train: the data and the network that one or,
// with --folds, several rounds begin from.
type training struct {
	c     *cli
	o     *trainOptions
	m     *model
	meta  format.Metadata
	quiet bool
	start time.Time
	// backend is a device that trains, nil: the CPU does.
	backend accel.TrainBackend

	whole      *graph.Graph // with the right head
	newHead    string       // its name, where it was drawn anew
	fresh      bool         // the network has never been trained
	head       bool         // the head alone learns, on features
	split      *graph.Graph // the head
	train, val *samples     // val is nil where nothing is held back
	skipped    []string
	remark     string // on what was found out about the data
	folds      []float64
}

func newTraining(c *cli, m *model, o *trainOptions, quiet bool) *training {
	return &training{c: c, o: o, m: m, meta: *m.metadata(), quiet: quiet, start: time.Now()}
}

// say prints a line where there is not only JSON wanted.
func (t *training) say(format string, args ...any) {
	if !t.quiet {
		fmt.Fprintf(t.c.out, format+"\n", args...)
	}
}

// prepare reads the data and fits the network to it.
func (t *training) prepare(ctx context.Context, pre *preFlags) error {
	o := t.o
	set, valSet, err := t.open()
	if err != nil {
		return err
	}
	if err := t.fit(len(set.Classes), set.Len()); err != nil {
		return err
	}
	in := t.whole.Node(t.whole.Inputs()[0]).Out
	p, err := pre.fit(t.m, in)
	if err != nil {
		return err
	}
	photos := p.Width >= 96 && p.Order != "gray"
	t.photoDefaults(&p, photos)
	if p, err = t.preprocessing(ctx, set, p, pre.scaled(t.meta.Preprocess)); err != nil {
		return err
	}
	t.meta.Labels, t.meta.Preprocess = set.Classes, &p

	store, err := openStore(ctx, t.c, set, p, o.skip, t.quiet)
	if err != nil {
		return err
	}
	stores := []*imageStore{store}
	switch {
	case valSet != nil:
		v, err := openStore(ctx, t.c, valSet, p, o.skip, t.quiet)
		if err != nil {
			return err
		}
		stores = append(stores, v)
		t.train, t.val = store.all(), v.all()
	case o.folds > 0:
		t.train = store.all()
	default:
		t.train, t.val = store.holdBack(o.split, o.seed)
		if len(t.val.labels) == 0 {
			t.val = nil
		}
	}
	for _, s := range stores {
		t.skipped = append(t.skipped, s.skipped...)
	}
	if missing := without(t.train.labels, set.Classes); len(missing) > 0 {
		return fmt.Errorf("no image of class %q is left to train on", missing[0])
	}
	if !t.head {
		return nil
	}
	return t.cacheFeatures(ctx, stores)
}

// open opens the data.
func (t *training) open() (set, val *dataset.Set, err error) {
	var sets []*dataset.Set
	for _, path := range t.o.data {
		s, err := dataset.Open(path)
		if err != nil {
			return nil, nil, err
		}
		sets = append(sets, s)
	}
	if set, err = dataset.Join(sets...); err != nil {
		return nil, nil, err
	}
	if len(set.Classes) < 2 {
		return nil, nil, fmt.Errorf("%s has %d class, training needs two", t.o.data[0], len(set.Classes))
	}
	if t.o.val == "" {
		return set, nil, nil
	}
	if val, err = dataset.Open(t.o.val); err != nil {
		return nil, nil, err
	}
	if _, err := dataset.Join(set, val); err != nil {
		return nil, nil, fmt.Errorf("--val has the classes %v, --data has %v", val.Classes, set.Classes)
	}
	return set, val, nil
}

// fit gives the network its head, and decides what learns.
func (t *training) fit(classes, images int) error {
	o := t.o
	if len(t.m.graph.Inputs()) == 0 {
		return fmt.Errorf("%s has no input", t.m.path)
	}
	given, err := t.classifies(t.m.graph)
	if err != nil {
		return err
	}
	if t.whole, err = train.WithClasses(given, classes, o.seed, o.resetHead); err == nil {
		_, err = t.classifies(t.whole)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be made to tell %d classes apart: one layer at its end should give their scores: %w", t.m.path, classes, err)
	}
	if t.whole != given {
		head, err := train.Head(t.whole)
		if err != nil {
			return err
		}
		t.newHead = t.whole.Node(head).Name
	}
	if o.dropout > 0 {
		if t.whole, err = train.WithDropout(t.whole, float32(o.dropout)); err != nil {
			return err
		}
	}
	t.fresh = isFresh(t.m.graph)
	integers := hasIntegers(t.m.graph)
	switch {
	case integers && o.what != "head" && (o.what != "auto" || o.budget > 0 || len(o.scales) > 0):
		return fmt.Errorf("%s computes in integers: only its head can learn (--what head)", t.m.path)
	case o.what == "auto" && o.budget == 0 && len(o.scales) == 0:
		t.head = integers || !t.fresh && (images < 2000 || t.whole.ParamCount() > 500_000)
	default:
		t.head = o.what == "head"
	}
	return nil
}

// classifies refuses a network whose first output is no list of scores, one for
// each image: of others the images' labels are no target. Scores that have
// further dimensions of 1, as those of NCHW networks that end in a pool, come
// without.
func (t *training) classifies(g *graph.Graph) (*graph.Graph, error) {
	if len(g.Outputs()) == 0 {
		return nil, fmt.Errorf("%s has no output", t.m.path)
	}
	o := g.Outputs()[0]
	s := g.Node(o.ID).Out.Shape
	switch n, ok := scoresOf(s); {
	case !ok || n != s.Elems()/g.Batch():
		return nil, fmt.Errorf("%s: output %q is %v, no scores of classes: teff train trains networks that classify", t.m.path, o.Name, s)
	case n == s.Channels():
		return g, nil
	}
	return graph.Rewrite(g, func(b *graph.Builder, id graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		y := b.Keep(n, in)
		if id == o.ID {
			y = b.Add(n.Name+"/scores", &ops.Reshape{Dims: []int{0, -1}}, nil, y)
		}
		return y
	})
}

// scoresOf is the number of scores in each row of s, the rows being its first
// dimension; ok where at most one other is more than 1, or there is only one.
func scoresOf(s tensor.Shape) (n int, ok bool) {
	n = 1
	for i, d := range s.Dims() {
		if i == 0 && s.Rank() > 1 || d == 1 {
			continue
		}
		if n > 1 {
			return 0, false
		}
		n = d
	}
	rows := 1
	if s.Rank() > 1 {
		rows = s.Dim(0)
	}
	return n, s.Rank() > 0 && s.Elems() == rows*n
}

// isFresh reports a network that nobody has trained: norms that have seen
// nothing, or biases that are all zero.
func isFresh(g *graph.Graph) bool {
	for i := range g.Len() {
		n := g.Node(graph.ID(i))
		if len(n.In) == 0 {
			continue
		}
		for j, p := range n.Params {
			if p.DType != tensor.F32 || p.Shape.Rank() != 1 {
				continue
			}
			for _, v := range p.F32() {
				if v != 0 && (j == 1 || v != 1) { // scales and variances are 1
					return false
				}
			}
		}
	}
	return !hasIntegers(g)
}

// hasIntegers reports a network that computes in integers.
func hasIntegers(g *graph.Graph) bool {
	for i := range g.Len() {
		if n := g.Node(graph.ID(i)); len(n.Params) > 0 && len(n.In) > 0 && n.Out.DType.IsInt8() {
			return true
		}
	}
	return false
}

// photoDefaults are what photos want where nobody says anything: scaled by the
// shorter side, cut in the middle, mirrored and zoomed.
func (t *training) photoDefaults(p *format.Preprocess, photos bool) {
	o := t.o
	if p.Mode == "" {
		p.Mode = "antialias"
		if photos && !o.given["resize"] && p.Resize == 0 {
			p.Resize = max(p.Width, p.Height) * 8 / 7 // 256 for 224, as most are trained
		}
	}
	explicit := slices.ContainsFunc([]string{"flip", "shift", "zoom", "colour", "erase"}, func(f string) bool { return o.given[f] })
	if photos && o.augment == "auto" && !explicit {
		o.aug.Flip, o.aug.Zoom = true, 0.4
	}
}

// without are the classes that no label names.
func without(labels []int, classes []string) (missing []string) {
	for i, c := range classes {
		if !slices.Contains(labels, i) {
			missing = append(missing, c)
		}
	}
	return missing
}
