//go:build unix

package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/npy"
)

// TestRunMany: folders stand for their images, results come one by one in the
// form asked for, and what cannot be read stops nothing but the good exit
// status.
func TestRunMany(t *testing.T) {
	dir, model, data := fixture(t, "20")
	n := len(strings.Split(strings.TrimSpace(ok(t, "run", model, data, "--format", "jsonl", "--top", "1")), "\n"))
	require.Equal(t, 20, n)
	images, err := filepath.Glob(filepath.Join(data, "*", "*.png"))
	require.NoError(t, err)
	one, other := images[0], images[1]

	rows, err := csv.NewReader(strings.NewReader(ok(t, "run", model, one, other, "--format", "csv", "--top", "3"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 7)
	require.Equal(t, []string{"input", "output", "row", "rank", "class", "label", "score"}, rows[0])
	require.Equal(t, []string{filepath.Base(one), "probabilities", "0", "1"}, rows[1][:4])
	require.Equal(t, []string{filepath.Base(other), "probabilities", "0", "3"}, rows[6][:4])

	// Two of one name are told apart.
	copied := filepath.Join(dir, "more pictures", filepath.Base(one))
	require.NoError(t, os.Mkdir(filepath.Dir(copied), 0o755))
	b, err := os.ReadFile(one)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, b, 0o644))
	said := ok(t, "run", model, one, filepath.Dir(copied), "--top", "1")
	require.Contains(t, said, one+": ")
	require.Contains(t, said, copied+": ")

	torn := filepath.Join(dir, "torn.png")
	require.NoError(t, os.WriteFile(torn, b[:len(b)/2], 0o644))
	code, out, msg := call("run", model, one, torn, other, filepath.Join(dir, "gone.png"), "--format", "jsonl")
	require.Equal(t, 1, code)
	require.Contains(t, msg, "2 of 4 inputs could not be read, the first: "+torn)
	require.Equal(t, 1, strings.Count(msg, "\n"))
	require.Equal(t, 2, strings.Count(out, "\n"))
	code, out, _ = call("run", model, torn, other, "--json")
	require.Equal(t, 1, code)
	var all struct {
		Outputs []map[string]any
		Failed  []string
	}
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Len(t, all.Outputs, 1)
	require.Len(t, all.Failed, 1)
	fails(t, torn, "run", model, torn, "--json")
	fails(t, "no images in this folder", "run", model, t.TempDir())
	misused(t, "the standard input but once", "run", model, "-", "-")
}

// TestRunRows: an array of several rows gives a result for each, whatever the
// arrays before it held.
func TestRunRows(t *testing.T) {
	dir, model, _ := fixture(t, "20")
	args := []string{"run", model, "--top", "1"}
	for _, rows := range []int{3, 1, 2} {
		var b bytes.Buffer
		require.NoError(t, npy.Write(&b, tensor.New(tensor.F32Spec(rows, 28, 28, 1))))
		args = append(args, filepath.Join(dir, fmt.Sprint(rows, ".npy")))
		require.NoError(t, os.WriteFile(args[len(args)-1], b.Bytes(), 0o644))
	}
	said := ok(t, args...)
	for _, want := range []string{"3.npy, row 0: ", "3.npy, row 2: ", "1.npy: ", "2.npy, row 1: "} {
		require.Contains(t, said, want)
	}
	require.Len(t, object(t, "outputs", args...)["outputs"], 6)
}

// TestRunStdin: - is the standard input, an image or an array.
func TestRunStdin(t *testing.T) {
	dir, model, data := fixture(t, "20")
	images, err := filepath.Glob(filepath.Join(data, "*", "*.png"))
	require.NoError(t, err)
	array := filepath.Join(dir, "x.npy")
	var held bytes.Buffer
	require.NoError(t, npy.Write(&held, tensor.New(tensor.F32Spec(1, 28, 28, 1))))
	require.NoError(t, os.WriteFile(array, held.Bytes(), 0o644))
	self, err := os.Executable()
	require.NoError(t, err)
	for _, path := range []string{images[0], array} {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		want := ok(t, "run", model, path)
		c := exec.Command(self)
		c.Env = append(os.Environ(), "TEFF_TEST_ARGS="+strings.Join([]string{"run", model, "-"}, "\n"))
		c.Stdin = bytes.NewReader(b)
		got, err := c.Output()
		require.NoError(t, err)
		require.Equal(t, strings.Replace(want, filepath.Base(path)+":", "-:", 1), string(got))
	}
}

// TestExportKeeps: labels and how pixels are scaled go to ONNX and come back;
// without them the network would be fed wrongly, and nothing would say so.
func TestExportKeeps(t *testing.T) {
	dir, model, data := fixture(t, "60")
	path := func(n string) string { return filepath.Join(dir, n) }
	ok(t, "convert", model, "-o", path("a.teff"), "--mean", "100", "--std", "50")
	ok(t, "train", path("a.teff"), "--data", data, "-o", path("b.teff"), "--epochs", "2", "--batch", "8")
	ok(t, "export", path("b.teff"), "-o", path("b.onnx"))
	ok(t, "convert", path("b.onnx"), "-o", path("c.teff"))
	said := ok(t, "inspect", path("b.onnx"))
	require.Contains(t, said, "images  stretched to 28 x 28, antialias; gray, nhwc; minus [100]; divided by [50]\n")
	require.Contains(t, said, "classes 10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\n")
	object(t, "labels preprocess", "inspect", path("c.teff"))
	image, err := filepath.Glob(filepath.Join(data, "3", "*.png"))
	require.NoError(t, err)
	want := strings.Fields(ok(t, "run", path("b.teff"), image[0]))
	require.Contains(t, want, "3")
	for _, m := range []string{"b.onnx", "c.teff"} {
		require.Equal(t, want, strings.Fields(ok(t, "run", path(m), image[0])), m)
	}
	// A file of ONNX without it takes what is usual, as before.
	ok(t, "export", model, "-o", path("plain.onnx"))
	require.Equal(t, ok(t, "run", model, image[0]), ok(t, "run", path("plain.onnx"), image[0]))
}
