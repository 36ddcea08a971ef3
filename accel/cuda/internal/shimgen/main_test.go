package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommitted: the trampolines are what the header asks for.
func TestCommitted(t *testing.T) {
	root := filepath.Join("..", "..")
	src, err := os.ReadFile(filepath.Join(root, header))
	require.NoError(t, err)
	want, err := generate(string(src))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(root, output))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go run ./accel/cuda/internal/shimgen")
}

func TestGenerate(t *testing.T) {
	out, err := generate("/* PROTOTYPES */\n\nCUresult cuA(void);\nCUresult cuInit(unsigned int);\nCUresult cuB(int *, size_t); /* cuB_v2 */\n\n#endif\n")
	require.NoError(t, err)
	_, body, _ := strings.Cut(string(out), "teff_cuda_missing()\n")
	require.Equal(t, "\nCUresult cuA(void) {\n\tCALL(cuA, \"cuA\");\n}\n\nCUresult cuB(int *a0, size_t a1) {\n\tCALL(cuB, \"cuB_v2\", a0, a1);\n}\n", body)

	_, err = generate("CUresult cuA(void);\n")
	require.ErrorContains(t, err, "PROTOTYPES")
	_, err = generate("/* PROTOTYPES */\nint cuA(void);\n")
	require.ErrorContains(t, err, "cuA")
}
