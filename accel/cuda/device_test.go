//go:build cuda

package cuda

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/graph/passes"
)

// TestDevice compares whatever the library in use calls its first device with
// the operators' definitions. On a machine with a GPU that is the GPU.
func TestDevice(t *testing.T) {
	b, err := Open()
	if err != nil {
		t.Skip(err)
	}
	t.Log(b.(*backend).drv.Name())
	for _, c := range cases() {
		same(t, b, c.graph(t), 3, 1e-5)
	}
	for name, size := range map[string]int{"resnet8": 16, "mobilenetv2": 32, "dscnn": 0} {
		g, err := passes.Infer(small(t, name, size))
		require.NoError(t, err)
		same(t, b, g, 1, 1e-4)
	}
	require.NoError(t, b.(*backend).Close())
}

// TestDeviceEmulated does it on the library that emulates the kernels, which is
// opened as the driver's would be. A library is opened once, while a program
// starts, so this program runs again.
func TestDeviceEmulated(t *testing.T) {
	lib := filepath.Join(t.TempDir(), "libcuda.so.1")
	out, err := exec.Command("sh", "fake/build.sh", lib).CombinedOutput()
	require.NoError(t, err, string(out))
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^TestDevice$", "-test.v")
	cmd.Env = append(os.Environ(), "TEFF_LIBCUDA="+lib)
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: TestDevice")
}
