package main

import (
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
