package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/runtime/tune"
)

// TestTune: choices are written beside the model, used where they are for this
// model and machine, left alone with a note where they are not, and refused
// where they are no choices.
func TestTune(t *testing.T) {
	_, model, data := fixture(t, "10")
	images, err := filepath.Glob(filepath.Join(data, "*", "*.png"))
	require.NoError(t, err)
	plain := ok(t, "run", model, images[0], "--threads", "1")
	object(t, "file entries", "tune", model, "--threads", "1")
	path := tunePath(model)
	f, err := readTune(path)
	require.NoError(t, err)
	require.Len(t, f.Entries, 1)

	// A choice that shows, whatever was the fastest here.
	layers := ok(t, "bench", model, "--runs", "2", "--layers", "--untuned")
	require.NotContains(t, layers, "3-tiles")
	m, err := (&loader{}).load(model)
	require.NoError(t, err)
	defer m.close()
	e := f.Entries[0]
	e.Nodes = map[string]ops.Choice{}
	for i := range m.graph.Len() {
		e.Nodes[m.graph.Node(graph.ID(i)).Name] = ops.Choice{Winograd: 2, Tiles: 3}
	}
	f.Set(&e)
	b, err := f.Encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	require.Contains(t, ok(t, "bench", model, "--runs", "2", "--layers"), "3-tiles")
	require.NotContains(t, ok(t, "bench", model, "--runs", "2", "--layers", "--exact"), "winograd")
	require.NotContains(t, ok(t, "bench", model, "--runs", "2", "--layers", "--untuned"), "3-tiles")
	require.Equal(t, strings.Fields(plain)[:4], strings.Fields(ok(t, "run", model, images[0], "--threads", "1"))[:4])
	require.Equal(t, plain, ok(t, "run", model, images[0], "--threads", "1", "--untuned"))

	// Another model of that name.
	other := filepath.Join(t.TempDir(), "other.teff")
	ok(t, "new", "resnet8", "-o", other)
	require.NoError(t, os.WriteFile(tunePath(other), b, 0o600))
	code, _, msg := call("bench", other, "--runs", "2")
	require.Zero(t, code)
	require.Contains(t, msg, "not used")
	require.Equal(t, 1, strings.Count(msg, "\n"))
	ok(t, "bench", other, "--runs", "2", "--untuned")

	for _, junk := range []string{"", "{", `{"version":9}`, strings.Repeat("x", tune.MaxBytes+1)} {
		require.NoError(t, os.WriteFile(path, []byte(junk), 0o600))
		fails(t, path, "run", model, images[0])
		fails(t, path, "bench", model, "--runs", "2")
		fails(t, path, "tune", model, "--threads", "1")
	}
	require.NoError(t, os.Remove(path))
	misused(t, "--precision", "tune", model, "--precision", "f64")
	misused(t, "--batch", "tune", model, "--batch", "0")
	fails(t, "cannot be written", "tune", model, "-o", filepath.Join(data, "none", "x"))
}
