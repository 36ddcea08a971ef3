package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tests/shared"
)

// slow skips what takes minutes.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("TEFF_SLOW") == "" {
		t.Skip("takes minutes; TEFF_SLOW=1 runs it")
	}
}

// TestCIFARFromScratch: 6,000 images teach a fresh ResNet-8 what it has never
// seen.
func TestCIFARFromScratch(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	fresh, out := filepath.Join(dir, "new.teff"), filepath.Join(dir, "out.teff")
	ok(t, "new", "resnet8", "-o", fresh)
	start := time.Now()
	m := object(t, "epochs", "train", fresh, "--data", shared.Path(t, "datasets/cifar10-jpeg/train"), "--data", shared.Path(t, "datasets/cifar10-lossless"),
		"--val", shared.Path(t, "datasets/cifar10-jpeg/test"), "--flip", "--shift", "4", "--lr", "0.1", "--epochs", "30", "-o", out)
	top1 := lastEpoch(m)["top1"].(float64)
	t.Logf("%.2f %% in %v", 100*top1, time.Since(start))
	require.Greater(t, top1, 0.62)
	require.InDelta(t, top1, object(t, "top1", "eval", out, "--data", shared.Path(t, "datasets/cifar10-jpeg/test"))["top1"], 0.001)
}

// TestMNISTFromScratch: the demo's network on 60,000 digits.
func TestMNISTFromScratch(t *testing.T) {
	slow(t)
	dir := t.TempDir()
	fresh, out := filepath.Join(dir, "new.teff"), filepath.Join(dir, "out.teff")
	ok(t, "new", "glyphnet", "-o", fresh)
	start := time.Now()
	m := object(t, "epochs", "train", fresh, "--data", shared.Path(t, "datasets/mnist/train-labels-idx1-ubyte.gz"), "--val", shared.Path(t, "datasets/mnist"),
		"--shift", "2", "--lr", "0.1", "--epochs", "10", "-o", out)
	took := time.Since(start)
	top1 := lastEpoch(m)["top1"].(float64)
	t.Logf("%.2f %% in %v", 100*top1, took)
	require.GreaterOrEqual(t, top1, 0.993)
	require.Less(t, took, 5*time.Minute)
}
