package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	goruntime "runtime"
	"slices"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/tune"
)

// tunePath is where a model's choices lie.
func tunePath(model string) string { return model + ".tune" }

const untunedHelp = "do not use MODEL.tune, which teff tune writes"

func runTune(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "tune", "MODEL")
	ld := loadFlags(f)
	threads := f.Int("threads", 0, "threads; 0: one, and all")
	batch := f.Int("batch", 1, "batch size")
	exact := f.Bool("exact", false, "no kernel that rounds more than plain float32 sums")
	precision := f.String("precision", "f32", "f32 or bf16")
	out := f.String("o", "", "file to write or add to; MODEL.tune, which run and bench look for, when not given")
	pos, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *batch < 1 || *threads < 0 {
		return usagef("--threads cannot be negative, nor --batch less than 1")
	}
	if *precision != "f32" && *precision != "bf16" {
		return usagef("--precision %q: f32 or bf16", *precision)
	}
	if *out == "" {
		*out = tunePath(pos[0])
	}
	file, err := readTune(*out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if file == nil {
		file = &tune.File{}
	}
	if err := canWrite(*out); err != nil {
		return err
	}
	m, err := ld.load(pos[0])
	if err != nil {
		return err
	}
	defer m.close()
	numbers := []int{*threads}
	if *threads == 0 {
		numbers = slices.Compact([]int{1, goruntime.GOMAXPROCS(0)})
	}
	var found []*tune.Entry
	for _, n := range numbers {
		s := tune.Setting{Threads: n, Batch: *batch, Precision: *precision, Exact: *exact}
		e, err := measureTune(ctx, c, m, s, f.json)
		if err != nil {
			return err
		}
		file.Set(e)
		found = append(found, e)
	}
	b, err := file.Encode()
	if err != nil {
		return err
	}
	if err := format.AtomicWrite(*out, b); err != nil {
		return err
	}
	if f.json {
		return printJSON(c.out, map[string]any{"file": *out, "entries": found})
	}
	for _, e := range found {
		fmt.Fprintf(c.out, "threads %d: %.3f ms, was %.3f: %d layers computed in another way\n", e.Threads, e.After, e.Before, len(e.Nodes))
		for _, name := range slices.Sorted(maps.Keys(e.Nodes)) {
			choice, _ := json.Marshal(e.Nodes[name])
			fmt.Fprintf(c.out, "  %-40s %s\n", short(name), choice)
		}
	}
	return nil
}

func measureTune(ctx context.Context, c *cli, m *model, s tune.Setting, quiet bool) (*tune.Entry, error) {
	var p *progress
	defer func() { p.done() }()
	return tune.Measure(ctx, m.graph, s, func(st tune.Step) {
		if p == nil {
			p = newProgress(c, fmt.Sprintf("tune, %d threads", s.Threads), st.Of, quiet)
		}
		p.text(st.Done, st.Name)
	})
}

// readTune reads a file of choices.
func readTune(path string) (*tune.File, error) {
	if fileSize(path) > tune.MaxBytes {
		return nil, fmt.Errorf("%s: too large for what teff tune writes", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := tune.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// tuned are the options that make the model run as was found best, if there is a
// file of it beside the model; one that is for something else is left alone,
// with a note.
func (m *model) tuned(c *cli, s tune.Setting) ([]runtime.Option, error) {
	path := tunePath(m.path)
	f, err := readTune(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if s.Threads == 0 {
		s.Threads = goruntime.GOMAXPROCS(0)
	}
	choices, err := f.Choices(m.graph, s)
	if err != nil {
		fmt.Fprintf(c.err, "%s is for another model or machine and not used; teff tune %s makes it anew\n", path, m.path)
		return nil, nil
	}
	return []runtime.Option{runtime.WithChoices(choices)}, nil
}
