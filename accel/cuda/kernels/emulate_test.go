package kernels

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// compiler is the C++ compiler, or the test is skipped.
func compiler(t *testing.T) {
	t.Helper()
	name := os.Getenv("CXX")
	if name == "" {
		name = "g++"
	}
	if _, err := exec.LookPath(name); err != nil {
		t.Skip("no C++ compiler to run the kernels on the host with: ", err)
	}
}

func check(t *testing.T, flags ...string) string {
	t.Helper()
	compiler(t)
	bin := filepath.Join(t.TempDir(), "check")
	out, err := exec.Command("sh", append([]string{"emulate/check/build.sh", bin}, flags...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	out, _ = exec.Command(bin).CombinedOutput()
	return string(out)
}

// TestKernels runs every kernel on the host and compares with plain loops.
func TestKernels(t *testing.T) {
	out := check(t)
	t.Log(out)
	require.Regexp(t, `\n\d{5,} checks, 0 failures\n$`, out)
}

// TestKernelsCaught: the checks see a kernel that lacks a barrier.
func TestKernelsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles everything a second time")
	}
	out := check(t, "-DTEFF_NO_BARRIERS")
	require.Regexp(t, `conv_f32: \d+ outputs`, out)
	require.NotContains(t, out, " 0 failures")
}

// TestEmulated: the host runs the kernels that the text names, and no other.
func TestEmulated(t *testing.T) {
	text, err := os.ReadFile("emulate/emulate.cpp")
	require.NoError(t, err)
	var names []string
	for _, m := range regexp.MustCompile(`ENTRY\((\w+), (?:true|false)\)`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	require.ElementsMatch(t, Names(), names, strings.Join(names, " "))
}
