package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/npy"
)

// TestClassify: the published classes and scores of a photo, and its label.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		model string
		class float64
		score float64
	}{
		{"mobilenet_v1_0.25_128_quant.tflite", 283, 0.36},
		{"mobilenet_v2_1.0_224_quant.tflite", 286, 0.7},
	} {
		r := object(t, "outputs", "run", shared.Path(t, "models/coral", c.model), shared.Path(t, "models/coral/cat.bmp"),
			"--labels", shared.Path(t, "models/coral/imagenet_labels.txt"), "--resize-mode", "bilinear-legacy")
		top := r["outputs"].([]any)[0].(map[string]any)["top"].([]any)[0].(map[string]any)
		require.Equal(t, c.class, top["class"], c.model)
		require.GreaterOrEqual(t, top["score"], c.score, c.model)
		require.Contains(t, top["label"], "cat", c.model)
	}
}

// TestAccuracy: accuracies that reference engines gave on the same images.
func TestAccuracy(t *testing.T) {
	const cifar, mnist = "datasets/cifar10-lossless", "datasets/mnist"
	imagenet := []string{"--mean", ".485,.456,.406", "--std", ".229,.224,.225", "--scale", "0.00392156862745098"}
	for _, c := range []struct {
		model, data string
		n           string // the first so many images; 0: all
		top1        float64
		flags       []string
	}{
		{"real-onnx/resnet20/resnet20.onnx", cifar, "1000", .999, imagenet},
		{"real-onnx/resnet20/resnet20_bn.onnx", cifar, "1000", .999, imagenet},
		{"real-onnx/resnet32/resnet32.onnx", cifar, "500", 1, imagenet},
		{"mlperf-tiny/ic01/pretrainedResnet.tflite", cifar, "0", (.929 + .925) / 2, []string{"--scale", "1"}},
		{"mlperf-tiny/ic01/pretrainedResnet_quant.tflite", cifar, "0", (.925 + .918) / 2, nil},
		{"mnist-onnx/model.onnx", mnist, "0", .9891, []string{"--scale", "1"}},
		{"tinymaix/mnist_resnet_f.tflite", mnist, "0", .9825, nil},
		{"tinymaix/mnist_resnet_q.tflite", mnist, "0", .9822, nil},
	} {
		r := object(t, "top1 top5 n", append([]string{"eval", shared.Path(t, "models", c.model), "--data", shared.Path(t, c.data), "--limit", c.n}, c.flags...)...)
		t.Log(c.model, r)
		require.InDelta(t, c.top1, r["top1"], 0.001, c.model)
	}
}

// TestAccuracyBF16: products of bfloat16 numbers change no accuracy by more than
// 0.2 points.
func TestAccuracyBF16(t *testing.T) {
	const cifar, mnist = "datasets/cifar10-lossless", "datasets/mnist"
	imagenet := []string{"--mean", ".485,.456,.406", "--std", ".229,.224,.225", "--scale", "0.00392156862745098"}
	for _, c := range []struct {
		model, data string
		flags       []string
	}{
		{"real-onnx/resnet20/resnet20.onnx", cifar, imagenet},
		{"real-onnx/resnet32/resnet32.onnx", cifar, imagenet},
		{"mlperf-tiny/ic01/pretrainedResnet.tflite", cifar, []string{"--scale", "1"}},
		{"mnist-onnx/model.onnx", mnist, []string{"--scale", "1"}},
		{"tinymaix/mnist_resnet_f.tflite", mnist, nil},
		{"tinymaix/cifar10_f.tflite", cifar, nil},
	} {
		eval := func(precision string) float64 {
			args := append([]string{"eval", shared.Path(t, "models", c.model), "--data", shared.Path(t, c.data), "--precision", precision}, c.flags...)
			return object(t, "top1", args...)["top1"].(float64)
		}
		f32, bf16 := eval("f32"), eval("bf16")
		t.Logf("%s: top-1 %.4f, in bf16 %.4f", c.model, f32, bf16)
		require.InDelta(t, f32, bf16, 0.002, c.model)
	}
}

// TestForeign: what is asked of an imported model is done, or named.
func TestForeign(t *testing.T) {
	resnet := shared.Path(t, "models/real-onnx/resnet20")
	four := filepath.Join(t.TempDir(), "four.teff")
	ok(t, "convert", filepath.Join(resnet, "resnet20.onnx"), "-o", four, "--batch", "4")
	in := object(t, "inputs", "inspect", four)["inputs"].([]any)[0].(map[string]any)
	require.Equal(t, []any{4.0, 3.0, 32.0, 32.0}, in["shape"])
	require.Contains(t, ok(t, "inspect", four), "a run")
	rows := object(t, "outputs", "run", four, filepath.Join(resnet, "input.npy"), "--top", "1")["outputs"].([]any)
	require.Len(t, rows, 4)
	want, err := npy.ReadFile(filepath.Join(resnet, "logits.npy"))
	require.NoError(t, err)
	for i, r := range rows {
		top := r.(map[string]any)["top"].([]any)[0].(map[string]any)
		class := best(want.F32()[10*i:10*i+10], nil, 1)[0]
		require.Equal(t, float64(class.Class), top["class"])
		require.InDelta(t, float32(class.Score), top["score"], 1e-3)
	}
	fails(t, "fixed batch", "bench", four, "--batch", "2")
	fails(t, "batch is fixed", "convert", four, "-o", four+"2", "--batch", "2")

	fails(t, `"nope"`, "inspect", filepath.Join(resnet, "resnet20.onnx"), "--shape", "nope=1,2")
	tfl := shared.Path(t, "models/tinymaix/mnist_resnet_q.tflite")
	fails(t, `"nope"`, "inspect", tfl, "--shape", "nope=1,2")
	require.Contains(t, ok(t, "inspect", tfl), "igemm")

	training := shared.Path(t, "conformance/onnx/node/test_adagrad_multiple/model.onnx")
	fails(t, "Adagrad", "convert", training, "-o", four+"2")
	fails(t, "double", "convert", shared.Path(t, "conformance/onnx/node/test_max_float64/model.onnx"), "-o", four+"2")
	require.NoFileExists(t, four+"2")
}
