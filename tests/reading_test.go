package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadingOrder: the README leads a newcomer from bytes to multiply-add through these
// files, none of which is long.
func TestReadingOrder(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(b), "From bytes to multiply-add")
	require.True(t, ok)
	for _, path := range []string{
		"runtime/example_test.go", "runtime/model.go", "format/reader.go", "ops/graph/graph.go", "runtime/cpu.go", "ops/conv.go", "ops/internal/kern/gemm.go",
	} {
		_, rest, ok = strings.Cut(rest, "]("+path+")")
		require.True(t, ok, path)
		text, err := os.ReadFile(filepath.Join("..", path))
		require.NoError(t, err)
		require.Less(t, strings.Count(string(text), "\n"), 400, path)
	}
}
