package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/npy"
)

// TestArchives: arrays of an .npz file go in and come out as .npy files do.
func TestArchives(t *testing.T) {
	dir, model, _ := fixture(t, "20")
	path := func(n string) string { return filepath.Join(dir, n) }
	var a npy.Archive
	for k, name := range []string{"few", "many"} {
		x := tensor.New(tensor.F32Spec(1+3*k, 28, 28, 1))
		for i := range x.F32() {
			x.F32()[i] = float32(i%7) / 7
		}
		require.NoError(t, a.Add(name, x))
		var b bytes.Buffer
		require.NoError(t, npy.Write(&b, x))
		require.NoError(t, os.WriteFile(path(name+".npy"), b.Bytes(), 0o644))
	}
	b, err := a.Bytes()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path("x.npz"), b, 0o644))

	ok(t, "run", model, path("x.npz:many"), path("few.npy"), "--out", path("y.npz"))
	ok(t, "run", model, path("many.npy"), path("few.npy"), "--out", path("y"))
	for _, run := range []string{"input_0", "input_1"} {
		want, err := npy.ReadFile(filepath.Join(path("y"), run, "output_0.npy"))
		require.NoError(t, err)
		got, err := npy.ReadFile(path("y.npz:" + run + "/output_0"))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	fails(t, "few, many", "run", model, path("x.npz"))
	fails(t, `no array "none"`, "run", model, path("x.npz:none"), "--out", path("z.npz"))
	require.NoFileExists(t, path("z.npz"))
	require.Equal(t, 4.0, object(t, "samples", "quantize", model, "--calib", path("x.npz:many"), "-o", path("q.teff"))["samples"])
}
