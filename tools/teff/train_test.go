package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestResume: training in two halves gives the bits of training in one go.
func TestResume(t *testing.T) {
	dir, model, data := fixture(t, "60")
	path := func(n string) string { return filepath.Join(dir, n) }
	train := func(out, epochs string, more ...string) {
		ok(t, append([]string{"train", model, "--data", data, "-o", path(out), "--epochs", epochs, "--batch", "8", "--flip", "--shift", "1",
			"--schedule", "constant", "--threads", "2"}, more...)...)
	}
	train("straight.teff", "3")
	train("half.teff", "1", "--checkpoint", path("ck"))
	train("resumed.teff", "3", "--checkpoint", path("ck"), "--resume", "--report", path("r.html"), "--log", path("log"))
	a, err := os.ReadFile(path("straight.teff"))
	require.NoError(t, err)
	b, err := os.ReadFile(path("resumed.teff"))
	require.NoError(t, err)
	require.True(t, string(a) == string(b), "resumed training gives another file")
	half, err := os.ReadFile(path("half.teff"))
	require.NoError(t, err)
	require.False(t, string(a) == string(half), "two more epochs changed nothing")
	require.FileExists(t, path("r.html"))

	require.NoError(t, os.WriteFile(path("ck"), []byte("torn"), 0o644))
	fails(t, "checkpoint", "train", model, "--data", data, "-o", path("x.teff"), "--batch", "8", "--checkpoint", path("ck"), "--resume")
	require.NoFileExists(t, path("x.teff"))
}

// TestTrainLearns: the loss falls, and the file says its classes.
func TestTrainLearns(t *testing.T) {
	dir, model, data := fixture(t, "400")
	out := filepath.Join(dir, "out.teff")
	m := object(t, "epochs peak_bytes classes", "train", model, "--data", data, "-o", out, "--epochs", "4", "--lr", "0.1")
	e := m["epochs"].([]any)
	first, last := e[0].(map[string]any), e[len(e)-1].(map[string]any)
	require.Less(t, last["loss"], first["loss"])
	require.Len(t, m["classes"], 10)
	require.Greater(t, object(t, "top1", "eval", out, "--data", data)["top1"], 0.3)
}

// TestTrainBadData: what cannot be used is listed or an error; a file that was
// there stays as it was.
func TestTrainBadData(t *testing.T) {
	dir, model, data := fixture(t, "60")
	out := filepath.Join(dir, "out.teff")
	before := []byte("as it was")
	require.NoError(t, os.WriteFile(out, before, 0o644))
	untouched := func(want, data string, more ...string) {
		t.Helper()
		fails(t, want, append([]string{"train", model, "--data", data, "-o", out, "--epochs", "1"}, more...)...)
		b, err := os.ReadFile(out)
		require.NoError(t, err)
		require.Equal(t, before, b)
	}
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.Mkdir(empty, 0o755))
	untouched("empty", empty)
	require.NoError(t, os.Mkdir(filepath.Join(empty, "class"), 0o755))
	untouched("class", empty)
	image, err := os.ReadFile(expand(filepath.Join(data, "*", "*.png")))
	require.NoError(t, err)
	for _, n := range []string{"1.png", "2.png", "3.png"} {
		require.NoError(t, os.WriteFile(filepath.Join(empty, "class", n), image, 0o644))
	}
	untouched("two", empty)
	untouched("batch of 512", data, "--batch", "512")
	untouched("loss is", data, "--batch", "4", "--lr", "1e30", "--json") // without it what is trained was said before

	fails(t, "cannot be written", "train", model, "--data", data, "-o", filepath.Join(dir, "nowhere", "x.teff"))
	require.NoDirExists(t, filepath.Join(dir, "nowhere"))
	fails(t, "is a folder", "train", model, "--data", data, "-o", data)

	bad := filepath.Join(data, "3", "bad.png")
	require.NoError(t, os.WriteFile(bad, image[:len(image)/2], 0o644))
	m := object(t, "skipped", "train", model, "--data", data, "-o", out, "--epochs", "1", "--batch", "8")
	require.Len(t, m["skipped"], 1)
	require.Contains(t, m["skipped"].([]any)[0], "bad.png")
	m = object(t, "skipped n", "eval", out, "--data", data)
	require.Equal(t, 60.0, m["n"])
	require.Contains(t, m["skipped"].([]any)[0], "bad.png")
	fails(t, "bad.png", "eval", out, "--data", data, "--max-skipped", "0")
	fails(t, "bad.png", "train", model, "--data", data, "-o", out, "--max-skipped", "0")

	// Sets that do not go together.
	require.NoError(t, os.Rename(filepath.Join(data, "9"), filepath.Join(dir, "9")))
	nine := filepath.Join(dir, "ten")
	ok(t, "draw", nine, "-n", "20")
	fails(t, "--val has the classes", "train", model, "--data", data, "--val", nine, "-o", out)
	fails(t, "has the classes", "train", model, "--data", data, "--data", nine, "-o", out)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "not.zip"), nil, 0o644))
	fails(t, "not.zip", "train", model, "--data", filepath.Join(dir, "not.zip"), "-o", out)
	fails(t, "class weights", "train", model, "--data", nine, "-o", out, "--class-weights", "1,2")

	// A class of which nothing can be read.
	none := filepath.Join(dir, "none")
	for _, class := range []string{"a", "b"} {
		require.NoError(t, os.MkdirAll(filepath.Join(none, class), 0o755))
		for _, n := range []string{"1.png", "2.png", "3.png"} {
			require.NoError(t, os.WriteFile(filepath.Join(none, class, n), image[:len(image)/map[string]int{"a": 1, "b": 2}[class]], 0o644))
		}
	}
	fails(t, `class "b"`, "train", model, "--data", none, "-o", out)
}

