package fake

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUse runs a program in C++ on the library: the default build needs no cgo.
func TestUse(t *testing.T) {
	dir := t.TempDir()
	lib, err := Library()
	if errors.Is(err, ErrNoCompiler) {
		t.Skip(err)
	}
	require.NoError(t, err)
	cxx := os.Getenv("CXX")
	if cxx == "" {
		cxx = "g++"
	}
	bin := filepath.Join(dir, "use")
	out, err := exec.Command(cxx, "-std=c++17", "-O1", "-pthread", "-o", bin, "testdata/use.cpp", lib).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, c := range []struct{ name, env, want string }{
		{"use", "TEFF_FAKE_MEMORY=65536", "ok\n"},
		{"none", "TEFF_FAKE_DEVICES=0", "ok\n"},
		{"beyond", "", "fake cuda: fill_f32: memory beside an allocation of 400 bytes was written\nok\n"},
		{"freed", "", "fake cuda: fill_f32: parameter 0 is no device memory\nok\n"},
		{"lost", "TEFF_FAKE_LOST=2", "ok\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(bin, c.name, "../kernels/f32.ptx")
			cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Dir(lib), c.env)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, c.want, string(out))
		})
	}
}
