package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/tune"
	"github.com/teff-ml/teff/tools/npy"
)

type runOutput struct {
	Name  string     `json:"name"`
	Input string     `json:"input,omitempty"`
	Shape []int      `json:"shape"`
	Row   int        `json:"row,omitempty"` // of a batch
	Top   []topClass `json:"top,omitempty"`
}

type topClass struct {
	Class int    `json:"class"`
	Label string `json:"label,omitempty"`
	Score score  `json:"score"`
}

// score is a number that JSON has, or null: a network may give NaN.
type score float32

func (s score) MarshalJSON() ([]byte, error) {
	if v := float64(s); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float32(s))
}

func runRun(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "run", "MODEL INPUT...")
	ld := loadFlags(f)
	labels := f.String("labels", "", "file of class names, one a line")
	top := f.Int("top", 5, "how many classes to print")
	out := f.String("out", "", "folder for output_N.npy, or an .npz file for all of them")
	form := "text"
	f.Var(oneOf{&form, runFormats}, "format", "how results are printed, as they come: text, csv (a line for each class) or jsonl (a line for each output)")
	var how runHow
	f.IntVar(&how.threads, "threads", 0, "threads; 0: all")
	f.StringVar(&how.device, "device", "cpu", deviceHelp)
	f.StringVar(&how.precision, "precision", "f32", precisionHelp)
	f.BoolVar(&how.untuned, "untuned", false, untunedHelp)
	pre := preprocessFlags(f)
	f.more = runHelp
	pos, err := f.parse(args, 2, -1)
	if err != nil {
		return err
	}
	if *top < 0 || how.threads < 0 {
		return usagef("--top and --threads cannot be negative")
	}
	betweenStages()
	ld.toRun = how.device == "cpu"
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
	betweenStages()
	names := m.metadata().Labels
	if *labels != "" {
		if names, err = readLabels(*labels); err != nil {
			return err
		}
	}
	files := pos[1:]
	rm, s, batch, err := how.session(c, m, files[0])
	if err != nil {
		return err
	}
	defer rm.Close()
	betweenStages()
	specs := rm.Inputs()
	in, err := firstInput(pos[0], specs)
	var runs []runInput
	if err == nil {
		runs, err = runInputs(files, len(specs))
	}
	if err != nil {
		s.Close()
		return err
	}
	p, fitErr := pre.fit(m, in)
	outputs := []runOutput{}
	print := newRunPrinter(c.out, form)
	if f.json {
		print = func(o []runOutput) error { outputs = append(outputs, o...); return nil }
	}
	rn := &runner{model: rm, session: s, batch: batch, p: p, fitErr: fitErr, labels: names, top: *top, out: *out, print: print}
	defer rn.close()
	failed, err := rn.all(ctx, runs)
	if err != nil {
		return err
	}
	if f.json && len(failed) < len(runs) {
		if err := printRun(c.out, outputs, failed); err != nil {
			return err
		}
	}
	return firstOf(failed, len(runs))
}

// runHow is what a session runs with.
type runHow struct {
	threads           int
	device, precision string
	untuned           bool
}

// session is one of a model, for as many rows as the first input has, which is batch.
func (h *runHow) session(c *cli, m *model, first string) (rm *runtime.Model, s *runtime.Session, batch int, err error) {
	opts, err := withPrecision([]runtime.Option{runtime.WithThreads(h.threads)}, h.precision, h.device)
	if err != nil {
		return nil, nil, 0, err
	}
	if !h.untuned {
		more, err := m.tuned(c, tune.Setting{Threads: h.threads, Batch: 1, Precision: h.precision})
		if err != nil {
			return nil, nil, 0, err
		}
		opts = append(opts, more...)
	}
	batch = 1
	rm, s, err = m.onDevice(c, h.device, opts, func(rm *runtime.Model) []runtime.SessionOption {
		x, err := npy.ReadFile(first)
		if batch = rowsOf(x, rm); err == nil && batch > 1 {
			return []runtime.SessionOption{runtime.WithBatch(batch)}
		}
		return nil
	})
	return rm, s, batch, err
}

// printRun prints outputs, and what could not be read, as one object.
func printRun(w io.Writer, outputs []runOutput, failed []error) error {
	all := map[string]any{"outputs": outputs}
	if len(failed) > 0 {
		all["failed"] = errorTexts(failed)
	}
	return printJSON(w, all)
}

// firstOf is the error of a run of n inputs, of which some could not be read.
func firstOf(failed []error, n int) error {
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return failed[0]
	}
	return fmt.Errorf("%d of %d inputs could not be read, the first: %w", len(failed), n, failed[0])
}

// runner runs a network on one input after another.
type runner struct {
	model   *runtime.Model
	session *runtime.Session
	batch   int // of the session
	p       format.Preprocess
	fitErr  error // why the network takes no image
	labels  []string
	top     int
	out     string // folder, .npz file, or ""
	archive npy.Archive
	print   runPrinter
}

func (r *runner) close() { r.session.Close() }

