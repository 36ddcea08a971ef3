// Package fake builds a driver library without a device, for tests: it runs the
// kernels on the host and is stricter than a device. libcuda/fake.h says how,
// and what the environment makes it pretend. No program imports it.
package fake

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// ErrNoCompiler says that the machine has no C++ compiler to build the library
// with: a reason to skip a test.
var ErrNoCompiler = errors.New("no C++ compiler")

// Build compiles libcuda.so.1 into dir, from the sources beside this file, and
// gives its path.
func Build(dir string) (string, error) {
	cxx := os.Getenv("CXX")
	if cxx == "" {
		cxx = "g++"
	}
	if _, err := exec.LookPath(cxx); err != nil {
		return "", fmt.Errorf("fake: %w: %w", ErrNoCompiler, err)
	}
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("fake: the sources' folder is unknown")
	}
	lib, err := filepath.Abs(filepath.Join(dir, "libcuda.so.1"))
	if err != nil {
		return "", fmt.Errorf("fake: %w", err)
	}
	if out, err := exec.Command("sh", filepath.Join(filepath.Dir(here), "build.sh"), lib).CombinedOutput(); err != nil {
		return "", fmt.Errorf("fake: build.sh: %w\n%s", err, out)
	}
	return lib, nil
}
