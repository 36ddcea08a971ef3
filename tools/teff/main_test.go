package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/npy"
)

// call runs a command in this process.
func call(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = Main(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

// ok runs a command that must succeed and say nothing on stderr.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	code, out, msg := call(args...)
	require.Equal(t, 0, code, "teff %v: %s", args, msg)
	require.Empty(t, msg, "teff %v", args)
	return out
}

// object runs a command with --json: one JSON object, nothing else, with these
// keys.
func object(t *testing.T, keys string, args ...string) map[string]any {
	t.Helper()
	out := ok(t, append(args, "--json")...)
	d := json.NewDecoder(strings.NewReader(out))
	m := map[string]any{}
	require.NoError(t, d.Decode(&m), out)
	require.False(t, d.More(), "teff %v prints more than an object: %s", args, out)
	for _, k := range strings.Fields(keys) {
		require.Contains(t, m, k, "teff %v", args)
	}
	return m
}

// fails runs a command that must exit with 1 and exactly one line that holds
// want.
func fails(t *testing.T, want string, args ...string) {
	t.Helper()
	code, out, msg := call(args...)
	require.Equal(t, 1, code, "teff %v: %s", args, msg)
	require.Empty(t, out, "teff %v", args)
	require.Equal(t, 1, strings.Count(msg, "\n"), "teff %v: %s", args, msg)
	require.Contains(t, msg, want, "teff %v", args)
	require.True(t, strings.HasPrefix(msg, "teff "+args[0]+": "), msg)
}

// misused runs a command that must exit with 2.
func misused(t *testing.T, want string, args ...string) {
	t.Helper()
	code, out, msg := call(args...)
	require.Equal(t, 2, code, "teff %v: %s", args, msg)
	require.Empty(t, out, "teff %v", args)
	require.Contains(t, msg, want, "teff %v", args)
}

// fixture is a new network and drawn images.
func fixture(t *testing.T, images string) (dir, model, data string) {
	t.Helper()
	dir = t.TempDir()
	model, data = filepath.Join(dir, "new.teff"), filepath.Join(dir, "data")
	ok(t, "new", "glyphnet", "-o", model)
	ok(t, "draw", data, "-n", images)
	return dir, model, data
}

// TestUsage: wrong usage is exit status 2, and nothing is written.
func TestUsage(t *testing.T) {
	dir, model, data := fixture(t, "20")
	out := filepath.Join(dir, "out.teff")
	for want, args := range map[string][]string{
		`no command "fly"`:         {"fly"},
		"has 0 arguments":          {"convert"},
		"has 2 arguments":          {"inspect", model, model},
		"-o OUT is missing":        {"convert", model},
		"-o OUT.onnx is missing":   {"export", model},
		"--data PATH is missing":   {"eval", model},
		"-colour":                  {"inspect", model, "--colour"},
		`--weights "int9"`:         {"convert", model, "-o", out, "--weights", "int9"},
		`--shape "x"`:              {"inspect", model, "--shape", "x"},
		`"0" is no size`:           {"inspect", model, "--shape", "x=1,0"},
		`--precision "f8"`:         {"bench", model, "--precision", "f8"},
		"the CPU has f32 and bf16": {"run", model, data, "--precision", "f16"},
		`--device "tpu"`:           {"run", model, data, "--device", "tpu"},
		"--top and --threads":      {"run", model, data, "--top", "-1"},
		"--batch is at least 1":    {"eval", model, "--data", data, "--batch", "-3"},
		"--epochs, --batch":        {"train", model, "--data", data, "-o", out, "--epochs", "0"},
		"--lr, --momentum":         {"train", model, "--data", data, "-o", out, "--lr", "NaN"},
		"--weight-decay":           {"train", model, "--data", data, "-o", out, "--lr", "Inf"},
		"all are 0":                {"train", model, "--data", data, "-o", out, "--class-weights", "0,0"},
		`--what "tail"`:            {"train", model, "--data", data, "-o", out, "--what", "tail"},
		`--optimizer "lion"`:       {"train", model, "--data", data, "-o", out, "--batch", "4", "--optimizer", "lion"},
		"--resume needs":           {"train", model, "--data", data, "-o", out, "--resume"},
		"--batch -3":               {"convert", model, "-o", out, "--batch", "-3"},
		"nearest, bilinear":        {"convert", model, "-o", out, "--resize-mode", "cubic"},
		"want rgb":                 {"run", model, data, "--order", "cmy"},
		`"nan" is no number`:       {"run", model, data, "--scale", "nan"},
		"--max-drop NaN":           {"quantize", model, "--calib", data, "-o", out, "--data", data, "--max-drop", "NaN"},
		"--threads and --limit":    {"quantize", model, "--calib", data, "-o", out, "--threads", "-1"},
		"--limit, --threads":       {"compare", model, model, "--data", data, "--layers", "-1"},
		"--width is not for":       {"new", "resnet8", "-o", out, "--width", "2"},
		`no architecture "lenet"`:  {"new", "lenet", "-o", out},
		`no command "soar"`:        {"help", "soar"},
		"teff export writes .onnx": {"convert", model, "-o", filepath.Join(dir, "m.onnx")},
		"a .teff file is written":  {"train", model, "--data", data, "-o", filepath.Join(dir, "m.pth")},
		".onnx and .safetensors":   {"export", model, "-o", model},
		"-n 0":                     {"draw", filepath.Join(dir, "none"), "-n", "0"},
	} {
		misused(t, want, args...)
	}
	require.NoFileExists(t, out)
	code, text, _ := call("help")
	require.Equal(t, 0, code)
	for _, c := range commands() {
		require.Contains(t, text, "teff "+c.name)
		code, text, msg := call(c.name, "-h")
		require.Equal(t, 0, code, c.name)
		require.Empty(t, msg, c.name)
		require.Contains(t, text, "usage: teff "+c.name)
		_, same, _ := call("help", c.name)
		require.Equal(t, text, same)
	}
	code, _, _ = call()
	require.Equal(t, 2, code)
}

// TestFailures: exit status 1, one line that says what is wrong with what.
func TestFailures(t *testing.T) {
	dir, model, data := fixture(t, "20")
	in := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, b, 0o644))
		return p
	}
	whole, err := os.ReadFile(model)
	require.NoError(t, err)
	empty, text := in("empty", nil), in("text.onnx", []byte("no model at all, just words"))
	cut, broken := in("cut.teff", whole[:len(whole)/2]), bytes.Clone(whole)
	broken[len(broken)/2] ^= 1
	flipped, tfl := in("flipped.teff", broken), in("cut.tflite", []byte("\x1c\x00\x00\x00TFL3garbage"))
	missing, out := filepath.Join(dir, "missing.teff"), filepath.Join(dir, "out.teff")
	image := filepath.Join(dir, "x.npy")
	var b strings.Builder
	require.NoError(t, npy.Write(&b, tensor.New(tensor.F32Spec(1, 5, 5, 1))))
	require.NoError(t, os.WriteFile(image, []byte(b.String()), 0o644))
	for _, cmd := range [][]string{
		{"convert", "", "-o", out}, {"inspect", ""}, {"run", "", image}, {"bench", ""}, {"eval", "", "--data", data},
		{"train", "", "--data", data, "-o", out}, {"export", "", "-o", out + ".onnx"}, {"verify", ""},
	} {
		for _, bad := range []string{missing, empty, text, cut, tfl, dir} {
			cmd[1] = bad
			fails(t, filepath.Base(bad), cmd...)
		}
	}
	require.NoFileExists(t, out)
	fails(t, "checksum", "verify", flipped)
	fails(t, "[1x5x5x1]", "run", model, image)
	fails(t, "missing.png", "run", model, filepath.Join(dir, "missing.png"))
	fails(t, "empty", "run", model, image, "--labels", empty)
	fails(t, "missing", "eval", model, "--data", missing)
	fails(t, "shape", "inspect", model, "--shape", "input=1,2,3")
	fails(t, "out of range", "new", "resnet8", "-o", out, "--classes", "-4")
	fails(t, "1 channels", "convert", model, "-o", out, "--order", "bgr")
	fails(t, "mean and std", "convert", model, "-o", out, "--mean", "1,2")
	fails(t, "std is 0", "convert", model, "-o", out, "--std", "0")
	fails(t, "resize to -1", "convert", model, "-o", out, "--resize", "-1")
	require.NoFileExists(t, out)
	fails(t, "no images", "quantize", model, "--calib", t.TempDir(), "-o", out)
	fails(t, "words: no .teff or .tflite file", "inspect", in("words", []byte("just words")))
	fails(t, "dimension 0", "bench", model, "--batch", "3000000000")
	if goruntime.GOOS == "linux" {
		fails(t, "this process can have", "bench", model, "--batch", "1000000000")
	}
	fails(t, filepath.Join(text, "x.teff"), "new", "resnet8", "-o", filepath.Join(text, "x.teff"))
	small := filepath.Join(dir, "three.teff")
	ok(t, "new", "glyphnet", "-o", small, "--classes", "3")
	fails(t, "3 scores", "eval", small, "--data", data)
}

