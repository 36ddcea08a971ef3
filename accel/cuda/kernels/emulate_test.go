package kernels

import (
	"os"
	"os/exec"
	"path/filepath"
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

func build(t *testing.T) string {
	t.Helper()
	compiler(t)
	bin := filepath.Join(t.TempDir(), "check")
	out, err := exec.Command("sh", "emulate/check/build.sh", bin).CombinedOutput()
	require.NoError(t, err, string(out))
	return bin
}

// TestKernels runs every kernel on the host and compares with plain loops. The host
// runs the kernels that the texts name, and no other. The checks see kernels that
// lack a barrier, and those that do not wait for their copies.
func TestKernels(t *testing.T) {
	bin := build(t)
	run := func(how string) string {
		out, _ := exec.Command(bin, how).CombinedOutput()
		return string(out)
	}
	require.ElementsMatch(t, Names(), strings.Fields(run("names")))
	// All at once: they are processes.
	outs := map[string]chan string{"": make(chan string, 1)}
	if !testing.Short() {
		outs["no-barriers"], outs["no-waits"] = make(chan string, 1), make(chan string, 1)
	}
	for how, c := range outs {
		go func() { c <- run(how) }()
	}
	out := <-outs[""]
	t.Log(out)
	require.Regexp(t, `\n\d{5,} checks, 0 failures\n$`, out)
	if testing.Short() {
		return
	}
	out = <-outs["no-barriers"]
	for _, k := range []string{"conv_f32", "matmul_f32", "conv_f16_64", "conv_f16_128"} {
		require.Regexp(t, k+`: \d+ outputs`, out)
	}
	require.NotContains(t, out, " 0 failures")
	out = <-outs["no-waits"]
	for _, k := range []string{"conv_f16_64", "conv_f16_128", "conv_tf32_128"} {
		require.Regexp(t, k+`: \d+ outputs`, out)
	}
	require.NotRegexp(t, `conv_f32: \d+ outputs`, out)
}
