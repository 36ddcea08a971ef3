package main

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/onnx"
	"github.com/teff-ml/teff/tools/tflite"
)

// model is a network from any of the files the command reads.
type model struct {
	path  string
	graph *graph.Graph
	file  *format.File // of a .teff, else nil
	bytes int64

	nodesIn int // of the source
	device  accel.Backend
}

// close gives back the file and the device. What runs is closed before.
func (m *model) close() {
	if m.device != nil {
		closeBackend(m.device)
	}
	if m.file != nil {
		m.file.Close()
	}
}

// metadata is what the file says of labels and preprocessing; never nil.
func (m *model) metadata() *format.Metadata {
	if m.file != nil && m.file.Metadata != nil {
		return m.file.Metadata
	}
	return &format.Metadata{}
}

// loader holds the flags that say how a model is imported.
type loader struct {
	shapes list
	batch  int
}

// loadFlags adds the import flags to f.
func loadFlags(f *flags) *loader {
	l := &loader{}
	f.Var(&l.shapes, "shape", "NAME=1,3,224,224: shape of an input whose sizes the model leaves open; may be repeated")
	return l
}

// load reads a model by its content, not its name.
func (l *loader) load(path string) (*model, error) {
	head := make([]byte, 8)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	n, _ := f.Read(head)
	f.Close()
	shapes := map[string][]int{}
	for _, s := range l.shapes {
		name, dims, err := parseShape(s)
		if err != nil {
			return nil, err
		}
		shapes[name] = dims
	}
	m := &model{path: path, bytes: fileSize(path)}
	isONNX := false
	switch {
	case format.IsTeff(head[:n]):
		if len(shapes) > 0 {
			return nil, fmt.Errorf("%s: the shapes of a .teff file are fixed; give --shape when converting to it", path)
		}
		if m.file, err = format.Open(path); err == nil {
			m.graph = m.file.Graph
		}
	case n == 8 && string(head[4:]) == "TFL3":
		var b []byte
		if b, err = os.ReadFile(path); err == nil {
			var opts []tflite.Option
			for name, dims := range shapes {
				opts = append(opts, tflite.WithShape(name, dims))
			}
			if m.graph, err = tflite.Parse(b, opts...); err == nil {
				err = areInputs(m.graph, shapes)
			}
		}
	default:
		isONNX = true
		var opts []onnx.Option
		for name, dims := range shapes {
			opts = append(opts, onnx.WithShape(name, dims))
		}
		if l.batch > 0 {
			opts = append(opts, onnx.WithBatch(l.batch))
		}
		if m.graph, err = onnx.ImportFile(path, opts...); err == nil {
			if b, e := os.ReadFile(path); e == nil {
				m.nodesIn, _ = onnx.NodeCount(b) // it was read just now
			}
		}
	}
	if err == nil && !isONNX && l.batch > 0 { // an ONNX model was built for it
		if m.graph.Batched() {
			m.graph, err = m.graph.WithBatch(l.batch)
		} else {
			err = fmt.Errorf("its batch is fixed, --batch %d cannot change it", l.batch)
		}
	}
	if err != nil {
		m.close()
		return nil, named(path, err)
	}
	if m.nodesIn == 0 {
		m.nodesIn = m.graph.Len()
	}
	return m, nil
}

// areInputs says which of the shapes is for no input of g.
func areInputs(g *graph.Graph, shapes map[string][]int) error {
	for name := range shapes {
		if !slices.ContainsFunc(g.Inputs(), func(id graph.ID) bool { return g.Node(id).Name == name }) {
			return fmt.Errorf("--shape names %q, which is no input", name)
		}
	}
	return nil
}

// named puts the path before an error that does not name it yet.
func named(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// parseShape reads NAME=1,3,224,224.
func parseShape(s string) (string, []int, error) {
	name, list, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return "", nil, usagef("--shape %q: want NAME=1,3,224,224", s)
	}
	var dims []int
	for _, d := range strings.Split(list, ",") {
		var x int
		if _, err := fmt.Sscanf(d, "%d", &x); err != nil || x < 1 || fmt.Sprint(x) != d {
			return "", nil, usagef("--shape %q: %q is no size", s, d)
		}
		dims = append(dims, x)
	}
	return name, dims, nil
}

func fileSize(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// canWrite finds out before long work whether path can be written.
func canWrite(path string) error {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return fmt.Errorf("%s is a folder", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".teff-*")
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // without the temporary name
		}
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	f.Close()
	return os.Remove(f.Name())
}

// firstInput is the model's first input; images need one.
func firstInput(path string, specs []tensor.Spec) (tensor.Spec, error) {
	if len(specs) == 0 {
		return tensor.Spec{}, fmt.Errorf("%s has no input", path)
	}
	return specs[0], nil
}

// writeAtomic replaces a file as a whole or not at all.
func writeAtomic(path string, b []byte) error { return format.AtomicWrite(path, b) }

func bytesLines(b []byte) iter.Seq[string] { return strings.Lines(string(b)) }

// prepare makes the model ready to run. What it holds of a .teff file need not
// stay in memory when it has been packed.
func (m *model) prepare(opts ...runtime.Option) (*runtime.Model, error) {
	if m.file != nil && m.file.Graph == m.graph {
		return runtime.FromFile(m.file, opts...)
	}
	return runtime.New(m.graph, opts...)
}
