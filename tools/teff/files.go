package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/teff-ml/teff/accel"
	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
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

	nodesIn int              // of the source
	meta    *format.Metadata // of an ONNX file that teff export wrote
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
	if m.meta != nil {
		return m.meta
	}
	return &format.Metadata{}
}

// hasMetadata reports a file that says something.
func (m *model) hasMetadata() bool {
	return m.meta != nil || m.file != nil && m.file.Metadata != nil
}

// loader holds the flags that say how a model is imported.
type loader struct {
	shapes list
	batch  int
	toRun  bool // the model is only to run: large weights may stay in few bits
}

// loadFlags adds the import flags to f.
func loadFlags(f *flags) *loader {
	l := &loader{}
	f.Var(&l.shapes, "shape", "NAME=1,3,224,224: shape of an input whose sizes the model leaves open; may be repeated")
	return l
}

// load reads a model by its content, not its name.
func (l *loader) load(path string) (*model, error) {
	head, all, err := begin(path)
	if err != nil {
		return nil, err
	}
	shapes := map[string][]int{}
	for _, s := range l.shapes {
		name, dims, err := parseShape(s)
		if err != nil {
			return nil, err
		}
		shapes[name] = dims
	}
	m := &model{path: path, bytes: fileSize(path)}
	read := func() ([]byte, error) { return os.ReadFile(path) }
	if all != nil {
		m.bytes, read = int64(len(all)), func() ([]byte, error) { return all, nil }
	}
	isONNX := false
	switch {
	case format.IsTeff(head):
		if len(shapes) > 0 {
			return nil, fmt.Errorf("%s: the shapes of a .teff file are fixed; give --shape when converting to it", path)
		}
		err = m.readTeff(all, l.toRun)
	case len(head) == 8 && string(head[4:]) == "TFL3":
		err = m.readTFLite(read, shapes)
	default:
		isONNX = true
		err = m.readONNX(read, shapes, l.batch)
	}
	if err == nil && !isONNX && l.batch > 0 { // an ONNX model was built for it
		if m.graph.Batched() {
			m.graph, err = fixBatch(m.graph, l.batch)
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

// readTeff opens the model's path, or reads all of it if that is there; toRun is loader's.
func (m *model) readTeff(all []byte, toRun bool) (err error) {
	switch {
	case all != nil:
		m.file, err = format.Parse(all)
	case toRun:
		m.file, err = format.OpenCompact(m.path)
	default:
		m.file, err = format.Open(m.path)
	}
	if err == nil {
		m.graph = m.file.Graph
	}
	return err
}

func (m *model) readTFLite(read func() ([]byte, error), shapes map[string][]int) error {
	b, err := read()
	if err != nil {
		return err
	}
	var opts []tflite.Option
	for name, dims := range shapes {
		opts = append(opts, tflite.WithShape(name, dims))
	}
	if m.graph, err = tflite.Parse(b, opts...); err != nil {
		return err
	}
	return areInputs(m.graph, shapes)
}

// readONNX reads what is no other kind of file; batch is 0 or what the model is built for.
func (m *model) readONNX(read func() ([]byte, error), shapes map[string][]int, batch int) error {
	opts := []onnx.Option{onnx.WithDir(filepath.Dir(m.path))}
	for name, dims := range shapes {
		opts = append(opts, onnx.WithShape(name, dims))
	}
	if batch > 0 {
		opts = append(opts, onnx.WithBatch(batch))
	}
	b, err := read()
	if err != nil {
		return err
	}
	m.graph, err = onnx.ImportBytes(b, opts...)
	if err == nil {
		m.nodesIn, _ = onnx.NodeCount(b) // it was read just now
		m.meta, err = onnxMetadata(b)
		return err
	}
	if why := foreign(b[:min(32, len(b))]); why != "" && errors.Is(err, onnx.ErrFormat) {
		return errors.New(why)
	}
	if errors.Is(err, onnx.ErrFormat) && !strings.HasSuffix(m.path, ".onnx") {
		err = fmt.Errorf("no .teff or .tflite file, and as ONNX: %w", err)
	}
	return err
}

// fixBatch is g with batch n, which is open no more.
func fixBatch(g *graph.Graph, n int) (*graph.Graph, error) {
	g, err := g.WithBatch(n)
	if err != nil {
		return nil, err
	}
	return graph.Rewrite(g, func(b *graph.Builder, _ graph.ID, n *graph.Node, in []graph.ID) graph.ID {
		if n.Op.Kind() == ops.KindInput {
			return b.Input(n.Name, n.Out, false)
		}
		return b.Keep(n, in)
	})
}

// onnxProperty is the property of an ONNX file that holds labels and
// preprocessing as .teff files do, in JSON.
const onnxProperty = "teff.metadata"

// onnxMetadata is what teff export wrote of labels and preprocessing, or nil.
func onnxMetadata(model []byte) (*format.Metadata, error) {
	props, err := onnx.Metadata(model)
	if err != nil || props[onnxProperty] == "" {
		return nil, err
	}
	var m format.Metadata
	if err := json.Unmarshal([]byte(props[onnxProperty]), &m); err != nil {
		return nil, fmt.Errorf("property %s: %w", onnxProperty, err)
	}
	return &m, nil
}

// begin is a file's first 8 bytes, or fewer where there are no more, and all of
// what can be read but once, such as a pipe.
func begin(path string) (head, all []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		return nil, nil, fmt.Errorf("%s: %s", path, foreignFolder(path))
	}
	if err == nil && !st.Mode().IsRegular() {
		all, err = io.ReadAll(f)
		return all[:min(8, len(all))], all, err
	}
	head = make([]byte, 8)
	n, _ := io.ReadFull(f, head)
	return head[:n], nil, nil
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

// modelOut checks the name that a .teff file is to have: one that says another
// kind of file was meant for another command, or is the model to be read.
func modelOut(path string) error {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".onnx", ".safetensors":
		return usagef("-o %s: a .teff file is written; teff export writes %s", path, ext)
	case ".tflite", ".pth", ".pt":
		return usagef("-o %s: a .teff file is written", path)
	}
	if path == "" {
		return usagef("-o OUT is missing")
	}
	return nil
}

// canWrite finds out before long work whether path can be written.
func canWrite(path string) error {
	switch st, err := os.Stat(path); {
	case err == nil && st.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case err == nil && !st.Mode().IsRegular():
		return nil // a device or a pipe is written to as it is
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