// all goes through the inputs. What cannot be read is left out and returned.
func (r *runner) all(ctx context.Context, runs []runInput) (failed []error, err error) {
	for k, in := range ahead(len(runs), func(k int) loadedRun { return loadRun(runs[k], r.p, r.fitErr) }) {
		if in.err != nil {
			if failed = append(failed, in.err); r.fitErr != nil {
				break // none will do
			}
			continue
		}
		if rows := rowsOf(in.inputs[0].array, r.model); rows != r.batch { // each file has as many as it has
			next, err := r.model.NewSession(runtime.WithBatch(rows))
			if err != nil {
				return nil, err
			}
			r.session.Close()
			r.session, r.batch = next, rows
		}
		if err := in.fill(r.session, r.p); err != nil {
			failed = append(failed, err)
			continue
		}
		if err := r.run(ctx, k == 0); err != nil {
			return nil, err
		}
		o, err := collect(r.model, r.session, in, r.labels, r.top)
		if err == nil && r.out != "" {
			err = r.saveOutputs(k, len(runs) > 1)
		}
		if err == nil {
			err = r.print(o)
		}
		if err != nil {
			return nil, err
		}
	}
	if strings.HasSuffix(r.out, ".npz") && len(failed) < len(runs) {
		b, err := r.archive.Bytes()
		if err == nil {
			err = writeAtomic(r.out, b)
		}
		return failed, err
	}
	return failed, nil
}

// run runs the session; around a process's first run, stages end.
func (r *runner) run(ctx context.Context, first bool) error {
	if first {
		betweenStages()
		defer betweenStages()
	}
	return r.session.Run(ctx)
}

const runHelp = `
INPUT is an image (PNG, JPEG, GIF, BMP, WebP), an .npy file, - for either on the
standard input, an array of an .npz file (F.npz:NAME, or F.npz where there is one),
or a folder: all images in it. A model of several inputs takes as many files for each
run, in its order. What cannot be read is left out, and the exit status is 1.
`

func errorTexts(errs []error) (texts []string) {
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return texts
}

// rowsOf is the number of rows that an array holds for a model of one input and
// an open batch; 1 for all else.
func rowsOf(x tensor.Tensor, m *runtime.Model) int {
	specs := m.Inputs()
	if len(specs) != 1 || !m.Compiled().Batched() || x.IsZero() {
		return 1
	}
	in := specs[0].Shape
	if x.Shape.Rank() != in.Rank() || x.Shape.With(0, 1) != in.With(0, 1) {
		return 1
	}
	return max(1, x.Shape.Dim(0))
}

// collect describes the outputs of the last run, with the best classes of each
// row where a row is a list of scores.
func collect(rm *runtime.Model, s *runtime.Session, in loadedRun, labels []string, top int) ([]runOutput, error) {
	var res []runOutput
	for i, o := range rm.Compiled().Outputs() {
		t := s.Output(i)
		r := runOutput{Name: o.Name, Input: in.name, Shape: t.Shape.Dims()}
		rows := 0 // lists of scores
		if _, ok := scoresOf(t.Shape); ok {
			rows = 1 // an image is the first of the batch
			if t.Shape.Rank() > 1 && in.isArray() {
				rows = t.Shape.Dim(0)
			}
		}
		if rows == 0 {
			res = append(res, r)
			continue
		}
		v, err := reals(t)
		if err != nil {
			return nil, err
		}
		for n, _ := scoresOf(t.Shape); r.Row < rows; r.Row++ {
			r.Top = best(v[r.Row*n:(r.Row+1)*n], labels, top)
			res = append(res, r)
		}
	}
	return res, nil
}

// reals are t's elements as real numbers.
func reals(t tensor.Tensor) ([]float32, error) {
	if t.DType == tensor.F16 || t.DType == tensor.BF16 {
		var err error
		if t, err = ops.Run(&ops.Cast{To: tensor.F32}, nil, []tensor.Tensor{t}); err != nil {
			return nil, err
		}
	}
	v := make([]float32, t.Shape.Elems())
	for i := range v {
		switch t.DType {
		case tensor.F32:
			v[i] = t.F32()[i]
		case tensor.I8:
			v[i] = float32(t.I8()[i])
		case tensor.U8, tensor.Bool:
			v[i] = float32(t.Data[i])
		case tensor.I32:
			v[i] = float32(t.I32()[i])
		case tensor.I64:
			v[i] = float32(t.I64()[i])
		default:
			return nil, fmt.Errorf("output is %v", t.DType)
		}
		if t.Quant.PerTensor() {
			sc, z := t.Quant.At(0)
			v[i] = sc * (v[i] - float32(z))
		}
	}
	return v, nil
}

// best are the n highest scores, the lower class first where equal.
func best(v []float32, labels []string, n int) []topClass {
	idx := make([]int, len(v))
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int { return cmp.Compare(v[b], v[a]) })
	var t []topClass
	for _, i := range idx[:min(n, len(idx))] {
		c := topClass{Class: i, Score: score(v[i])}
		if i < len(labels) {
			c.Label = labels[i]
		}
		t = append(t, c)
	}
	return t
}

// saveOutputs writes the outputs of a run: output_N.npy in a folder, which several
// runs have one of each in, or as much of an archive.
func (r *runner) saveOutputs(run int, several bool) error {
	dir := ""
	if several {
		dir = fmt.Sprintf("input_%d", run)
	}
	zipped := strings.HasSuffix(r.out, ".npz")
	if !zipped {
		if err := os.MkdirAll(filepath.Join(r.out, dir), 0o755); err != nil {
			return err
		}
	}
	for i := range r.session.NumOutputs() {
		t, name := r.session.Output(i), fmt.Sprintf("output_%d", i)
		if zipped {
			if err := r.archive.Add(path.Join(dir, name), t); err != nil {
				return err
			}
			continue
		}
		var b strings.Builder
		if err := npy.Write(&b, t); err != nil {
			return err
		}
		if err := writeAtomic(filepath.Join(r.out, dir, name+".npy"), []byte(b.String())); err != nil {
			return err
		}
	}
	return nil
}
