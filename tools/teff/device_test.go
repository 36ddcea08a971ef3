package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel/cuda"
)

// TestDevice: where there is no device, cuda fails with one line and auto takes
// the CPU and says so.
func TestDevice(t *testing.T) {
	if b, err := cuda.Open(); err == nil {
		require.NoError(t, closeBackend(b))
		t.Skip("there is a device: what is tested is its absence")
	}
	_, model, data := fixture(t, "10")
	images, err := filepath.Glob(filepath.Join(data, "*", "*.png"))
	require.NoError(t, err)
	require.NotEmpty(t, images)
	code, out, msg := call("run", model, images[0], "--device", "cuda")
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.Contains(t, msg, "accelerator not available")
	require.Equal(t, 1, strings.Count(msg, "\n"))
	code, _, msg = call("bench", model, "--runs", "2", "--device", "cuda")
	require.Equal(t, 1, code)
	require.Contains(t, msg, "accelerator not available")
	code, out, msg = call("run", model, images[0], "--device", "auto")
	require.Equal(t, 0, code, msg)
	require.Contains(t, msg, "on the CPU: cuda: ")
	require.Equal(t, ok(t, "run", model, images[0]), out)
}

// TestTrainDevice: the same of training.
func TestTrainDevice(t *testing.T) {
	if b, err := cuda.Open(); err == nil {
		require.NoError(t, closeBackend(b))
		t.Skip("there is a device: what is tested is its absence")
	}
	dir, model, data := fixture(t, "40")
	args := func(out string, more ...string) []string {
		return append([]string{"train", model, "--data", data, "-o", filepath.Join(dir, out), "--epochs", "1", "--batch", "8"}, more...)
	}
	code, out, msg := call(args("cuda.teff", "--device", "cuda")...)
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.Contains(t, msg, "accelerator not available")
	require.Equal(t, 1, strings.Count(msg, "\n"))
	require.NoFileExists(t, filepath.Join(dir, "cuda.teff"))
	code, out, msg = call(args("auto.teff", "--device", "auto", "--json")...)
	require.Equal(t, 0, code, msg)
	require.Contains(t, msg, "on the CPU: cuda: ")
	require.Equal(t, 1, strings.Count(msg, "\n"))
	require.Contains(t, out, `"device":"cpu"`)
	ok(t, args("cpu.teff")...)
	require.Equal(t, fileOf(t, dir, "cpu.teff"), fileOf(t, dir, "auto.teff"))
	for _, wrong := range [][]string{{"--device", "tpu"}, {"--device", "cuda", "--budget", "1MB"}} {
		code, _, msg = call(args("x.teff", wrong...)...)
		require.Equal(t, 2, code)
		require.Contains(t, msg, wrong[len(wrong)-2])
	}
}

func fileOf(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return b
}
