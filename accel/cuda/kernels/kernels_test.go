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

var (
	source = regexp.MustCompile(`(?s)\nKERNEL (\w+)\((.*?)\) \{`)
	entry  = regexp.MustCompile(`(?s)\.visible \.entry (\w+)\((.*?)\)`)
	param  = regexp.MustCompile(`^(const float \*\w+|float \*\w+|i64 \w+|double \w+)$`)
)

// TestParams: the list, the sources and the compiled text agree on the kernels
// and on their parameters, all of 8 bytes.
func TestParams(t *testing.T) {
	files, err := filepath.Glob("*.cu")
	require.NoError(t, err)
	all, err := os.ReadFile("teff.cu")
	require.NoError(t, err)
	counts := map[string]int{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		if f != "teff.cu" {
			require.Contains(t, string(all), `#include "`+f+`"`)
		}
		for _, m := range source.FindAllStringSubmatch(string(text), -1) {
			ps := strings.Split(m[2], ",")
			for _, p := range ps {
				require.Regexp(t, param, strings.TrimSpace(p), "%s in %s", m[1], f)
			}
			counts[m[1]] = len(ps)
		}
	}
	require.Len(t, counts, len(Names()))
	var compiled []string
	for _, m := range entry.FindAllStringSubmatch(PTX, -1) {
		ps := strings.Split(m[2], ",")
		for _, p := range ps {
			require.Regexp(t, `^\s*\.param \.[uf]64 `, p)
		}
		require.Equal(t, Params(m[1]), len(ps), "%s in teff.ptx", m[1])
		compiled = append(compiled, m[1])
	}
	require.Equal(t, Names(), compiled)
	for name, n := range counts {
		require.Equal(t, n, Params(name), name)
	}
	require.Zero(t, Params("conv_f16"))
}

// TestPTX: the committed text is what the sources compile to, keeps everything
// in registers and holds no approximate arithmetic.
func TestPTX(t *testing.T) {
	for _, bad := range []string{".local", "approx", ".ftz", "call"} {
		require.NotContains(t, PTX, bad)
	}
	if _, err := exec.LookPath("clang-16"); err != nil {
		t.Skip("no clang-16 to compile the kernels with: ", err)
	}
	out := filepath.Join(t.TempDir(), "teff.ptx")
	text, err := exec.Command("sh", "ptx.sh", out).CombinedOutput()
	require.NoError(t, err, string(text))
	fresh, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, string(fresh), PTX, "go generate ./accel/cuda/kernels")
}
