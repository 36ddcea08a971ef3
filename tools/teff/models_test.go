package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tests/shared"
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