// TestJSON: every command's object has the keys that scripts rely on.
func TestJSON(t *testing.T) {
	dir, model, data := fixture(t, "40")
	path := func(n string) string { return filepath.Join(dir, n) }
	const inspect = "inputs outputs params macs arena_bytes peak_bytes weight_bytes layers"
	object(t, inspect, "new", "dscnn", "-o", path("dscnn.teff"))
	object(t, inspect, "inspect", model)
	object(t, "median_ms min_ms p90_ms allocs_per_run arena_bytes load_ms rss_bytes gflops ceiling_gflops device precision", "bench", model, "--runs", "3")
	object(t, "nodes_out bytes_out", "export", model, "-o", path("m.onnx"))
	object(t, inspect, "inspect", path("m.onnx"))
	object(t, "top1 top5 n", "eval", path("m.onnx"), "--data", data)
	m := object(t, "epochs peak_bytes", "train", model, "--data", data, "-o", path("t.teff"), "--epochs", "1", "--batch", "8")
	for _, k := range []string{"loss", "top1", "ms_per_step"} {
		require.Contains(t, m["epochs"].([]any)[0], k)
	}
	for _, w := range []string{"f32", "f16", "bf16", "int8", "int6", "int4", "zstd", "f16+zstd", "auto"} {
		out := path("w.teff")
		object(t, "nodes_in nodes_out bytes_in bytes_out weight_bytes_f32", "convert", path("t.teff"), "-o", out, "--weights", w)
		require.Equal(t, true, object(t, "ok sections", "verify", out)["ok"], w)
		require.Equal(t, 40.0, object(t, "top1 top5 n", "eval", out, "--data", data)["n"], w)
	}
}

// TestRun: labels name classes, --out writes what the model gave.
func TestRun(t *testing.T) {
	dir, model, data := fixture(t, "10")
	labels := filepath.Join(dir, "labels.txt")
	require.NoError(t, os.WriteFile(labels, []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"), 0o644))
	image := expand(filepath.Join(data, "*", "*.png"))
	r := object(t, "outputs", "run", model, image, "--labels", labels, "--top", "10", "--out", filepath.Join(dir, "out"))
	o := r["outputs"].([]any)[0].(map[string]any)
	top := o["top"].([]any)
	require.Len(t, top, 10)
	x, err := npy.ReadFile(filepath.Join(dir, "out", "output_0.npy"))
	require.NoError(t, err)
	require.Equal(t, []int{1, 10}, x.Shape.Dims())
	for _, c := range top {
		c := c.(map[string]any)
		class := int(c["class"].(float64))
		require.Equal(t, string(rune('a'+class)), c["label"])
		require.Equal(t, x.F32()[class], float32(c["score"].(float64)))
	}
}
