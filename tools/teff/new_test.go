package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/tools/arch"
	"github.com/teff-ml/teff/tools/weights/weightstest"
)

// TestNewFrom: a network with a file's weights, of which the last layer stays fresh for
// other classes; what is no such file, or one of another network, leaves nothing.
func TestNewFrom(t *testing.T) {
	dir := t.TempDir()
	g, err := arch.New("squeezenet", arch.Options{Seed: 5, Classes: 3})
	require.NoError(t, err)
	names, at := weightstest.State(t, g, func(layer string) string { return layer })
	file, out := filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "m.teff")
	require.NoError(t, os.WriteFile(file, weightstest.File(t, names, at), 0o644))

	require.Contains(t, ok(t, "new", "squeezenet", "--classes", "3", "--from", file, "-o", out), "minus [0.485 0.456 0.406]")
	f, err := format.Open(out)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, "model.safetensors", f.Metadata.Source)
	require.Equal(t, 256, f.Metadata.Preprocess.Resize)
	for i := range g.Len() {
		for j, p := range g.Node(graph.ID(i)).Params {
			require.Equal(t, p.Data, f.Graph.Node(graph.ID(i)).Params[j].Data, g.Node(graph.ID(i)).Name)
		}
	}

	back := filepath.Join(dir, "back.safetensors")
	object(t, "tensors_out bytes_out", "export", out, "-o", back)
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	got, err := os.ReadFile(back)
	require.NoError(t, err)
	require.True(t, string(want) == string(got), "the same weights under the same names")

	code, _, msg := call("new", "squeezenet", "--classes", "4", "--from", file, "-o", out)
	require.Equal(t, 0, code, msg)
	require.Contains(t, msg, "classifier.1 stays fresh")

	other := filepath.Join(dir, "other.teff")
	for from, want := range map[string]string{
		file: "model.safetensors: arch: resnet18: the file has no conv1.weight", out: "neither safetensors nor", filepath.Join(dir, "none"): "no such file",
	} {
		fails(t, want, "new", "resnet18", "--from", from, "-o", other)
		require.NoFileExists(t, other)
	}
}
