package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEvalDetails: how each class fared, which images are wrong, and a word
// where a class's number is a guess.
func TestEvalDetails(t *testing.T) {
	dir, model, data := fixture(t, "60")
	m := object(t, "n top1 classes wrong", "eval", model, "--data", data, "--wrong")
	right, n, wrong := 0.0, 0.0, m["wrong"].([]any)
	for _, c := range m["classes"].([]any) {
		c := c.(map[string]any)
		right, n = right+c["right"].(float64), n+c["n"].(float64)
	}
	require.Len(t, m["classes"], 10)
	require.Equal(t, 60.0, n)
	require.InDelta(t, m["top1"], right/n, 1e-9)
	require.Len(t, wrong, int(n-right))
	for _, w := range wrong {
		w := w.(map[string]any)
		require.FileExists(t, w["file"].(string))
		require.Equal(t, w["class"], filepath.Base(filepath.Dir(w["file"].(string))))
		require.NotEqual(t, w["class"], w["answer"])
	}
	said := ok(t, "eval", model, "--data", data, "--wrong")
	require.Contains(t, said, "top-5")
	require.Contains(t, said, " taken for ")
	require.Equal(t, len(wrong), strings.Count(said, "\nwrong "))
	require.NotContains(t, said, "in order")

	for from, to := range map[string]string{"0": "heron", "1": "egret"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "birds"), 0o755))
		require.NoError(t, os.Rename(filepath.Join(data, from), filepath.Join(dir, "birds", to)))
	}
	said = ok(t, "eval", model, "--data", filepath.Join(dir, "birds"))
	require.NotContains(t, said, "top-5")
	require.Contains(t, said, "taken in order, egret as 0")
	tuned := filepath.Join(dir, "birds.teff")
	ok(t, "train", model, "--data", filepath.Join(dir, "birds"), "-o", tuned, "--epochs", "1", "--batch", "4")
	require.Contains(t, said, "0 to 1 was taken")
	for _, guess := range []string{"in order", "was taken;"} {
		require.NotContains(t, ok(t, "eval", tuned, "--data", filepath.Join(dir, "birds")), guess)
	}
	require.NotContains(t, ok(t, "eval", model, "--data", data, "--scale", "0.01"), "0 to 1 was taken")
}
