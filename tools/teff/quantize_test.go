package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tests/shared"
)

// TestQuantizeUsage: what is missing or wrong is named.
func TestQuantizeUsage(t *testing.T) {
	dir, model, data := fixture(t, "20")
	out := filepath.Join(dir, "q.teff")
	misused(t, "-o OUT is missing", "quantize", model, "--calib", data)
	misused(t, "--calib PATH is missing", "quantize", model, "-o", out)
	misused(t, `method "median"`, "quantize", model, "--calib", data, "-o", out, "--method", "median")
	misused(t, "--max-drop and --data go together", "quantize", model, "--calib", data, "-o", out, "--max-drop", "1")
	m := object(t, "layers top1 top1_f32", "quantize", model, "--calib", data, "-o", out, "--data", data)
	require.NotContains(t, m, "float_layers")
	require.Equal(t, m["top1"], object(t, "top1", "eval", out, "--data", data)["top1"])
	require.NoError(t, os.Remove(out))
	misused(t, "--samples 0", "quantize", model, "--calib", data, "-o", out, "--samples", "0")
	misused(t, "--data PATH is missing", "compare", model, model)
	misused(t, "has 1 arguments", "compare", model, "--data", data)
	fails(t, "no such file", "quantize", model, "--calib", filepath.Join(dir, "none"), "-o", out)
	fails(t, "no such file", "compare", model, out, "--data", data)
	require.NoFileExists(t, out)
	ok(t, "quantize", model, "--calib", data, "-o", out)
	fails(t, "want an f32 model", "quantize", quantized(t, model, data, "--int8-io"), "--calib", data, "-o", out)
}

func quantized(t *testing.T, model, data string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "q.teff")
	ok(t, append([]string{"quantize", model, "--calib", data, "-o", out}, args...)...)
	return out
}

// TestQuantizeNew: a small network through every method, a plain folder and one
// image as samples, and both ends in int8.
func TestQuantizeNew(t *testing.T) {
	dir, model, data := fixture(t, "40")
	out := filepath.Join(dir, "q.teff")
	for _, args := range [][]string{
		nil, {"--method", "minmax"}, {"--method", "percentile"}, {"--method", "entropy"},
		{"--equalize"}, {"--no-bias-correction"}, {"--nearest"}, {"--no-balance"}, {"--int8-io"}, {"--whole"},
	} {
		r := object(t, "bytes_in bytes_out layers samples", append([]string{"quantize", model, "--calib", data, "--samples", "30", "-o", out}, args...)...)
		require.Less(t, r["bytes_out"], r["bytes_in"])
		require.Equal(t, 30.0, r["samples"])
		require.Contains(t, r["layers"].([]any)[0], "sqnr_db")
		require.Equal(t, 40.0, object(t, "n", "eval", out, "--data", data)["n"])
		require.Equal(t, true, object(t, "ok", "verify", out)["ok"])
		c := object(t, "n a b agreement", "compare", model, out, "--data", data, "--layers", "3")
		require.Greater(t, c["agreement"], 0.7, "%v", args)
	}
	images, err := filepath.Glob(filepath.Join(data, "*", "*"))
	require.NoError(t, err)
	require.Equal(t, 1.0, object(t, "samples", "quantize", model, "--calib", images[0], "-o", out)["samples"])
	require.Contains(t, ok(t, "quantize", model, "--calib", filepath.Dir(images[0]), "-o", out), "SQNR")
	require.Contains(t, ok(t, "compare", model, out, "--data", data), "the same answer")
}

// TestQuantizeAccuracy: real networks lose at most 0.3 points by 200 samples, also
// where these are other images, and lossy.
func TestQuantizeAccuracy(t *testing.T) {
	data := shared.Path(t, "datasets/cifar10-lossless")
	imagenet := []string{"--mean", ".485,.456,.406", "--std", ".229,.224,.225", "--scale", "0.00392156862745098"}
	for _, c := range []struct {
		model string
		calib string
		limit string
		flags []string
	}{
		{"real-onnx/resnet20/resnet20_bn.onnx", "cifar10-lossless", "1000", imagenet},
		{"real-onnx/resnet32/resnet32.onnx", "cifar10-lossless", "500", imagenet},
		{"mlperf-tiny/ic01/pretrainedResnet.tflite", "cifar10-lossless", "0", []string{"--scale", "1"}},
		{"mlperf-tiny/ic01/pretrainedResnet.tflite", "cifar10-jpeg/train", "0", []string{"--scale", "1"}},
		{"mlperf-tiny/ic01/pretrainedResnet.tflite", "cifar10-jpeg/test", "0", []string{"--scale", "1"}},
	} {
		model := shared.Path(t, "models", c.model)
		out := quantized(t, model, shared.Path(t, "datasets", c.calib), c.flags...)
		r := object(t, "n a b agreement layers", append([]string{"compare", model, out, "--data", data, "--limit", c.limit, "--exact"}, c.flags...)...)
		a, b := r["a"].(map[string]any), r["b"].(map[string]any)
		t.Logf("%s: top-1 %.4f -> %.4f, %.3f -> %.3f ms, %v bytes, agreement %.4f", c.model, a["top1"], b["top1"], a["median_ms"], b["median_ms"], b["bytes"], r["agreement"])
		require.GreaterOrEqual(t, b["top1"], a["top1"].(float64)-0.003, c.model)
		require.Greater(t, r["agreement"], 0.985, c.model)
		require.Less(t, b["bytes"], a["bytes"].(float64)/3.5, c.model)
	}
}

// TestMaxDrop: layers stay float until the accuracy is there.
func TestMaxDrop(t *testing.T) {
	data := shared.Path(t, "datasets/cifar10-lossless")
	model := shared.Path(t, "models/mlperf-tiny/ic01/pretrainedResnet.tflite")
	out := filepath.Join(t.TempDir(), "q.teff")
	// Few samples and a bad method, so that there is something to win back.
	r := object(t, "top1 top1_f32 bytes_out", "quantize", model, "--calib", data, "--samples", "20", "--method", "entropy",
		"--no-bias-correction", "--max-drop", "0", "--data", data, "--limit", "500", "-o", out, "--scale", "1")
	require.GreaterOrEqual(t, r["top1"], r["top1_f32"])
	require.NotEmpty(t, r["float_layers"])
	e := object(t, "top1", "eval", out, "--data", data, "--limit", "500")
	require.Equal(t, r["top1"], e["top1"])
}
