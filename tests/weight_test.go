package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLibraryWeight builds the least program that opens and runs a .teff file
// (tests/minimal): at most 4 MB stripped, no external module beyond two, and
// nothing of training or of cryptography in it, which brings 33 MB of zeros.
func TestLibraryWeight(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	dir := t.TempDir()
	build := func(name string, flags ...string) string {
		out := filepath.Join(dir, name)
		cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-o", out}, flags...), "./minimal")...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		b, err := cmd.CombinedOutput()
		require.NoError(t, err, string(b))
		return out
	}
	st, err := os.Stat(build("stripped", "-ldflags=-s -w"))
	require.NoError(t, err)
	t.Logf("stripped: %d bytes", st.Size())
	require.LessOrEqual(t, st.Size(), int64(4_000_000))

	syms, err := exec.Command("go", "tool", "nm", build("symbols")).Output()
	require.NoError(t, err)
	for _, line := range strings.Split(string(syms), "\n") {
		if strings.Contains(line, "teff/ops.(*") && strings.HasSuffix(line, ").Backward") {
			t.Errorf("a program that only infers holds %s", line)
		}
		if strings.Contains(line, " crypto/") {
			t.Errorf("a program that only infers holds %s", line)
		}
	}
	mods, err := exec.Command("go", "version", "-m", filepath.Join(dir, "symbols")).Output()
	require.NoError(t, err)
	for _, line := range strings.Split(string(mods), "\n") {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == "dep" {
			require.Contains(t, external, f[1])
		}
	}
}

// TestCommandWithoutCUDA: the command of a default build holds no kernel of the
// CUDA backend, and no code that launches one.
func TestCommandWithoutCUDA(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	out := filepath.Join(t.TempDir(), "teff")
	cmd := exec.Command("go", "build", "-o", out, "../tools/teff")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	b, err := cmd.CombinedOutput()
	require.NoError(t, err, string(b))
	syms, err := exec.Command("go", "tool", "nm", out).Output()
	require.NoError(t, err)
	require.True(t, strings.Contains(string(syms), "teff/runtime.New"), "no symbols")
	for line := range strings.Lines(string(syms)) {
		if strings.Contains(line, "teff/accel/cuda.(*") || strings.Contains(line, "cuda/kernels.PTX") {
			t.Errorf("a default build holds %s", line)
		}
	}
}
