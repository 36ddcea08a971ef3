package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel/cuda"
	"github.com/teff-ml/teff/accel/cuda/fake"
)

// TestSkipped: where there is no device, it says so and is no failure.
func TestSkipped(t *testing.T) {
	if b, err := cuda.Open(); err == nil {
		require.NoError(t, b.(interface{ Close() error }).Close())
		t.Skip("there is a device")
	}
	var out bytes.Buffer
	require.NoError(t, run(&out, settings{}))
	require.Regexp(t, `^gpu-bench: SKIPPED, cuda: .*accelerator not available\n$`, out.String())
	out.Reset()
	require.NoError(t, run(&out, settings{json: true}))
	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	require.Contains(t, r.Skipped, "cuda")
}

// TestFake goes through all of it with a driver that emulates a device, in a build
// with the tag cuda; its times mean nothing.
func TestFake(t *testing.T) {
	small := settings{networks: []string{"resnet8"}, batches: []int{1, 2}, precisions: []string{"f32", "f16"}, size: 16, side: 64, runs: 1, least: 2, python: "none", json: true}
	if os.Getenv("GPUBENCH_TEST") != "" {
		var out bytes.Buffer
		require.NoError(t, run(&out, small))
		var r report
		require.NoError(t, json.Unmarshal(out.Bytes(), &r))
		out.Reset()
		require.NoError(t, print(&out, &r, false))
		require.Regexp(t, `(?s)resnet8, batch 2, f16: median .*\| conv_f16_64 \| \d+ \|`, out.String())
		require.Len(t, r.Results, 4)
		for _, res := range r.Results {
			require.Positive(t, res.Images)
			require.Positive(t, res.Kernels[0].Ms)
			require.Positive(t, r.Rates[res.Precision].GBs)
			require.Positive(t, r.Rates[res.Precision].TFLOPs)
		}
		return
	}
	if _, err := cuda.Open(); err != nil && strings.Contains(err.Error(), "without the tag") {
		t.Skip(err)
	}
	lib, err := fake.Library()
	if errors.Is(err, fake.ErrNoCompiler) {
		t.Skip(err)
	}
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^TestFake$", "-test.v")
	cmd.Env = append(os.Environ(), "GPUBENCH_TEST=1", "TEFF_LIBCUDA="+lib)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: TestFake")
}