// TestReadOnlyFolder: nothing is left behind where nothing can be written.
func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir, model, data := fixture(t, "40")
	closed := filepath.Join(dir, "closed")
	require.NoError(t, os.Mkdir(closed, 0o555))
	out := filepath.Join(closed, "x.teff")
	for _, args := range [][]string{
		{"new", "glyphnet"}, {"convert", model}, {"export", model}, {"train", model, "--data", data, "--batch", "4"},
	} {
		fails(t, "cannot be written", append(args, "-o", out)...)
	}
	left, err := os.ReadDir(closed)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestResumeOther: a checkpoint counts steps of one order through certain
// images: with another it would train on what was held back, so it is refused.
// More epochs or another rate are the user's to choose.
func TestResumeOther(t *testing.T) {
	dir, model, data := fixture(t, "60")
	_, _, others := fixture(t, "80")
	ck, out := filepath.Join(dir, "ck"), filepath.Join(dir, "out.teff")
	args := func(data, batch, epochs string, more ...string) []string {
		return append([]string{"train", model, "--data", data, "-o", out, "--epochs", epochs, "--batch", batch, "--checkpoint", ck}, more...)
	}
	ok(t, args(data, "8", "1")...)
	fails(t, "--batch other than 16", args(data, "16", "2", "--resume")...)
	fails(t, "--seed other than 2", args(data, "8", "2", "--resume", "--seed", "2")...)
	fails(t, "other images", args(others, "8", "2", "--resume")...)
	fails(t, "other images", args(data, "8", "2", "--resume", "--val-split", "0.2")...)
	said := ok(t, args(data, "8", "2", "--resume", "--lr", "0.01")...)
	require.Contains(t, said, "going on from "+ck+": epoch 2 of 2, step 1 of 6")
	require.NotContains(t, said, "epoch 1 of 2:")
	require.Contains(t, ok(t, args(data, "8", "2", "--resume")...), "nothing is left to train")
}

// TestTrainSays: what is trained on what, and how far it is, without a look at
// defaults.
func TestTrainSays(t *testing.T) {
	dir, model, data := fixture(t, "60")
	said := ok(t, "train", model, "--data", data, "-o", filepath.Join(dir, "out.teff"), "--epochs", "2", "--batch", "8", "--lr", "0.02", "--shift", "2")
	for _, want := range []string{
		"52 images of 10 classes (2 to 8 each) to learn from, 8 for validation\n", "sgd at 0.02, cosine; 2 epochs of 6 steps of 8; images moved by 2\n",
		"epoch 1 of 2: loss ", "rate 0.02, ", "epoch 2 of 2: loss ",
	} {
		require.Contains(t, said, want)
	}
}

// TestBest: the network that is written is the best epoch's, training ends when
// nothing better comes, and both survive an end in between.
func TestBest(t *testing.T) {
	dir, model, data := fixture(t, "200")
	path := func(n string) string { return filepath.Join(dir, n) }
	args := func(out, epochs string, more ...string) []string {
		return append([]string{"train", model, "--data", data, "--val", data, "-o", path(out), "--epochs", epochs, "--batch", "8", "--lr", "1",
			"--schedule", "constant", "--patience", "3", "--threads", "2"}, more...)
	}
	m := object(t, "epochs best_epoch best_top1", args("straight.teff", "12")...)
	epochs := m["epochs"].([]any)
	high, at, since := -1.0, 0, 0
	for i, e := range epochs {
		since++
		if v := e.(map[string]any)["top1"].(float64); v >= high {
			if v > high {
				since = 0
			}
			high, at = v, i+1
		}
		require.Equal(t, since >= 3 || i == 11, i == len(epochs)-1, "epoch %d", i+1)
	}
	require.Equal(t, []any{float64(at), high}, []any{m["best_epoch"], m["best_top1"]})
	require.InDelta(t, high, object(t, "top1", "eval", path("straight.teff"), "--data", data)["top1"], 1e-9)
	want, err := os.ReadFile(path("straight.teff"))
	require.NoError(t, err)

	for n := 1; n <= len(epochs); n++ { // in pieces of one epoch
		ok(t, args("pieces.teff", fmt.Sprint(n), "--checkpoint", path("ck"), "--resume")...)
	}
	got, err := os.ReadFile(path("pieces.teff"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the best epoch in pieces is another")
	if since >= 3 {
		require.Contains(t, ok(t, args("pieces.teff", "30", "--checkpoint", path("ck"), "--resume", "--report", path("r.html"))...), "without a better validation")
		got, err = os.ReadFile(path("pieces.teff"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "it went on where it had ended")
	}
	fails(t, "no images are held back", "train", model, "--data", data, "-o", path("x.teff"), "--best", "--val-split", "0")
}
