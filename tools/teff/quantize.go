package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/dataset"
)

type quantizeResult struct {
	BytesIn  int64       `json:"bytes_in"`
	BytesOut int64       `json:"bytes_out"`
	Samples  int         `json:"samples"`
	Method   string      `json:"method"`
	Float    []string    `json:"float_layers,omitempty"` // left as they are for --max-drop
	Top1Was  *float64    `json:"top1_f32,omitempty"`
	Top1     *float64    `json:"top1,omitempty"`
	Layers   []ptq.Layer `json:"layers"`
	Skipped  []string    `json:"skipped,omitempty"`
}

// quantizeFlags is what teff quantize was asked for.
type quantizeFlags struct {
	calib          list
	out, data      string
	method         string
	samples, limit int
	offset         int
	maxDrop        float64
	opt            ptq.Options
}

func (q *quantizeFlags) add(f *flags) {
	f.Var(&q.calib, "calib", "samples to measure ranges on: images, folders of them, data as for eval, .npy and .npz files as for run; may be repeated")
	f.StringVar(&q.out, "o", "", "the .teff file to write")
	f.StringVar(&q.method, "method", "mse", "how ranges follow from samples: mse, minmax, percentile or entropy")
	f.IntVar(&q.samples, "samples", 200, "samples at most, spread evenly over what there is")
	f.BoolVar(&q.opt.Equalize, "equalize", false, "even out the ranges of channels between convolutions first")
	f.BoolVar(&q.opt.KeepBias, "no-bias-correction", false, "leave biases as they are")
	f.BoolVar(&q.opt.Nearest, "nearest", false, "round each weight to what is next instead of making up for the errors of others")
	f.BoolVar(&q.opt.Unbalanced, "no-balance", false, "leave the sizes of channels as they are")
	f.BoolVar(&q.opt.IntIO, "int8-io", false, "make inputs and outputs integers themselves")
	f.BoolVar(&q.opt.Unsigned, "uint8", false, "activations in uint8 instead of int8: the same numbers, for other runtimes after teff export")
	f.BoolVar(&q.opt.Whole, "whole", false, "integers also where float32 is faster here, for what has no floats")
	f.Float64Var(&q.maxDrop, "max-drop", -1, "leave layers in f32 until top-1 on --data drops by at most so many points")
	f.StringVar(&q.data, "data", "", "labelled images to measure top-1 on, before and after, and for --max-drop")
	f.IntVar(&q.limit, "limit", 0, "use only the first so many images of --data; 0: all")
	f.IntVar(&q.offset, "label-offset", 0, "added to the data's labels: 1 for models with a background class")
	f.IntVar(&q.opt.Threads, "threads", 0, "threads; 0: all")
}

// check reads the method and says what does not go together.
func (q *quantizeFlags) check(f *flags) (err error) {
	if q.opt.Method, err = ptq.ParseMethod(q.method); err != nil {
		return &usageError{err.Error()}
	}
	switch {
	case modelOut(q.out) != nil:
		return modelOut(q.out)
	case len(q.calib) == 0:
		return usagef("--calib PATH is missing")
	case q.samples < 1:
		return usagef("--samples %d", q.samples)
	case q.opt.Threads < 0 || q.limit < 0:
		return usagef("--threads and --limit cannot be negative")
	case f.given()["max-drop"] && !(q.maxDrop >= 0 && q.maxDrop <= 100):
		return usagef("--max-drop %g: want points, 0 to 100", q.maxDrop)
	case q.maxDrop >= 0 && q.data == "":
		return usagef("--max-drop and --data go together")
	}
	return nil
}

func runQuantize(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "quantize", "MODEL --calib PATH -o OUT")
	ld := loadFlags(f)
	var o quantizeFlags
	o.add(f)
	pre := preprocessFlags(f)
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if err := o.check(f); err != nil {
		return err
	}
	if err := canWrite(o.out); err != nil {
		return err
	}
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
	if len(m.graph.Inputs()) == 0 {
		return fmt.Errorf("%s: has no input", pos[0])
	}
	in := m.graph.Node(m.graph.Inputs()[0]).Out
	if in.DType != tensor.F32 {
		return fmt.Errorf("%s: its input is %v, want an f32 model", pos[0], in.DType)
	}
	p, err := pre.fit(m, in)
	samples, err := openSamples(m.graph, o.calib, o.samples, p, err, o.data != "")
	if err != nil {
		return err
	}
	q, err := ptq.Calibrate(ctx, m.graph, samples.src, o.opt)
	if err != nil {
		return err
	}
	g, err := q.Graph(nil)
	if err != nil {
		return err
	}
	layers, err := q.Report(ctx, g, samples.src, reportSamples)
	if err != nil {
		return err
	}
	r := &quantizeResult{BytesIn: m.bytes, Samples: samples.src.Len(), Method: o.opt.Method.String(), Layers: layers, Skipped: samples.skipped}
	if o.data != "" {
		set, err := dataset.Open(o.data)
		if err != nil {
			return err
		}
		if o.limit > 0 && o.limit < set.Len() {
			set = set.Subset(firstN(o.limit))
		}
		score := func(g *graph.Graph) (float64, error) {
			return top1(ctx, g, set, p, m.metadata().Labels, o.offset, o.opt.Threads)
		}
		if g, err = withinDrop(ctx, q, g, samples.src, score, o.maxDrop, r); err != nil {
			return err
		}
	}
	meta := *m.metadata()
	if samples.images { // what the samples were made with is what the integers are for
		meta.Preprocess = &p
	}
	if err := format.WriteFile(o.out, g, &format.WriteOptions{Metadata: &meta}); err != nil {
		return err
	}
	r.BytesOut = fileSize(o.out)
	if f.json {
		return printJSON(c.out, r)
	}
	return r.print(c, pos[0], o.out)
}

