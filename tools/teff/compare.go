package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/tune"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/imageio"
)

// compared is one of two models.
type compared struct {
	Model  string  `json:"model"`
	Bytes  int64   `json:"bytes"`
	Top1   float64 `json:"top1"`
	Top5   float64 `json:"top5"`
	Median float64 `json:"median_ms"` // batch 1
	best   map[int]int
	p      format.Preprocess
	graph  *graph.Graph
}

type compareResult struct {
	N         int         `json:"n"`
	A         *compared   `json:"a"`
	B         *compared   `json:"b"`
	Agreement float64     `json:"agreement"`        // share of images with the same first class
	Layers    []ptq.Layer `json:"layers,omitempty"` // worst first
}

func runCompare(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "compare", "A B --data PATH")
	ld := loadFlags(f)
	data := f.String("data", "", "labelled images, as for eval")
	limit := f.Int("limit", 0, "use only the first so many images; 0: all")
	offset := f.Int("label-offset", 0, "added to the data's labels: 1 for models with a background class")
	threads := f.Int("threads", 1, "threads; 0: all")
	exact := f.Bool("exact", false, "no kernel that rounds more than plain float32 sums")
	worst := f.Int("layers", 10, "layers to name, the worst first; 0: none")
	pre := preprocessFlags(f)
	pos, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	if *data == "" {
		return usagef("--data PATH is missing")
	}
	if *limit < 0 || *threads < 0 || *worst < 0 {
		return usagef("--limit, --threads and --layers cannot be negative")
	}
	set, err := dataset.Open(*data)
	if err != nil {
		return err
	}
	if *limit > 0 && *limit < set.Len() {
		set = set.Subset(firstN(*limit))
	}
	opts := []runtime.Option{runtime.WithThreads(*threads)}
	if *exact {
		opts = append(opts, runtime.WithExact())
	}
	r := &compareResult{}
	for i, to := range []**compared{&r.A, &r.B} {
		m, err := ld.load(pos[i])
		if err != nil {
			return err
		}
		defer m.close()
		if *to, err = measure(ctx, c, m, set, pre, *offset, f.json, opts); err != nil {
			return named(pos[i], err)
		}
	}
	same := 0
	for i, k := range r.A.best {
		if other, ok := r.B.best[i]; ok {
			if r.N++; other == k {
				same++
			}
		}
	}
	r.Agreement = float64(same) / float64(max(1, r.N))
	if *worst > 0 {
		if r.Layers, err = r.layers(ctx, set, *threads); err != nil {
			return err
		}
		r.Layers = r.Layers[:min(*worst, len(r.Layers))]
	}
	if f.json {
		return printJSON(c.out, r)
	}
	return r.print(c.out)
}

// measure evaluates and times one model.
func measure(ctx context.Context, c *cli, m *model, set *dataset.Set, pre *preFlags, offset int, quiet bool, opts []runtime.Option) (*compared, error) {
	rm, err := m.prepare(opts...)
	if err != nil {
		return nil, err
	}
	defer rm.Close()
	x := &compared{Model: m.path, Bytes: m.bytes, best: map[int]int{}, graph: m.graph}
	in, err := firstInput(m.path, rm.Inputs())
	if err != nil {
		return nil, err
	}
	if x.p, err = pre.fit(m, in); err != nil {
		return nil, err
	}
	e := &evaluator{model: rm, set: set, p: x.p, batch: 16, offset: offset, labels: m.metadata().Labels, maxSkipped: 10}
	e.progress = newProgress(c, "eval", set.Len(), quiet)
	e.scores = func(i int, v []float32) {
		k := 0
		for j := range v {
			if v[j] > v[k] {
				k = j
			}
		}
		x.best[i] = k
	}
	r, err := e.run(ctx)
	if err != nil {
		return nil, err
	}
	x.Top1, x.Top5 = r.Top1, r.Top5
	x.Median, err = medianRun(ctx, rm)
	return x, err
}

// medianRun is the time of one run at the model's own batch, in milliseconds.
func medianRun(ctx context.Context, m *runtime.Model) (float64, error) {
	s, err := m.NewSession()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	tune.Noise(s)
	var times []float64
	start := time.Now()
	for len(times) < 10 || len(times) < 500 && time.Since(start) < time.Second {
		t := time.Now()
		if err := s.Run(ctx); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(t).Nanoseconds())/1e6)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// layers compares values by name, after what runs was folded in the same way.
func (r *compareResult) layers(ctx context.Context, set *dataset.Set, threads int) ([]ptq.Layer, error) {
	images := &calibSource{}
	for i := 0; i < set.Len() && len(images.images) < reportSamples; i++ {
		if m, err := set.Image(i); err == nil {
			images.images = append(images.images, m)
		}
	}
	var g [2]*graph.Graph
	var src [2]ptq.Source
	for i, x := range []*compared{r.A, r.B} {
		var err error
		if g[i], err = passes.Infer(x.graph); err != nil {
			return nil, err
		}
		src[i] = &imageSource{images.images, x.p}
	}
	l, err := ptq.Compare(ctx, g[0], g[1], src[0], src[1], 0, threads)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(l, func(a, b ptq.Layer) int {
		switch {
		case a.Scaled < b.Scaled:
			return -1
		case a.Scaled > b.Scaled:
			return 1
		}
		return 0
	})
	return l, nil
}

// imageSource is images of any size as samples.
type imageSource struct {
	images []*imageio.RGB
	p      format.Preprocess
}

func (s *imageSource) Len() int { return len(s.images) }

func (s *imageSource) Fill(i int, in []tensor.Tensor) error {
	if len(in) == 0 {
		return errors.New("the model has no input")
	}
	return imageio.Into(in[0], 0, s.images[i], s.p)
}

func (r *compareResult) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "model\tbytes\ttop-1 %\ttop-5 %\tms")
	for _, x := range []*compared{r.A, r.B} {
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f\t%.3f\n", x.Model, x.Bytes, 100*x.Top1, 100*x.Top5, x.Median)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d images, the same answer on %.2f %%\n", r.N, 100*r.Agreement)
	if len(r.Layers) == 0 {
		return nil
	}
	fmt.Fprintln(w, "worst layers\tkind\ttype in B\tSQNR dB")
	factors := false
	for _, l := range r.Layers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\n", l.Name, l.Kind, l.Type, l.Scaled)
		factors = factors || l.Scaled > l.SQNR+3
	}
	if err := w.Flush(); err != nil || !factors {
		return err
	}
	_, err := fmt.Fprintln(out, "channels of B differ by factors, which are left out: teff quantize balances channels")
	return err
}
