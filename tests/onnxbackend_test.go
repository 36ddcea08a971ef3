package tests

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/x448/float16"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/onnx"
)

var casesDir = flag.String("cases", "", "folder of ONNX backend suite cases; the shared conformance/onnx where empty")

// TestONNXBackend runs every case below a folder of the ONNX backend suite:
//
//	go test ./tests -run ONNXBackend -args -cases DIR
//
// A case is a folder with model.onnx and test_data_set_N folders. Each runs on
// the plain paths as imported, and as a model would: through the passes and on
// the paths chosen for this machine.
func TestONNXBackend(t *testing.T) {
	dir := *casesDir
	if dir == "" {
		dir = shared.Path(t, "conformance", "onnx")
	}
	if _, err := os.Stat(dir); err != nil && !filepath.IsAbs(dir) {
		dir = filepath.Join("..", dir) // as seen from the repository's root
	}
	out := resultsWriter()
	cases := backendCases(t, dir)
	if len(cases) == 0 {
		t.Fatalf("no cases below %s", dir)
	}
	passed, skipped := 0, 0
	for _, c := range cases {
		name, _ := filepath.Rel(dir, c)
		switch why, err := runBackendCase(c); {
		case err != nil:
			t.Errorf("FAIL %s: %v", name, err)
			fmt.Fprintf(out, "fail %s: %v\n", name, err)
		case why != "":
			skipped++
			fmt.Fprintf(out, "skip %s: %s\n", name, why)
		default:
			passed++
		}
	}
	fmt.Fprintf(out, "passed %d of %d, skipped %d\n", passed, len(cases), skipped)
}

