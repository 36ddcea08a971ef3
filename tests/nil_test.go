package tests

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/runtime/tune"
	"github.com/teff-ml/teff/tools/onnx"
	"github.com/teff-ml/teff/tools/tflite"
)

// noSamples is a source with a sample that is all zeros.
type noSamples struct{}

func (noSamples) Len() int                        { return 1 }
func (noSamples) Fill(int, []tensor.Tensor) error { return nil }

func lineGraph(t *testing.T) *graph.Graph {
	t.Helper()
	b := graph.NewBuilder("line")
	x := b.Input("x", tensor.F32Spec(1, 2), true)
	b.Output("y", b.Add("fc", &ops.Dense{}, []tensor.Tensor{tensor.New(tensor.F32Spec(2, 2)), tensor.New(tensor.F32Spec(2))}, x))
	g, err := b.Build()
	require.NoError(t, err)
	return g
}

// TestNilGraph: a graph that an unchecked error left nil, or that was not built,
// is an error that says so, wherever a graph goes in and an error comes out.
func TestNilGraph(t *testing.T) {
	ctx := context.Background()
	good := lineGraph(t)
	calls := map[string]func(g *graph.Graph) error{
		"runtime.New":         func(g *graph.Graph) error { _, err := runtime.New(g); return err },
		"runtime.New raw":     func(g *graph.Graph) error { _, err := runtime.New(g, runtime.WithGraphAsIs()); return err },
		"runtime.FromFile":    func(g *graph.Graph) error { _, err := runtime.FromFile(&format.File{Graph: g}); return err },
		"train.New":           func(g *graph.Graph) error { _, err := train.New(g, train.Config{}); return err },
		"train.PlanBytes":     func(g *graph.Graph) error { _, err := train.PlanBytes(g, train.Config{}); return err },
		"train.Blocks":        func(g *graph.Graph) error { _, err := train.Blocks(g); return err },
		"train.LastBlocks":    func(g *graph.Graph) error { _, err := train.LastBlocks(g, 1); return err },
		"train.Head":          func(g *graph.Graph) error { _, err := train.Head(g); return err },
		"train.WithClasses":   func(g *graph.Graph) error { _, err := train.WithClasses(g, 2, 1, true); return err },
		"train.WithDropout":   func(g *graph.Graph) error { _, err := train.WithDropout(g, .5); return err },
		"train.Split":         func(g *graph.Graph) error { _, _, err := train.Split(g); return err },
		"train.Join":          func(g *graph.Graph) error { _, err := train.Join(g, good); return err },
		"train.Join trained":  func(g *graph.Graph) error { _, err := train.Join(good, g); return err },
		"train.EstimateNorms": func(g *graph.Graph) error { _, err := train.EstimateNorms(g, 1, 1, 1, nil); return err },
		"train.ChooseSparse": func(g *graph.Graph) error {
			_, err := train.ChooseSparse(g, train.Config{}, 1<<20, nil, 1, nil)
			return err
		},
		"tune.Measure":   func(g *graph.Graph) error { _, err := tune.Measure(ctx, g, tune.Setting{}, nil); return err },
		"format.Marshal": func(g *graph.Graph) error { _, err := format.Marshal(g, nil); return err },
		"format.Write":   func(g *graph.Graph) error { return format.Write(io.Discard, g, nil) },
		"ptq.Calibrate":  func(g *graph.Graph) error { _, err := ptq.Calibrate(ctx, g, noSamples{}, ptq.Options{}); return err },
		"ptq.Compare": func(g *graph.Graph) error {
			_, err := ptq.Compare(ctx, g, good, noSamples{}, noSamples{}, 0, 1)
			return err
		},
		"ptq.Compare b": func(g *graph.Graph) error {
			_, err := ptq.Compare(ctx, good, g, noSamples{}, noSamples{}, 0, 1)
			return err
		},
		"onnx.Export":     func(g *graph.Graph) error { return onnx.Export(io.Discard, g) },
		"graph.Print":     func(g *graph.Graph) error { return graph.Print(io.Discard, g) },
		"graph.WithBatch": func(g *graph.Graph) error { _, err := g.WithBatch(3); return err },
		"passes.Import":   func(g *graph.Graph) error { _, err := passes.Import(g); return err },
		"passes.Infer":    func(g *graph.Graph) error { _, err := passes.Infer(g); return err },
		"passes.Train":    func(g *graph.Graph) error { _, err := passes.Train(g); return err },
		"passes.Unsigned": func(g *graph.Graph) error { _, err := passes.Unsigned(g); return err },
		"passes.Dead":     func(g *graph.Graph) error { _, err := passes.Dead(g); return err },
		"passes.Layout":   func(g *graph.Graph) error { _, err := passes.Layout(g); return err },
		"format.WriteFile": func(g *graph.Graph) error {
			path := filepath.Join(t.TempDir(), "f.teff")
			err := format.WriteFile(path, g, nil)
			if _, there := os.Stat(path); g == nil && there == nil {
				t.Error("a file was written")
			}
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, call(nil), graph.ErrNil)
			require.NotPanics(t, func() { call(new(graph.Graph)) })
		})
	}
}

