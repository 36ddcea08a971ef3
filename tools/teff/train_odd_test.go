package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestTrainIntegerHead: a quantised network's head that has as many classes as
// the data goes on from its integers, bias and all.
func TestTrainIntegerHead(t *testing.T) {
	dir, fresh, data := fixture(t, "300")
	path := func(n string) string { return filepath.Join(dir, n) }
	ok(t, "train", fresh, "--data", data, "-o", path("f.teff"), "--epochs", "12", "--batch", "16", "--lr", "0.1")
	ok(t, "quantize", path("f.teff"), "--calib", data, "-o", path("q.teff"), "--whole")
	before := object(t, "top1", "eval", path("q.teff"), "--data", data)["top1"].(float64)
	require.Greater(t, before, 0.9)
	ok(t, "train", path("q.teff"), "--data", data, "-o", path("t.teff"), "--epochs", "1", "--lr", "1e-9", "--weight-decay", "0")
	require.InDelta(t, before, object(t, "top1", "eval", path("t.teff"), "--data", data)["top1"].(float64), 0.02)
	fails(t, "computes in integers", "train", path("q.teff"), "--data", data, "-o", path("t.teff"), "--what", "all")
}

// TestTrainNothing: what would learn nothing, or has become no numbers in the
// last update, is not written.
func TestTrainNothing(t *testing.T) {
	dir, model, data := fixture(t, "40")
	out := filepath.Join(dir, "out.teff")
	fails(t, "nothing would be learned", "train", model, "--data", data, "-o", out, "--epochs", "1", "--batch", "8", "--accumulate", "100")
	fails(t, "40 images do not make 41 folds", "train", model, "--data", data, "-o", out, "--folds", "41")
	code, _, msg := call("train", model, "--data", data, "-o", out, "--epochs", "1", "--lr", "1e38")
	require.Equal(t, 1, code, msg)
	require.Contains(t, msg, "diverged")
	require.NoFileExists(t, out)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2)
}

// TestScoresOfOnes: scores with further dimensions of 1, as NCHW networks that
// end in a pool have them, are scores for run, eval and train; a network that
// gives anything else is refused for what it is.
func TestScoresOfOnes(t *testing.T) {
	dir, _, data := fixture(t, "60")
	path := func(n string) string { return filepath.Join(dir, n) }
	write := func(name string, pool bool) {
		b := graph.NewBuilder(name)
		x := b.Input("x", tensor.F32Spec(1, 28, 28, 1), true)
		w := tensor.New(tensor.F32Spec(4, 3, 3, 1))
		for i := range w.F32() {
			w.F32()[i] = float32(i%5) - 2
		}
		x = b.Add("conv", &ops.Conv{}, []tensor.Tensor{w, tensor.New(tensor.F32Spec(4))}, x)
		if pool {
			x = b.Add("pool", &ops.GlobalPool{Fn: ops.PoolAvg}, nil, x)
		}
		b.Output("y", b.Add("nchw", &ops.Transpose{Perm: []int{0, 3, 1, 2}}, nil, x))
		g, err := b.Build()
		require.NoError(t, err)
		require.NoError(t, format.WriteFile(path(name), g, nil))
	}
	write("scores.teff", true)
	write("maps.teff", false)
	image, err := filepath.Glob(filepath.Join(data, "3", "*.png"))
	require.NoError(t, err)
	top := object(t, "outputs", "run", path("scores.teff"), image[0])["outputs"].([]any)[0].(map[string]any)["top"]
	require.Len(t, top, 4)
	for _, what := range []string{"all", "head"} {
		ok(t, "train", path("scores.teff"), "--data", data, "-o", path("t.teff"), "--epochs", "1", "--batch", "8", "--what", what)
		require.Equal(t, 60.0, object(t, "n", "eval", path("t.teff"), "--data", data)["n"])
	}
	require.NotContains(t, ok(t, "run", path("maps.teff"), image[0]), "\n  ")
	fails(t, "no scores of classes", "train", path("maps.teff"), "--data", data, "-o", path("x.teff"))
}
