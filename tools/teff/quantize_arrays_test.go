package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/npy"
)

// TestQuantizeArrays: a network that sees no pictures is measured on arrays: in
// one file, in several, in a folder of them.
func TestQuantizeArrays(t *testing.T) {
	dir := t.TempDir()
	path := func(n ...string) string { return filepath.Join(append([]string{dir}, n...)...) }
	model := path("a.teff")
	ok(t, "new", "autoencoder", "-o", model)
	require.NoError(t, os.Mkdir(path("calib"), 0o755))
	rng := rand.New(rand.NewPCG(1, 2))
	write := func(name string, dims ...int) string {
		x := tensor.New(tensor.F32Spec(dims...))
		for i := range x.F32() {
			x.F32()[i] = rng.Float32()
		}
		var b bytes.Buffer
		require.NoError(t, npy.Write(&b, x))
		require.NoError(t, os.WriteFile(path("calib", name), b.Bytes(), 0o644))
		return path("calib", name)
	}
	rows, one := write("rows.npy", 6, 640), write("one.npy", 1, 640)
	for want, args := range map[float64][]string{7: {"--calib", path("calib")}, 6: {"--calib", rows}, 1: {"--calib", one}, 3: {"--calib", rows, "--calib", one, "--samples", "3"}} {
		require.Equal(t, want, object(t, "samples layers", append([]string{"quantize", model, "-o", path("q.teff")}, args...)...)["samples"])
	}
	require.Contains(t, ok(t, "run", path("q.teff"), rows), "row 5")
	fails(t, "640", "quantize", model, "--calib", write("bad.npy", 3, 64), "-o", path("x.teff"))
	images := path("images")
	ok(t, "draw", images, "-n", "20")
	fails(t, "which is none", "quantize", model, "--calib", rows, "--calib", images, "-o", path("x.teff"))
	fails(t, "which is no image", "quantize", model, "--calib", images, "-o", path("x.teff"))
}
