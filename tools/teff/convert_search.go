package main

import (
	"context"
	"fmt"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/shrink"
)

// searchFlags are those of --weights auto --max-drop.
type searchFlags struct {
	maxDrop float64
	data    string
	samples int
	limit   int
	offset  int
	threads int
}

func (s *searchFlags) add(f *flags) {
	f.Float64Var(&s.maxDrop, "max-drop", -1, "with --weights auto: the smallest file found whose top-1 on --data is at most so many points lower")
	f.StringVar(&s.data, "data", "", "labelled images for --max-drop, as for eval")
	f.IntVar(&s.samples, "samples", 512, "images of --data that say what layers are fed with, spread evenly")
	f.IntVar(&s.limit, "limit", 0, "measure top-1 on the first so many images only; 0: all")
	f.IntVar(&s.offset, "label-offset", 0, "added to the data's labels: 1 for models with a background class")
	f.IntVar(&s.threads, "threads", 0, "threads of the search; 0: all")
}

// wanted reports whether the flags ask for a search.
func (s *searchFlags) wanted(f *flags, weights string) (bool, error) {
	given := f.given()
	for _, name := range []string{"samples", "limit", "label-offset", "threads"} {
		if given[name] && !given["max-drop"] {
			return false, usagef("--%s is for --max-drop", name)
		}
	}
	switch {
	case given["max-drop"] != given["data"]:
		return false, usagef("--max-drop and --data go together")
	case !given["max-drop"]:
		return false, nil
	case weights != "auto":
		return false, usagef("--max-drop is for --weights auto, not %q", weights)
	case !(s.maxDrop >= 0 && s.maxDrop <= 100):
		return false, usagef("--max-drop %g: want points, 0 to 100", s.maxDrop)
	case s.samples < 1 || s.limit < 0 || s.threads < 0:
		return false, usagef("--samples is at least 1, --limit and --threads cannot be negative")
	}
	return true, nil
}

// searched is what a search adds to convert's result.
type searched struct {
	Top1Was float64        `json:"top1_was"`
	Top1    float64        `json:"top1"` // of the bytes that are written
	MaxDrop float64        `json:"max_drop"`
	Images  int            `json:"images"`
	Samples int            `json:"samples"`
	Layers  []shrink.Layer `json:"layers"`
	Skipped []string       `json:"skipped,omitempty"`
}

// smallest searches m's encodings and returns the file, whose accuracy is
// measured once more from its bytes.
func (s *searchFlags) smallest(ctx context.Context, c *cli, m *model, pre *preFlags, opts *format.WriteOptions, quiet bool) ([]byte, *searched, error) {
	if len(m.graph.Inputs()) == 0 {
		return nil, nil, fmt.Errorf("%s: has no input", m.path)
	}
	in := m.graph.Node(m.graph.Inputs()[0]).Out
	if in.DType != tensor.F32 {
		return nil, nil, fmt.Errorf("%s: its input is %v, --max-drop wants an f32 model", m.path, in.DType)
	}
	p, err := pre.fit(m, in)
	if err != nil {
		return nil, nil, err
	}
	set, err := dataset.Open(s.data)
	if err != nil {
		return nil, nil, err
	}
	if s.limit > 0 && s.limit < set.Len() {
		set = set.Subset(firstN(s.limit))
	}
	src, err := openCalib(list{s.data}, s.samples, p)
	if err != nil {
		return nil, nil, err
	}
	var labels []string
	if opts.Metadata != nil {
		labels = opts.Metadata.Labels
	}
	score := func(g *graph.Graph) (float64, error) { return top1(ctx, g, set, p, labels, s.offset, s.threads) }
	pr := newProgress(c, "search", 0, quiet)
	r, err := shrink.Search(ctx, m.graph, firstInputs{src}, shrink.Options{
		Score: score, Drop: s.maxDrop / 100, Samples: s.samples, Threads: s.threads,
		Progress: func(done, all int, remark string) {
			if pr != nil {
				pr.total = all
			}
			pr.text(done, remark)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	pr.done()
	o := *opts
	o.Encode, o.Golden = r.Encode, nil // the recorded outputs were those of other weights
	b, err := format.Marshal(r.Graph, &o)
	if err != nil {
		return nil, nil, err
	}
	file, err := format.Parse(b)
	if err != nil {
		return nil, nil, err
	}
	now, err := score(file.Graph)
	if err != nil {
		return nil, nil, err
	}
	if now < r.Was-s.maxDrop/100-1e-9 {
		return nil, nil, fmt.Errorf("the file's top-1 is %.4f, the search had %.4f", now, r.Score)
	}
	return b, &searched{r.Was, now, s.maxDrop, set.Len(), src.Len(), r.Layers, src.skipped}, nil
}

// firstInputs fills a network's first input from samples.
type firstInputs struct{ *calibSource }

func (s firstInputs) Fill(i int, in tensor.Tensor) error {
	return s.calibSource.Fill(i, []tensor.Tensor{in})
}
