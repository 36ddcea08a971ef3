package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tests/shared"
)

// TestConvertSearchUsage: what does not go together is named.
func TestConvertSearchUsage(t *testing.T) {
	dir, model, data := fixture(t, "20")
	out := filepath.Join(dir, "small.teff")
	convert := func(args ...string) []string { return append([]string{"convert", model, "-o", out}, args...) }
	misused(t, "--max-drop and --data go together", convert("--weights", "auto", "--max-drop", "1")...)
	misused(t, "--max-drop and --data go together", convert("--weights", "auto", "--data", data)...)
	misused(t, `--max-drop is for --weights auto, not "f32"`, convert("--max-drop", "1", "--data", data)...)
	misused(t, "--max-drop -1: want points", convert("--weights", "auto", "--max-drop", "-1", "--data", data)...)
	misused(t, "--max-drop NaN: want points", convert("--weights", "auto", "--max-drop", "NaN", "--data", data)...)
	misused(t, "--samples is at least 1", convert("--weights", "auto", "--max-drop", "1", "--data", data, "--samples", "0")...)
	misused(t, "--limit is for --max-drop", convert("--weights", "auto", "--limit", "3")...)
	fails(t, "no such file", convert("--weights", "auto", "--max-drop", "1", "--data", filepath.Join(dir, "none"))...)
	int8In := quantized(t, model, data, "--int8-io")
	fails(t, "wants an f32 model", "convert", int8In, "-o", out, "--weights", "auto", "--max-drop", "1", "--data", data)
	require.NoFileExists(t, out)
}

// TestConvertSearch: a trained network in files that eval finds as good as
// convert said, much smaller where much may be lost.
func TestConvertSearch(t *testing.T) {
	dir, model, data := fixture(t, "300")
	tuned, out := filepath.Join(dir, "tuned.teff"), filepath.Join(dir, "small.teff")
	ok(t, "train", model, "--data", data, "-o", tuned, "--epochs", "3", "--lr", "0.1", "--batch", "16")
	was := object(t, "top1", "eval", tuned, "--data", data)["top1"].(float64)
	half := object(t, "bytes_out", "convert", tuned, "-o", out, "--weights", "f16+coded")["bytes_out"].(float64)
	var sizes []float64
	for _, drop := range []string{"0", "1", "10"} {
		r := object(t, "bytes_out top1 top1_was images samples layers max_drop", "convert", tuned, "-o", out,
			"--weights", "auto", "--max-drop", drop, "--data", data, "--samples", "50")
		require.Equal(t, was, r["top1_was"])
		require.Equal(t, 300.0, r["images"])
		require.Equal(t, 50.0, r["samples"])
		require.GreaterOrEqual(t, r["top1"], was-r["max_drop"].(float64)/100-1e-9)
		require.Equal(t, r["top1"], object(t, "top1", "eval", out, "--data", data)["top1"])
		require.Less(t, r["bytes_out"], half)
		require.Equal(t, true, object(t, "ok", "verify", out)["ok"])
		sizes = append(sizes, r["bytes_out"].(float64))
		t.Logf("drop %s: %v bytes for %v of weights, top-1 %v, was %v", drop, r["bytes_out"], r["weight_bytes_f32"], r["top1"], was)
	}
	// A point of so few images is luck, ten are not.
	require.Less(t, sizes[2], 0.8*sizes[0])
	require.Contains(t, ok(t, "convert", tuned, "-o", out, "--weights", "auto", "--max-drop", "5", "--data", data, "--limit", "50", "--samples", "20"), "on 50 images")
}

// TestConvertSizes: what real networks take in a file.
func TestConvertSizes(t *testing.T) {
	data := shared.Path(t, "datasets/cifar10-lossless")
	out := filepath.Join(t.TempDir(), "small.teff")
	convert := func(model string, args ...string) map[string]any {
		return object(t, "bytes_out weight_bytes_f32", append([]string{"convert", shared.Path(t, "models", model), "-o", out}, args...)...)
	}
	const resnet8, resnet20 = "mlperf-tiny/ic01/pretrainedResnet.tflite", "real-onnx/resnet20/resnet20.onnx"
	smaller := func(r map[string]any) float64 { return r["weight_bytes_f32"].(float64) / r["bytes_out"].(float64) }
	r := convert(resnet8)
	require.Less(t, r["bytes_out"].(float64)-r["weight_bytes_f32"].(float64), 10e3, "graph and metadata")
	require.LessOrEqual(t, convert("mlperf-tiny/ic01/pretrainedResnet_quant.tflite", "--weights", "exact")["bytes_out"], 80e3)
	for _, model := range []string{resnet8, resnet20, "real-onnx/resnet32/resnet32.onnx"} {
		require.Greater(t, smaller(convert(model, "--weights", "exact")), 1.17, model)
	}
	r = convert(resnet8, "--weights", "auto", "--max-drop", "0.5", "--data", data, "--scale", "1")
	t.Logf("ResNet-8: %v -> %v, %.2f times smaller", r["top1_was"], r["top1"], smaller(r))
	require.Greater(t, smaller(r), 6.0)
	require.GreaterOrEqual(t, object(t, "top1", "eval", out, "--data", data)["top1"], r["top1_was"].(float64)-0.005-1e-9)
}