// resultsWriter is where results go. Without -v the go command shows nothing of
// a test that passes, but whoever names a folder wants to read the result: it
// is then written to the go command's own output, where that is no file.
func resultsWriter() io.Writer {
	if *casesDir == "" || testing.Verbose() {
		return os.Stdout
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", os.Getppid()), os.O_WRONLY, 0)
	if err != nil {
		return os.Stdout
	}
	if st, err := f.Stat(); err != nil || st.Mode().IsRegular() {
		return os.Stdout
	}
	return f
}

func backendCases(t *testing.T, dir string) []string {
	var cases []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() == "model.onnx" {
			cases = append(cases, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(cases)
	return cases
}

// backendSkip says why an error is none of ours: an element type that Teff
// does not have, or an operator that only the trainer has.
func backendSkip(err error) string {
	var te *onnx.TypeError
	var ue *onnx.UnsupportedError
	switch {
	case errors.As(err, &ue):
		for _, n := range ue.Nodes {
			if !strings.HasPrefix(n.Op, "ai.onnx.preview.training.") && !errors.As(n.Err, &te) {
				return ""
			}
		}
		if te != nil {
			return "element type " + te.Type
		}
		return "training operator " + strings.TrimPrefix(ue.Nodes[0].Op, "ai.onnx.preview.training.")
	case errors.As(err, &te):
		return "element type " + te.Type
	}
	return ""
}

func runBackendCase(dir string) (skip string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil {
		return "", err
	}
	if len(sets) == 0 {
		return "", fmt.Errorf("no test_data_set")
	}
	for _, set := range sets {
		if err := runBackendSet(dir, set); err != nil {
			if why := backendSkip(err); why != "" {
				return why, nil
			}
			return "", err
		}
	}
	return "", nil
}

// runBackendSet imports the model for one set's shapes and runs it three ways.
func runBackendSet(dir, set string) error {
	path := filepath.Join(dir, "model.onnx")
	model, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	in, err := backendTensors(set, "input")
	if err != nil {
		return err
	}
	want, err := backendTensors(set, "output")
	if err != nil {
		return err
	}
	opts, err := backendOptions(model, dir, in)
	if err != nil {
		return err
	}
	raw, err := onnx.ImportBytes(model, append(slices.Clip(opts), onnx.WithoutPasses())...)
	if err != nil {
		return err
	}
	got, err := evalGraph(raw, in...)
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	if err := backendCompare(got, want); err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	g, err := onnx.ImportBytes(model, opts...)
	if err != nil {
		return fmt.Errorf("passes: %w", err)
	}
	for _, way := range []struct {
		name string
		opts []runtime.Option
	}{{"passes and reference", []runtime.Option{runtime.WithReference()}}, {"cpu", nil}} {
		if got, err = backendSession(g, in, way.opts...); err == nil {
			err = backendCompare(got, want)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

// backendOptions are the shapes and values of a case's inputs.
func backendOptions(model []byte, dir string, in []tensor.Tensor) ([]onnx.Option, error) {
	declared, err := onnx.Inputs(model)
	if err != nil {
		return nil, err
	}
	if len(declared) != len(in) {
		return nil, fmt.Errorf("%d inputs for %d declared", len(in), len(declared))
	}
	opts := []onnx.Option{onnx.WithDir(dir)}
	for i, d := range declared {
		if !strings.Contains(d.Dims, " x ") || in[i].Shape.Rank() == strings.Count(d.Dims, " x ")+1 {
			opts = append(opts, onnx.WithShape(d.Name, in[i].Shape.Dims()))
		}
		opts = append(opts, onnx.WithValue(d.Name, in[i]))
	}
	return opts, nil
}

func backendTensors(set, kind string) (ts []tensor.Tensor, err error) {
	for i := 0; ; i++ {
		b, err := os.ReadFile(filepath.Join(set, fmt.Sprintf("%s_%d.pb", kind, i)))
		if errors.Is(err, fs.ErrNotExist) {
			return ts, nil
		}
		if err != nil {
			return nil, err
		}
		_, t, err := onnx.ParseTensor(b)
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
	}
}

func backendSession(g *graph.Graph, in []tensor.Tensor, opts ...runtime.Option) ([]tensor.Tensor, error) {
	m, err := runtime.New(g, opts...)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if s.NumInputs() != len(in) {
		return nil, fmt.Errorf("session has %d inputs, want %d", s.NumInputs(), len(in))
	}
	for i, x := range in {
		if copy(s.Input(i).Data, x.Data) != len(x.Data) {
			return nil, fmt.Errorf("input %d is %v, want %v", i, s.Input(i).Spec, x.Spec)
		}
	}
	if err := s.Run(context.Background()); err != nil {
		return nil, err
	}
	out := make([]tensor.Tensor, s.NumOutputs())
	for i := range out {
		out[i] = s.Output(i).Clone()
	}
	return out, nil
}

// The suite's own tolerance.
const (
	backendRel = 1e-3
	backendAbs = 1e-7
)

func backendCompare(got, want []tensor.Tensor) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d outputs, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.DType != w.DType || g.Shape != w.Shape {
			return fmt.Errorf("output %d is %v, want %v", i, g.Spec, w.Spec)
		}
		for j := range w.Shape.Elems() {
			a, b := backendNumber(g, j), backendNumber(w, j)
			if a == b || math.IsNaN(a) && math.IsNaN(b) {
				continue
			}
			if d := math.Abs(a - b); !(d <= backendAbs+backendRel*math.Abs(b)) {
				return fmt.Errorf("output %d, element %d is %v, want %v", i, j, a, b)
			}
		}
	}
	return nil
}

func backendNumber(t tensor.Tensor, i int) float64 {
	switch t.DType {
	case tensor.F32:
		return float64(t.F32()[i])
	case tensor.I64:
		return float64(t.I64()[i])
	case tensor.I32:
		return float64(t.I32()[i])
	case tensor.I8:
		return float64(t.I8()[i])
	case tensor.F16:
		return float64(float16.Frombits(t.Bits16()[i]).Float32())
	case tensor.BF16:
		return float64(math.Float32frombits(uint32(t.Bits16()[i]) << 16))
	}
	return float64(t.Data[i])
}
