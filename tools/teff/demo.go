package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// runDemo is the main job from end to end on images drawn here: a new network
// is trained, saved, inspected, run, verified and timed.
func runDemo(ctx context.Context, c *cli, args []string) error {
	f := newFlags(c, "demo", "")
	dir := f.String("dir", filepath.Join("build", "demo"), "folder for what it makes")
	model := f.String("model", "", "also convert this .onnx of the same task and try it on the same images")
	epochs := f.Int("epochs", 4, "times over the training images")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *epochs < 1 {
		return usagef("--epochs %d", *epochs)
	}
	path := func(name string) string { return filepath.Join(*dir, name) }
	if err := clearDemo(*dir); err != nil {
		return err
	}
	steps := [][]string{
		{"draw", path("train"), "-n", "4000", "--seed", "1"},
		{"draw", path("test"), "-n", "500", "--seed", "2"},
		{"new", "glyphnet", "-o", path("new.teff")},
		{"train", path("new.teff"), "--data", path("train"), "-o", path("tuned.teff"), "--epochs", fmt.Sprint(*epochs), "--lr", "0.1", "--report", path("report.html")},
		{"eval", path("tuned.teff"), "--data", path("test")},
		{"convert", path("tuned.teff"), "-o", path("small.teff"), "--weights", "int8"},
		{"eval", path("small.teff"), "--data", path("test")},
		{"verify", path("small.teff")},
		{"run", path("small.teff"), first(path("test"), "3"), first(path("test"), "7"), "--top", "2"},
		{"bench", path("small.teff"), "--runs", "200"},
	}
	if *model != "" {
		steps = append(steps,
			[]string{"convert", *model, "-o", path("imported.teff")},
			[]string{"eval", path("imported.teff"), "--data", path("test")})
	}
	type result struct {
		Args   []string        `json:"args"`
		Result json.RawMessage `json:"result"`
	}
	var results []result // with --json
	for _, s := range steps {
		for i, a := range s {
			s[i] = expand(a)
		}
		var out io.Writer = c.out
		var object bytes.Buffer
		if f.json {
			s, out = append(s, "--json"), &object
		} else {
			fmt.Fprintf(c.out, "\n$ teff %s\n", strings.Join(s, " "))
		}
		if code := Main(ctx, s, out, c.err); code != 0 {
			return fmt.Errorf("step %q ended with %d", s[0], code)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		results = append(results, result{s, object.Bytes()})
	}
	if f.json {
		return printJSON(c.out, map[string]any{"steps": results})
	}
	return nil
}

// demoMark lies in a folder of the demo's: all in it may be removed.
const demoMark = ".teff-demo"

// clearDemo makes an empty folder for the demo, of nothing, of an empty one or of
// one from before. It removes no folder of anybody else's.
func clearDemo(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(files) > 0 && !slices.ContainsFunc(files, func(f fs.DirEntry) bool { return f.Name() == demoMark }) {
		return fmt.Errorf("%s holds what is not the demo's; remove it, or name another folder with --dir", dir)
	}
	for _, f := range files {
		if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, demoMark), nil, 0o644)
}

// first names the first image of a class; it is there once draw has run.
func first(dir, class string) string { return filepath.Join(dir, class, "*.png") }

// expand is the first file that a pattern names.
func expand(a string) string {
	if m, err := filepath.Glob(a); err == nil && len(m) > 0 && strings.ContainsRune(a, '*') {
		return m[0]
	}
	return a
}
