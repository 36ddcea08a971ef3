package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
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
