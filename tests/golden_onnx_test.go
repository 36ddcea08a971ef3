package tests

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/tests/shared"
	"github.com/teff-ml/teff/tools/onnx"
)

// TestONNXGolden compares every ONNX model with the outputs that ONNX Runtime
// recorded: within 2e-5 of the largest output, the same five first.
func TestONNXGolden(t *testing.T) {
	root := shared.Path(t, "golden", "models")
	metas, err := filepath.Glob(filepath.Join(root, "*", "meta.json"))
	require.NoError(t, err)
	deeper, err := filepath.Glob(filepath.Join(root, "*", "*", "meta.json"))
	require.NoError(t, err)
	n := 0
	for _, meta := range append(metas, deeper...) {
		dir := filepath.Dir(meta)
		path := goldenModel(t, dir)
		if !strings.HasSuffix(path, ".onnx") {
			continue
		}
		n++
		name, _ := filepath.Rel(root, dir)
		t.Run(name, func(t *testing.T) {
			g, err := onnx.ImportFile(path)
			require.NoError(t, err)
			for _, i := range goldenInputs(t, dir) {
				in := readTensor(t, filepath.Join(dir, fmt.Sprintf("input_%d.npy", i)))
				want := readTensor(t, filepath.Join(dir, fmt.Sprintf("output_%d.npy", i)))
				got := runSession(t, g, in)[0]
				checkGolden(t, fmt.Sprintf("input %d", i), got, want, 2e-5)
				require.Equal(t, topIndices(want.F32(), 5), topIndices(got.F32(), 5), "input %d: the first five", i)
			}
		})
	}
	require.NotZero(t, n)
}

// topIndices are the places of the k largest numbers, largest first.
func topIndices(v []float32, k int) []int {
	idx := make([]int, len(v))
	for i := range idx {
		idx[i] = i
	}
	sort.SliceStable(idx, func(a, b int) bool { return v[idx[a]] > v[idx[b]] })
	return idx[:min(k, len(idx))]
}
