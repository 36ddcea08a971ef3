package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestNoInput: commands that want an image say so of a model without an input.
func TestNoInput(t *testing.T) {
	_, _, data := fixture(t, "10")
	b := graph.NewBuilder("constant")
	b.Output("y", b.Const("c", tensor.FromF32([]float32{1, 2}, 1, 2)))
	g, err := b.Build()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "constant.teff")
	require.NoError(t, format.WriteFile(path, g, nil))
	out := filepath.Join(t.TempDir(), "out.teff")
	for _, cmd := range [][]string{
		{"compare", path, path, "--data", data}, {"eval", path, "--data", data}, {"run", path, data},
		{"quantize", path, "--calib", data, "-o", out}, {"train", path, "--data", data, "-o", out},
	} {
		fails(t, "no input", cmd...)
	}
}
