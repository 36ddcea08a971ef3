package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
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
