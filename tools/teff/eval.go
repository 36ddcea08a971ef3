package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/imageio"
)

type evalResult struct {
	N       int      `json:"n"`
	Top1    float64  `json:"top1"`
	Top5    float64  `json:"top5"`
	Skipped []string `json:"skipped,omitempty"`
	Remarks []string `json:"remarks,omitempty"` // on what was guessed
	// Classes are the data's, in order.
	Classes []evalClass `json:"classes"`
	Wrong   []evalWrong `json:"wrong,omitempty"` // where they are asked for
}

// evalClass is how a class of the data fared.
type evalClass struct {
	Class string `json:"class"`
	N     int    `json:"n"`
	Right int    `json:"right"`
	// TakenFor is what most of the others were taken for.
	TakenFor string `json:"taken_for,omitempty"`
	Times    int    `json:"times,omitempty"`
}

// evalWrong is an image with another answer.
type evalWrong struct {
	File   string `json:"file"`
	Class  string `json:"class"`
	Answer string `json:"answer"`
	Score  score  `json:"score"`
}

func runEval(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "eval", "MODEL --data PATH")
	ld := loadFlags(f)
	ld.toRun = true
	data := f.String("data", "", "folder of class folders, idx files or strips")
	batch := f.Int("batch", 16, "images at once, where the model allows it")
	limit := f.Int("limit", 0, "use only the first so many images; 0: all")
	offset := f.Int("label-offset", 0, "added to the data's labels: 1 for models with a background class")
	threads := f.Int("threads", 0, "threads; 0: all")
	precision := f.String("precision", "f32", "what products are of: f32; bf16 where the processor has it")
	skip := f.Int("max-skipped", 10, "fail when more images cannot be read")
	wrong := f.Bool("wrong", false, "list the images with another answer")
	pre := preprocessFlags(f)
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *data == "" {
		return usagef("--data PATH is missing")
	}
	if *batch < 1 || *limit < 0 || *threads < 0 || *skip < 0 {
		return usagef("--limit, --threads and --max-skipped cannot be negative, --batch is at least 1")
	}
	opts, err := withPrecision([]runtime.Option{runtime.WithThreads(*threads)}, *precision, "cpu")
	if err != nil {
		return err
	}
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
	set, err := dataset.Open(*data)
	if err != nil {
		return err
	}
	if *limit > 0 && *limit < set.Len() {
		set = set.Subset(firstN(*limit))
	}
	rm, err := m.prepare(opts...)
	if err != nil {
		return err
	}
	defer rm.Close()
	in, err := firstInput(pos[0], rm.Inputs())
	if err != nil {
		return err
	}
	p, err := pre.fit(m, in)
	if err != nil {
		return err
	}
	e := &evaluator{model: rm, set: set, p: p, batch: *batch, offset: *offset, labels: m.metadata().Labels, maxSkipped: *skip}
	e.progress = newProgress(c, "eval", set.Len(), f.json)
	details := newEvalDetails(e, *wrong)
	r, err := e.run(ctx)
	if err != nil {
		return err
	}
	details.into(r)
	if !pre.scaled(m.metadata().Preprocess) && in.DType == tensor.F32 {
		r.Remarks = append(r.Remarks, "nothing says how pixels are scaled: 0 to 1 was taken; --scale, --mean and --std say it, and convert stores it")
	}
	if f.json {
		return printJSON(c.out, r)
	}
	r.print(c.out)
	for _, s := range r.Skipped {
		fmt.Fprintln(c.out, "skipped", s)
	}
	return nil
}

func firstN(n int) []int {
	v := make([]int, n)
	for i := range v {
		v[i] = i
	}
	return v
}

// evaluator counts right answers of a model on a set.
type evaluator struct {
	model      *runtime.Model
	set        *dataset.Set
	p          format.Preprocess
	batch      int
	offset     int
	labels     []string // the model's; where they name the set's classes, by name
	maxSkipped int
	progress   *progress
	scores     func(i int, v []float32) // called with each image's outputs, if set
}

// classOf is the model's class for each of the set's.
func (e *evaluator) classOf() []int {
	m, _ := e.classes()
	return m
}

// classes is classOf; byName reports classes that both call the same.
func (e *evaluator) classes() (m []int, byName bool) {
	m = make([]int, len(e.set.Classes))
	named := map[string]int{}
	for i, l := range e.labels {
		named[l] = i
	}
	all := len(e.labels) > 0
	for i, name := range e.set.Classes {
		j, ok := named[name]
		m[i], all = j, all && ok
	}
	if !all {
		for i := range m {
			m[i] = i + e.offset
		}
	}
	return m, all
}

// run evaluates. Images are decoded beside the computation.
func (e *evaluator) run(ctx context.Context) (*evalResult, error) {
	batch := e.batch
	if !e.model.Compiled().Batched() {
		batch = e.model.Compiled().Batch()
	}
	batch = max(1, min(batch, e.set.Len()))
	s, err := e.model.NewSession(runtime.WithBatch(batch))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	b := &evalBatch{evaluator: e, session: s, size: batch, class: e.classOf(), index: make([]int, 0, batch)}
	if per := s.Output(0).Shape.Elems() / batch; slices.Max(b.class) >= per {
		return nil, fmt.Errorf("the data has %d classes, the model gives %d scores", len(b.class), per)
	}
	r := &evalResult{Skipped: e.set.Skipped}
	ready := e.p // images come scaled
	ready.Resize = 0
	for i, d := range ahead(e.set.Len(), e.decode) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if d.err != nil {
			r.Skipped = append(r.Skipped, d.err.Error())
			if len(r.Skipped) > e.maxSkipped {
				return nil, fmt.Errorf("%d images cannot be read, the last: %w", len(r.Skipped), d.err)
			}
			continue
		}
		if err := imageio.Into(s.Input(0), len(b.index), d.image, ready); err != nil {
			return nil, err
		}
		if b.index = append(b.index, i); len(b.index) == batch {
			if err := b.flush(ctx); err != nil {
				return nil, err
			}
		}
	}
	if err := b.flush(ctx); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.progress.done()
	if b.n == 0 {
		return nil, fmt.Errorf("no image could be read")
	}
	r.N = b.n
	r.Top1, r.Top5 = float64(b.right1)/float64(b.n), float64(b.right5)/float64(b.n)
	return r, nil
}

// evalBatch is the images that are in a session's input, and what those before came to.
type evalBatch struct {
	*evaluator
	session *runtime.Session
	size    int
	class   []int // of each of the data's: the model's
	index   []int // in the data, of the images

	n, right1, right5 int
}

// flush runs the images and counts right answers.
func (b *evalBatch) flush(ctx context.Context) error {
	if len(b.index) == 0 {
		return nil
	}
	if err := b.session.Run(ctx); err != nil {
		return err
	}
	v, err := reals(b.session.Output(0))
	if err != nil {
		return err
	}
	per := len(v) / b.size
	for k, i := range b.index {
		row := v[k*per : (k+1)*per]
		if b.scores != nil {
			b.scores(i, row)
		}
		want := b.class[b.set.Labels[i]]
		for rank, t := range best(row, nil, 5) {
			if t.Class == want {
				b.right5++
				if rank == 0 {
					b.right1++
				}
			}
		}
		b.n++
	}
	b.index = b.index[:0]
	b.progress.set(b.n)
	return nil
}

type decoded struct {
	image *imageio.RGB
	err   error
}

// decode reads image i and scales it: as it is it may be large.
func (e *evaluator) decode(i int) decoded {
	m, err := e.set.Image(i)
	if err == nil {
		m, err = imageio.Scaled(m, e.p)
	}
	return decoded{m, err}
}
