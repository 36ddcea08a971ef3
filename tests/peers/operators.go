package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/onnx"
)

// opRow is one line of the table of operators: least times in ms. Inside is what the
// operator's own layers take inside of a network, whose activations lie as Teff wants
// them; peer is ONNX Runtime's time of the operator alone.
type opRow struct {
	name                string
	alone, inside, peer float64
	diff                float64
	kernels             string
}

// operators has PyTorch write graphs of one operator each (operators.py, the cases
// with these prefixes, or all), times them on one thread beside ONNX Runtime, and
// prints them in order of the ratio, the worst first.
func operators(lib, python string, prefixes []string, rounds int) error {
	ort.SetSharedLibraryPath(lib)
	if err := ort.InitializeEnvironment(); err != nil {
		return err
	}
	defer ort.DestroyEnvironment()
	dir, err := os.MkdirTemp("", "operators")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if slices.Contains(prefixes, "all") {
		prefixes = nil
	}
	cmd := exec.Command(python, append([]string{"-W", "ignore", "operators.py", dir}, prefixes...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("operators.py, which needs PyTorch: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if err != nil {
		return err
	}
	var rows []opRow
	for _, f := range files {
		if strings.HasSuffix(f, ".net.onnx") {
			continue
		}
		r, err := operator(f, rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b opRow) int { return int(math.Copysign(1, b.inside/b.peer-a.inside/a.peer)) })
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\tTeff ms\tinside\tORT ms\tratio\tinside\tdifference\tkernels")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%.4f\t%.4f\t%.4f\t%.2f\t%.2f\t%.0e\t%s\n", r.name, r.alone, r.inside, r.peer, r.alone/r.peer, r.inside/r.peer, r.diff, r.kernels)
	}
	return w.Flush()
}

// timedSession is a session that keeps the least time of each layer.
type timedSession struct {
	m    *runtime.Model
	s    *runtime.Session
	ns   []int64
	best []float64
}

func openTimed(file string) (*timedSession, error) {
	g, err := onnx.ImportFile(file)
	if err != nil {
		return nil, err
	}
	m, err := runtime.New(g, runtime.WithThreads(1))
	if err != nil {
		return nil, err
	}
	t := &timedSession{m: m}
	if t.s, err = m.NewSession(); err != nil {
		return nil, err
	}
	t.ns = t.s.Profile()
	t.best = slices.Repeat([]float64{math.Inf(1)}, len(t.ns))
	return t, nil
}

func (t *timedSession) run() error {
	err := t.s.Run(context.Background())
	for i, v := range t.ns {
		t.best[i] = min(t.best[i], float64(v)/1e6)
	}
	return err
}

// own is the time and kernels of the layers but for transposes at the ends and, in a
// network, the factors around.
func (t *timedSession) own(network bool) (ms float64, kernels string) {
	ls := t.s.Layers()
	for i, l := range ls {
		end := i == 0 || i == len(ls)-1
		near := i <= 1 || i >= len(ls)-2
		if l.Kind == ops.KindTranspose && end || network && near && l.Kind == ops.KindConv && l.Path == "depthwise" && len(ls) > 2 {
			continue
		}
		ms += t.best[i]
		kernels += fmt.Sprintf(" %v:%s", l.Kind, l.Path)
	}
	return ms, kernels
}

func operator(file string, rounds int) (*opRow, error) {
	alone, err := openTimed(file)
	if err != nil {
		return nil, err
	}
	defer alone.m.Close()
	inside, network := alone, strings.TrimSuffix(file, ".onnx")+".net.onnx"
	if _, err := os.Stat(network); err == nil {
		if inside, err = openTimed(network); err != nil {
			return nil, err
		}
		defer inside.m.Close()
	}
	peer, in, out, err := openOperator(file)
	if err != nil {
		return nil, err
	}
	defer peer.Destroy()
	defer in.Destroy()
	defer func() { _ = out[0].Destroy() }()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range in.GetData() {
		in.GetData()[i] = float32(rng.NormFloat64())
	}
	copy(alone.s.Input(0).F32(), in.GetData())
	copy(inside.s.Input(0).F32(), in.GetData())
	r := &opRow{name: strings.TrimSuffix(filepath.Base(file), ".onnx"), alone: math.Inf(1), peer: math.Inf(1)}
	spare := math.Inf(1)
	for range rounds {
		for _, e := range []struct {
			f    func() error
			best *float64
		}{{alone.run, &r.alone}, {inside.run, &spare}, {func() error { return peer.Run([]ort.Value{in}, out) }, &r.peer}} {
			start := time.Now()
			for n := 0; n < 3 || time.Since(start) < 15*time.Millisecond; n++ {
				t := time.Now()
				if err := e.f(); err != nil {
					return nil, err
				}
				*e.best = min(*e.best, float64(time.Since(t).Nanoseconds())/1e6)
			}
		}
	}
	if want, ok := out[0].(*ort.Tensor[float32]); ok {
		if r.diff = difference(alone.s.Output(0).F32(), want.GetData()); !(r.diff < 1e-3) {
			return nil, fmt.Errorf("outputs differ by %.2g of their norm", r.diff)
		}
	}
	r.inside, r.kernels = inside.own(inside != alone)
	return r, nil
}

// openOperator is a session of one input whose result is made anew by each run; out
// holds the first once it ran.
func openOperator(file string) (s *ort.DynamicAdvancedSession, in *ort.Tensor[float32], out []ort.Value, err error) {
	inputs, outputs, err := ort.GetInputOutputInfo(file)
	if err != nil {
		return nil, nil, nil, err
	}
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, nil, nil, err
	}
	defer o.Destroy()
	if err := errors.Join(o.SetIntraOpNumThreads(1), o.SetInterOpNumThreads(1)); err != nil {
		return nil, nil, nil, err
	}
	if in, err = ort.NewEmptyTensor[float32](ort.NewShape(inputs[0].Dimensions...)); err != nil {
		return nil, nil, nil, err
	}
	if s, err = ort.NewDynamicAdvancedSession(file, []string{inputs[0].Name}, []string{outputs[0].Name}, o); err != nil {
		return nil, nil, nil, err
	}
	out = []ort.Value{nil}
	return s, in, out, s.Run([]ort.Value{in}, out)
}
