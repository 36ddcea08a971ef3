package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/npy"
)

// full is a stdout on a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestFullStdout: no command that prints into nothing says that all is well.
func TestFullStdout(t *testing.T) {
	dir, model, data := fixture(t, "10")
	image := expand(filepath.Join(data, "*", "*.png"))
	for _, args := range [][]string{
		{"help"}, {"inspect", model}, {"inspect", model, "--json"}, {"inspect", "-h"}, {"verify", model}, {"run", model, image}, {"eval", model, "--data", data},
		{"train", model, "--data", data, "-o", filepath.Join(dir, "t.teff"), "--epochs", "1", "--batch", "4"},
	} {
		var msg bytes.Buffer
		require.Equal(t, 1, Main(context.Background(), args, full{}, &msg), args)
		require.Contains(t, msg.String(), "no space left", args)
	}
}

// TestPipe: a model that can be read but once, as from a shell's <(command), is
// read as from a file.
func TestPipe(t *testing.T) {
	dir, model, _ := fixture(t, "10")
	exported := filepath.Join(dir, "m.onnx")
	ok(t, "export", model, "-o", exported)
	for _, path := range []string{model, exported} {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		go func() {
			w.Write(b)
			w.Close()
		}()
		if _, err := os.Stat("/dev/fd"); err != nil {
			t.Skip("the system has no /dev/fd")
		}
		name := fmt.Sprintf("/dev/fd/%d", r.Fd())
		require.Equal(t, ok(t, "inspect", path), ok(t, "inspect", name), path)
		r.Close()
	}
}

// TestNaN: a score that JSON has no number for is null, and the rest is there.
func TestNaN(t *testing.T) {
	dir, model, _ := fixture(t, "10")
	x := tensor.New(tensor.F32Spec(1, 28, 28, 1))
	for i := range x.F32() {
		x.F32()[i] = float32(math.NaN())
	}
	var b strings.Builder
	require.NoError(t, npy.Write(&b, x))
	path := filepath.Join(dir, "nan.npy")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	o := object(t, "outputs", "run", model, path)["outputs"].([]any)[0].(map[string]any)
	require.Nil(t, o["top"].([]any)[0].(map[string]any)["score"])
}

// TestScaleUnlessSaid: how an image is cut says nothing of how its pixels are
// scaled, and what convert stores is what run does with the same flags.
func TestScaleUnlessSaid(t *testing.T) {
	dir, model, data := fixture(t, "10")
	image := expand(filepath.Join(data, "*", "*.png"))
	stored := filepath.Join(dir, "stored.teff")
	plain := ok(t, "run", model, image)
	require.Equal(t, plain, ok(t, "run", model, image, "--resize", "28"))
	require.NotEqual(t, plain, ok(t, "run", model, image, "--resize", "28", "--scale", "0"))
	ok(t, "convert", model, "-o", stored, "--resize", "28")
	require.Equal(t, plain, ok(t, "run", stored, image))
	f, err := format.Open(stored)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, float32(1.0/255), f.Metadata.Preprocess.Scale)
}

// TestDemoFolder: the demo removes what it made before, and nothing else.
func TestDemoFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644))
	fails(t, "not the demo's", "demo", "--dir", dir)
	require.FileExists(t, filepath.Join(dir, "thesis.txt"))
	require.NoError(t, os.Remove(filepath.Join(dir, "thesis.txt")))
	require.NoError(t, clearDemo(dir))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "train"), 0o755))
	require.NoError(t, clearDemo(dir))
	require.NoDirExists(t, filepath.Join(dir, "train"))
	if !testing.Short() {
		require.Len(t, object(t, "steps", "demo", "--dir", dir, "--epochs", "1")["steps"], 10)
	}
}

// TestHalves: a model that takes and gives halves runs on images, and its scores
// are listed.
func TestHalves(t *testing.T) {
	dir := t.TempDir()
	b := graph.NewBuilder("halves")
	x := b.Input("image", tensor.Spec{DType: tensor.F16, Shape: tensor.Of(1, 4, 4, 3)}, true)
	x = b.Add("pool", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, b.Add("wide", &ops.Cast{To: tensor.F32}, nil, x))
	b.Output("scores", b.Add("half", &ops.Cast{To: tensor.F16}, nil, x))
	g, err := b.Build()
	require.NoError(t, err)
	model, path := filepath.Join(dir, "m.teff"), filepath.Join(dir, "x.png")
	require.NoError(t, format.WriteFile(model, g, nil))
	var p bytes.Buffer
	m := image.NewGray(image.Rect(0, 0, 4, 4))
	for i := range m.Pix {
		m.Pix[i] = 51
	}
	require.NoError(t, png.Encode(&p, m))
	require.NoError(t, os.WriteFile(path, p.Bytes(), 0o644))
	require.Contains(t, ok(t, "run", model, path), "0.2000")
}

// TestTooLargeForHalf: weights that half precision has no room for stay exact.
func TestTooLargeForHalf(t *testing.T) {
	dir := t.TempDir()
	b := graph.NewBuilder("large")
	w := tensor.New(tensor.F32Spec(8, 8))
	w.F32()[3] = 1e5
	b.Output("y", b.Add("fc", &ops.Dense{}, []tensor.Tensor{w}, b.Input("x", tensor.F32Spec(1, 8), true)))
	g, err := b.Build()
	require.NoError(t, err)
	model, out := filepath.Join(dir, "m.teff"), filepath.Join(dir, "o.teff")
	require.NoError(t, format.WriteFile(model, g, nil))
	for _, weights := range []string{"f16", "f16+coded", "int8", "palette4", "sparse50", "auto"} {
		ok(t, "convert", model, "-o", out, "--weights", weights)
		f, err := format.Open(out)
		require.NoError(t, err)
		require.Equal(t, w.F32(), f.Graph.Node(1).Params[0].F32(), weights)
		require.NoError(t, f.Close())
	}
}
