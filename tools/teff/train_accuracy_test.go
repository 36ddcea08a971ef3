package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tests/shared"
)

// TestHeadRecovers: a CIFAR network whose head was drawn anew is as good as it
// was, on images that its head never saw, within seconds.
func TestHeadRecovers(t *testing.T) {
	const cifar = "datasets/cifar10-lossless"
	out := filepath.Join(t.TempDir(), "tuned.teff")
	for _, model := range []string{"resnet20.onnx", "resnet20_bn.onnx"} {
		start := time.Now()
		m := object(t, "epochs remark", "train", shared.Path(t, "models/real-onnx/resnet20", model), "--data", shared.Path(t, cifar),
			"--what", "head", "--reset-head", "--val-split", "0.5", "-o", out)
		took := time.Since(start)
		require.Contains(t, m["remark"], "taking mean and deviation of ImageNet")
		require.InDelta(t, 1000, m["held_back"], 10)
		own := 0.997 // of the model as it is, on all 2000
		top1 := lastEpoch(m)["top1"].(float64)
		t.Logf("%s: %.2f %% in %v, held %v bytes", model, 100*top1, took, m["peak_bytes"])
		require.Greater(t, top1, 0.98*own)
		require.Less(t, m["peak_bytes"], 2e6)
		require.Less(t, took, 30*time.Second)
	}
}

func lastEpoch(m map[string]any) map[string]any {
	e := m["epochs"].([]any)
	return e[len(e)-1].(map[string]any)
}

// TestDogCat: five times four fifths of 200 photos, SqueezeNet's head, the
// command as it is.
func TestDogCat(t *testing.T) {
	if testing.Short() {
		t.Skip("computes the features of 200 photos, several views of each")
	}
	dir := t.TempDir()
	model, out := filepath.Join(dir, "squeezenet.teff"), filepath.Join(dir, "mine.teff")
	ok(t, "convert", shared.Path(t, "models/real-onnx/squeezenet1.1/squeezenet1.1.onnx"), "-o", model)
	photos := shared.Path(t, "datasets/dog-cat")
	m := object(t, "folds folds_top1 remark", "train", model, "--data", photos, "-o", out, "--folds", "5")
	t.Logf("%v: %.2f %%, held %v bytes", m["folds"], 100*m["folds_top1"].(float64), m["peak_bytes"])
	require.Len(t, m["folds"], 5)
	require.Greater(t, m["folds_top1"], 0.93)
	require.Less(t, m["peak_bytes"], 2e6)
	require.Equal(t, []any{"cat", "dog"}, m["classes"])
	require.Greater(t, object(t, "top1", "eval", out, "--data", photos)["top1"], 0.97)
}

// TestImprinting: four photos teach cats, dogs and hotdogs, to float networks
// and to integer ones.
func TestImprinting(t *testing.T) {
	from := shared.Path(t, "models/coral/imprinting")
	dir := t.TempDir()
	files, err := os.ReadDir(from)
	require.NoError(t, err)
	for _, f := range files {
		parts := strings.Split(f.Name(), "_") // class, set, number
		class := filepath.Join(dir, parts[1], parts[0])
		require.NoError(t, os.MkdirAll(class, 0o755))
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(class, f.Name()), b, 0o644))
	}
	for _, model := range []string{
		"real-onnx/squeezenet1.1/squeezenet1.1.onnx", "coral/mobilenet_v1_0.25_128_quant.tflite", "coral/mobilenet_v2_1.0_224_quant.tflite",
		"mobilenetv1-0.25-224/mobilenet_v1_0.25_224_1_default_1.tflite", "mobilenetv1-0.25-224/mobilenet_v1_0.25_224_quant.tflite",
	} {
		out := filepath.Join(dir, "tuned.teff")
		m := object(t, "epochs classes", "train", shared.Path(t, "models", model), "--data", filepath.Join(dir, "train"), "-o", out)
		require.Equal(t, []any{"cat", "dog", "hotdog"}, m["classes"])
		r := object(t, "top1 n", "eval", out, "--data", filepath.Join(dir, "test"))
		require.Equal(t, 3.0, r["n"])
		require.Equal(t, 1.0, r["top1"], model)
	}
}
