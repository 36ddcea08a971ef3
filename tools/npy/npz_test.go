package npy

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/tensor"
)

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	x, y := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 2, 3), tensor.FromI64([]int64{7}, 1)
	write := func(name string, arrays map[string]tensor.Tensor, order ...string) string {
		var a Archive
		for _, k := range order {
			require.NoError(t, a.Add(k, arrays[k]))
		}
		b, err := a.Bytes()
		require.NoError(t, err)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b, 0o666))
		return path
	}
	all := map[string]tensor.Tensor{"x": x, "y": y, "in/z": x}
	one, two, none := write("one.npz", all, "x"), write("two.npz", all, "x", "y", "in/z"), write("none.npz", all)
	for path, want := range map[string]tensor.Tensor{one: x, one + ":x": x, two + ":x": x, two + ":y": y, two + ":in/z": x} {
		require.True(t, IsName(path))
		got, err := ReadFile(path)
		require.NoError(t, err, path)
		require.Equal(t, want.Spec, got.Spec)
		require.Equal(t, want.Data, got.Data)
	}
	for path, text := range map[string]string{
		two: "name one, as in " + two + ":x (there are x, y, in/z)", two + ":w": `no array "w": there are x, y, in/z`,
		none: "no array", filepath.Join(dir, "missing.npz"): "no such file",
	} {
		_, err := ReadFile(path)
		require.ErrorContains(t, err, text)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.npz"), []byte("no zip at all"), 0o666))
	_, err := ReadFile(filepath.Join(dir, "bad.npz"))
	require.ErrorIs(t, err, ErrFormat)
	require.False(t, IsName("a.npz.png"))
}

// TestDeflated is what numpy.savez_compressed writes, and what only says that it is small.
func TestDeflated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.npz")
	f, err := os.Create(path)
	require.NoError(t, err)
	z := zip.NewWriter(f)
	w, err := z.Create("a.npy")
	require.NoError(t, err)
	require.NoError(t, Write(w, tensor.New(tensor.F32Spec(100, 100))))
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
	x, err := ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, tensor.Of(100, 100), x.Shape)
}
