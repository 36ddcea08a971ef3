package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
)

// TestWhatTrains: each choice trains what it says, within what it says.
func TestWhatTrains(t *testing.T) {
	dir, fresh, data := fixture(t, "200")
	model, out := filepath.Join(dir, "trained.teff"), filepath.Join(dir, "out.teff")
	ok(t, "train", fresh, "--data", data, "-o", model, "--epochs", "20", "--batch", "16")
	run := func(args ...string) (trains []string, m map[string]any) {
		t.Helper()
		m = object(t, "epochs peak_bytes trains", append([]string{"train", model, "--data", data, "-o", out, "--epochs", "1"}, args...)...)
		for _, p := range m["trains"].([]any) {
			trains = append(trains, p.(string))
		}
		return trains, m
	}
	all, m := run("--what", "all")
	whole := m["peak_bytes"].(float64)
	head, m := run() // 200 images are few for a trained network
	require.Equal(t, []string{"fc.0", "fc.1"}, head)
	require.Less(t, m["peak_bytes"], whole/10)
	same, _ := run("--what", "head")
	require.Equal(t, head, same)
	one, _ := run("--what", "last:1")
	require.Equal(t, head, one)
	two, m := run("--what", "last:2")
	require.Greater(t, len(two), len(head))
	require.Less(t, len(two), len(all))
	require.Less(t, m["peak_bytes"], whole)
	for _, p := range two {
		require.True(t, strings.HasPrefix(p, "layer3.") || strings.HasPrefix(p, "fc."), p)
	}
	norms, _ := run("--what", "norms")
	require.Less(t, len(norms), len(all))
	for _, p := range norms {
		require.True(t, strings.Contains(p, "bn") || strings.Contains(p, "downsample.1") || strings.HasSuffix(p, ".1"), p)
	}
	fails(t, "the last 99 blocks", "train", model, "--data", data, "-o", out, "--what", "last:99")

	for _, budget := range []string{"200KB", "400KiB", "1MB"} {
		var size byteSize
		require.NoError(t, size.Set(budget))
		some, m := run("--budget", budget)
		require.LessOrEqual(t, m["peak_bytes"], float64(size), budget)
		require.NotEmpty(t, some)
		require.Greater(t, object(t, "top1", "eval", out, "--data", data)["top1"], 0.5)
	}
	fails(t, "the least plan holds", "train", model, "--data", data, "-o", out, "--budget", "1KB")
}

// TestTrainFlags: every other flag does something, or says that it cannot.
func TestTrainFlags(t *testing.T) {
	dir, model, data := fixture(t, "100")
	out := filepath.Join(dir, "out.teff")
	args := []string{"train", model, "--data", data, "-o", out, "--epochs", "2", "--batch", "8", "--threads", "1"}
	read := func() string {
		b, err := os.ReadFile(out)
		require.NoError(t, err)
		return string(b)
	}
	ok(t, args...)
	plain := read()
	seen := map[string]string{plain: "nothing"}
	for _, more := range []string{
		"--dropout 0.3", "--smoothing 0.1", "--class-weights balanced", "--class-weights 1,2,1,1,1,1,1,1,1,3", "--colour 0.4", "--erase 0.7", "--zoom 0.6",
		"--flip", "--shift 2", "--accumulate 3", "--grow 1", "--optimizer nesterov", "--optimizer adamw", "--optimizer adagrad", "--bn frozen", "--bn estimate",
		"--clip 0.5", "--warmup 10", "--schedule step", "--schedule constant", "--momentum 0.5", "--weight-decay 0.01", "--lr 0.01", "--seed 2", "--reset-head",
		"--val-split 0.3", "--epochs 1", "--exact", "--folds 2", "--fold",
	} {
		ok(t, append(args, strings.Fields(more)...)...)
		b := read()
		require.Empty(t, seen[b], "%s gives what %s gives", more, seen[b])
		seen[b] = more
		ok(t, append(args, strings.Fields(more)...)...)
		require.True(t, b == read(), "%s: twice the same is not the same", more)
	}
	f, err := format.Open(out) // the last was --fold
	require.NoError(t, err)
	defer f.Close()
	for i := range f.Graph.Len() {
		require.NotEqual(t, ops.KindBatchNorm, f.Graph.Node(graph.ID(i)).Op.Kind())
	}
	for want, more := range map[string]string{
		"--optimizer nesterov needs": "--optimizer nesterov --momentum 0", `--class-weights "x"`: "--class-weights x", "--folds goes without": "--folds 3 --val " + data,
		`--bn "maybe"`: "--bn maybe", `"12XB" is no number`: "--budget 12XB", "--what does not go with it": "--budget 1MB --what all", "--dropout is out": "--dropout 1",
		"--erase is out": "--erase 2", "last:N with N": "--what last:0",
	} {
		misused(t, want, append(args, strings.Fields(more)...)...)
	}
}

// TestReportAndLog: the report needs nothing else; the log is a JSON object a
// line, of this training alone: from its beginning where it was resumed, and of
// nothing before it. Training that comes to no epoch leaves a log as it was.
func TestReportAndLog(t *testing.T) {
	dir, model, data := fixture(t, "100")
	path := func(n string) string { return filepath.Join(dir, n) }
	require.NoError(t, os.WriteFile(path("log"), []byte("of another\n"), 0o644))
	train := []string{"train", model, "--data", data, "-o", path("out.teff"), "--batch", "8", "--report", path("r.html"), "--log", path("log"), "--checkpoint", path("ck")}
	fails(t, "diverged", append(train, "--epochs", "1", "--lr", "1e38", "--json")...)
	b, err := os.ReadFile(path("log"))
	require.NoError(t, err)
	require.Equal(t, "of another\n", string(b))
	ok(t, append(train, "--epochs", "2", "--schedule", "constant", "--resume")...) // the checkpoint is not there yet
	ok(t, append(train, "--epochs", "3", "--schedule", "constant", "--resume")...)
	b, err = os.ReadFile(path("log"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	require.Len(t, lines, 3)
	for i, l := range lines {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &m))
		require.Equal(t, float64(i+1), m["epoch"])
		for _, k := range []string{"loss", "top1", "train_top1", "rate", "ms_per_step", "seconds"} {
			require.Contains(t, m, k)
		}
	}
	b, err = os.ReadFile(path("r.html"))
	require.NoError(t, err)
	page := string(b)
	for _, want := range []string{"<!doctype html>", "<svg", "polyline", "Confusion", "Loss", "held", "</html>"} {
		require.Contains(t, page, want)
	}
	for _, not := range []string{"http:", "https:", "<script", "src=", "href="} {
		require.NotContains(t, page, not)
	}
}