// reportSamples are enough to tell layers apart.
const reportSamples = 32

func (r *quantizeResult) print(c *cli, in, out string) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "layer\tkind\ttype\tSQNR dB")
	for _, l := range r.Layers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\n", l.Name, l.Kind, l.Type, l.SQNR)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range r.Skipped {
		fmt.Fprintln(c.out, "skipped", s)
	}
	if r.Top1 != nil {
		fmt.Fprintf(c.out, "top-1 %.2f %% -> %.2f %%, %d layers left in f32\n", 100**r.Top1Was, 100**r.Top1, len(r.Float))
	}
	_, err := fmt.Fprintf(c.out, "%s: %s -> %s: %s (%s on %d samples)\n", in, bytesText(r.BytesIn), out, bytesText(r.BytesOut), r.Method, r.Samples)
	return err
}

// withinDrop is g measured, with layers left in f32 until its score is at most so
// many points under the float network's; a negative drop leaves none.
func withinDrop(ctx context.Context, q *ptq.Quantizer, g *graph.Graph, src ptq.Source, score func(*graph.Graph) (float64, error), drop float64, r *quantizeResult) (*graph.Graph, error) {
	if drop < 0 {
		drop = 100
	}
	g, err := keepWorst(q, g, score, drop/100, r)
	if err == nil && len(r.Float) > 0 {
		r.Layers, err = q.Report(ctx, g, src, reportSamples)
	}
	return g, err
}

// keepWorst leaves the layers that add the most noise in f32, twice as many each
// time, until the score is at most drop under that of the float network; then as
// few of these as bisection finds.
func keepWorst(q *ptq.Quantizer, all *graph.Graph, score func(*graph.Graph) (float64, error), drop float64, r *quantizeResult) (*graph.Graph, error) {
	was, err := score(q.Float())
	if err != nil {
		return nil, err
	}
	worst := ptq.Worst(r.Layers)
	try := func(n int) (*graph.Graph, float64, error) {
		if n == 0 {
			s, err := score(all)
			return all, s, err
		}
		keep := map[string]bool{}
		for _, name := range worst[:n] {
			keep[name] = true
		}
		g, err := q.Graph(keep)
		if err != nil {
			return nil, 0, err
		}
		s, err := score(g)
		return g, s, err
	}
	enough := func(s float64) bool { return s >= was-drop-1e-9 }
	bad, n := -1, 0
	g, s, err := try(0)
	for err == nil && !enough(s) && n < len(worst) {
		bad, n = n, min(max(1, 2*n), len(worst))
		g, s, err = try(n)
	}
	for err == nil && n-bad > 1 && n > 1 {
		mid := (n + bad) / 2
		h, t, e := try(mid)
		if err = e; err != nil {
			break
		}
		if enough(t) {
			g, s, n = h, t, mid
		} else {
			bad = mid
		}
	}
	if err != nil {
		return nil, err
	}
	if !enough(s) {
		return nil, fmt.Errorf("top-1 is %.4f with every layer in f32, %.4f before: --max-drop %g is out of reach", s, was, 100*drop)
	}
	r.Top1Was, r.Top1, r.Float = &was, &s, slices.Clone(worst[:n])
	return g, nil
}

// top1 is the share of right answers of a network, its images made with p.
func top1(ctx context.Context, g *graph.Graph, set *dataset.Set, p format.Preprocess, labels []string, offset, threads int) (float64, error) {
	m, err := runtime.New(g, runtime.WithThreads(threads))
	if err != nil {
		return 0, err
	}
	defer m.Close()
	e := &evaluator{model: m, set: set, p: p, batch: 16, offset: offset, labels: labels, maxSkipped: 10}
	e.progress = newProgress(&cli{}, "", 0, true)
	r, err := e.run(ctx)
	if err != nil {
		return 0, err
	}
	return r.Top1, nil
}