// TestNilContext: contexts must not be nil; what takes one and gives an error says so.
func TestNilContext(t *testing.T) {
	g := lineGraph(t)
	m, err := runtime.New(g)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession()
	require.NoError(t, err)
	var none context.Context
	require.ErrorContains(t, s.Run(none), "nil context")
	require.NoError(t, s.Run(context.Background()))
	_, err = tune.Measure(none, g, tune.Setting{}, nil)
	require.ErrorContains(t, err, "nil context")
	_, err = ptq.Calibrate(none, g, noSamples{}, ptq.Options{})
	require.ErrorContains(t, err, "nil context")
	_, err = ptq.Compare(none, g, g, noSamples{}, noSamples{}, 0, 1)
	require.ErrorContains(t, err, "nil context")
}

// TestNilOthers: other values that a program may have forgotten to set.
func TestNilOthers(t *testing.T) {
	g := lineGraph(t)
	b, err := format.Marshal(g, nil)
	require.NoError(t, err)

	// An option that is nil changes nothing, so that a program may choose.
	m, err := runtime.Parse(b, nil, runtime.WithThreads(1), nil)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession(nil, runtime.WithBatch(3), nil)
	require.NoError(t, err)
	require.Equal(t, 3, s.Input(0).Shape.Dims()[0])
	var out bytes.Buffer
	require.NoError(t, onnx.Export(&out, g))
	_, err = onnx.ImportBytes(out.Bytes(), nil)
	require.NoError(t, err)
	_, err = tflite.Parse([]byte("no model"), nil)
	require.Error(t, err)

	// nil is the default.
	m2, err := runtime.New(g, runtime.WithBackend(nil), runtime.WithChoices(nil))
	require.NoError(t, err)
	require.Equal(t, "cpu", m2.Backend())
	require.NoError(t, m2.Close())

	for name, err := range map[string]error{
		"runtime.FromFile": second(runtime.FromFile(nil)),
		"runtime.Parse":    second(runtime.Parse(nil)),
		"format.Parse":     second(format.Parse(nil)),
		"onnx.ImportBytes": second(onnx.ImportBytes(nil)),
		"tflite.Parse":     second(tflite.Parse(nil)),
		"ptq.Calibrate":    second(ptq.Calibrate(context.Background(), g, nil, ptq.Options{})),
		"train.OnDevice":   second(train.OnDevice(nil, g, train.Config{})),
	} {
		require.Error(t, err, name)
	}
	tr, err := train.New(g, train.Config{Batch: 2})
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Step(tensor.Tensor{}, tensor.Tensor{})
	require.Error(t, err)

	build := graph.NewBuilder("")
	x := build.Input("x", tensor.F32Spec(1, 2), true)
	build.Output("y", build.Add("nothing", nil, nil, x))
	_, err = build.Build()
	require.ErrorContains(t, err, "nothing")
	build = graph.NewBuilder("")
	x = build.Input("x", tensor.F32Spec(1, 2), true)
	build.Supersede(x, nil, nil, x)
	_, err = build.Build()
	require.ErrorIs(t, err, graph.ErrNil)
	_, err = graph.Rewrite(nil, nil)
	require.ErrorIs(t, err, graph.ErrNil)
}

func second[T any](_ T, err error) error { return err }
