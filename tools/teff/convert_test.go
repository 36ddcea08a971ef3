package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// TestConvertMixed: a model whose open batch a fixed one stands beside converts, and
// is warned about; with a fixed batch there is nothing to say.
func TestConvertMixed(t *testing.T) {
	b := graph.NewBuilder("windows")
	x := b.Input("x", tensor.F32Spec(1, 4, 4, 2), true)
	w := b.Add("cut", &ops.Reshape{Dims: []int{0, 2, 2, 2, 2, 2}}, nil, x)
	w = b.Add("windows", &ops.Reshape{Dims: []int{-1, 4, 2}}, nil, b.Add("t", &ops.Transpose{Perm: []int{0, 1, 3, 2, 4, 5}}, nil, w))
	b.Output("y", b.Add("joined", &ops.Reshape{Dims: []int{1, 2, 2, 2, 2, -1}}, nil, w))
	g, err := b.Build()
	require.NoError(t, err)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.teff"), filepath.Join(dir, "out.teff")
	require.NoError(t, format.WriteFile(in, g, nil))
	code, _, msg := call("convert", in, "-o", out)
	require.Zero(t, code)
	require.Contains(t, msg, "warning: "+in+`: Reshape "joined" from 4x4x2 to 1x2x2x2x2x2 does not keep the samples of a batch apart`)
	require.Contains(t, object(t, "warning", "convert", in, "-o", out)["warning"], `"joined"`)
	require.NotContains(t, object(t, "", "convert", in, "-o", out, "--batch", "1"), "warning")
}

// TestConvertBatch: --batch fixes the batch of a .teff file, too.
func TestConvertBatch(t *testing.T) {
	dir, model, _ := fixture(t, "1")
	out := filepath.Join(dir, "four.teff")
	ok(t, "convert", model, "-o", out, "--batch", "4")
	in := object(t, "inputs", "inspect", out)["inputs"].([]any)[0].(map[string]any)
	require.Equal(t, 4.0, in["shape"].([]any)[0])
	fails(t, "its batch is fixed", "convert", out, "-o", out, "--batch", "2")
}

// TestConvertInterrupted: the first signal ends convert, and the file that was there
// stays.
func TestConvertInterrupted(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.teff"), filepath.Join(dir, "out.teff")
	b := graph.NewBuilder("large")
	w := tensor.New(tensor.F32Spec(2048, 2048))
	for i := range w.F32() {
		w.F32()[i] = float32(i*7919%1009) / 1009
	}
	b.Output("y", b.Add("d", &ops.Dense{}, []tensor.Tensor{w}, b.Input("x", tensor.F32Spec(1, 2048), true)))
	g, err := b.Build()
	require.NoError(t, err)
	require.NoError(t, format.WriteFile(in, g, nil))
	require.NoError(t, os.WriteFile(out, []byte("old"), 0o644))
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(30*time.Millisecond, cancel)
	var msg bytes.Buffer
	require.Equal(t, 1, Main(ctx, []string{"convert", in, "-o", out, "--weights", "int4"}, io.Discard, &msg))
	require.Contains(t, msg.String(), "teff convert: interrupted")
	old, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, "old", string(old))
}

// TestConvertNarrow: a network with filters of zeros becomes smaller and gives the same
// results; one without stays as it is.
func TestConvertNarrow(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.teff"), filepath.Join(dir, "out.teff")
	write := func(zeros int) {
		rnd := rand.New(rand.NewPCG(1, 1))
		weights := func(dims ...int) tensor.Tensor {
			w := tensor.New(tensor.F32Spec(dims...))
			for i := range w.F32() {
				w.F32()[i] = rnd.Float32() - 0.5
			}
			return w
		}
		first, bias := weights(8, 3, 3, 3), weights(8)
		clear(first.F32()[:zeros*27])
		b := graph.NewBuilder("narrow")
		conv := &ops.Conv{Window: ops.Window{PadLo: []int{1, 1}, PadHi: []int{1, 1}}, Act: ops.Relu}
		x := b.Add("first", conv, []tensor.Tensor{first, bias}, b.Input("x", tensor.F32Spec(1, 6, 5, 3), true))
		b.Output("y", b.Add("second", &ops.Conv{}, []tensor.Tensor{weights(4, 1, 1, 8), weights(4)}, x))
		g, err := b.Build()
		require.NoError(t, err)
		require.NoError(t, format.WriteFile(in, g, nil))
	}
	write(3)
	printed := ok(t, "convert", in, "-o", out, "--narrow")
	require.Contains(t, printed, "96 parameters that changed nothing were removed") // of each of 3 filters: 27, a bias, 4 that read it
	require.InDeltaSlice(t, outputs(t, in), outputs(t, out), 1e-6)
	require.Equal(t, 96.0, object(t, "removed_parameters", "convert", in, "-o", out, "--narrow")["removed_parameters"])
	write(0)
	require.NotContains(t, object(t, "", "convert", in, "-o", out, "--narrow"), "removed_parameters")
}

// outputs are a model's for an input of halves and quarters.
func outputs(t *testing.T, path string) []float32 {
	m, err := runtime.Open(path)
	require.NoError(t, err)
	defer m.Close()
	s, err := m.NewSession()
	require.NoError(t, err)
	defer s.Close()
	for i := range s.Input(0).F32() {
		s.Input(0).F32()[i] = float32(i%5)/2 - 0.75
	}
	require.NoError(t, s.Run(context.Background()))
	return slices.Clone(s.Output(0).F32())
}
