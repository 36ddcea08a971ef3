package kernels

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	source = regexp.MustCompile(`(?s)\nKERNEL (NAMED\(\w+\)|\w+)\((.*?)\) \{`)
	entry  = regexp.MustCompile(`(?s)\.visible \.entry (\w+)\((.*?)\)`)
	param  = regexp.MustCompile(`^((const )?(float|ELEM|u8|int|u64|double) \*\w+|i64 \w+|double \w+)$`)
)

// TestParams: the list, the sources and the compiled text agree on the kernels
// and on their parameters, all of 8 bytes.
func TestParams(t *testing.T) {
	files, err := filepath.Glob("*.cu")
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, m := range source.FindAllStringSubmatch("\n"+string(text), -1) {
			ps := strings.Split(m[2], ",")
			for _, p := range ps {
				require.Regexp(t, param, strings.TrimSpace(p), "%s in %s", m[1], f)
			}
			name := strings.TrimSuffix(strings.TrimPrefix(m[1], "NAMED("), ")")
			if !strings.Contains(name, "_") {
				name += "_f32"
			}
			require.Equal(t, len(ps), Params(name), "%s in %s", name, f)
		}
	}
	for _, mod := range Modules() {
		var compiled []string
		for _, m := range entry.FindAllStringSubmatch(mod.PTX, -1) {
			ps := strings.Split(m[2], ",")
			for _, p := range ps {
				require.Regexp(t, `^\s*\.param \.[uf]64 `, p)
			}
			require.Equal(t, Params(m[1]), len(ps), "%s in %s", m[1], mod.Name)
			compiled = append(compiled, m[1])
		}
		require.Equal(t, mod.Names, compiled, mod.Name)
		require.Contains(t, mod.PTX, fmt.Sprintf(".target sm_%d\n", mod.Capability))
	}
	require.Zero(t, Params("nothing_f32"))
}

// TestPTX: the committed text is what the sources compile to, keeps everything
// in registers and holds no approximate arithmetic.
func TestPTX(t *testing.T) {
	for _, m := range Modules() {
		require.Less(t, len(m.PTX), 1<<19, "%s is a text of its own for less to be compiled", m.Name)
		for _, bad := range []string{".local", "approx", ".ftz", "call"} {
			require.NotContains(t, m.PTX, bad, m.Name)
		}
		if _, err := exec.LookPath("clang-16"); err != nil {
			t.Skip("no clang-16 to compile the kernels with: ", err)
		}
		out := filepath.Join(t.TempDir(), m.Name)
		text, err := exec.Command("sh", "ptx.sh", m.Source, fmt.Sprintf("sm_%d", m.Capability), out).CombinedOutput()
		require.NoError(t, err, string(text))
		fresh, err := os.ReadFile(out)
		require.NoError(t, err)
		require.True(t, string(fresh) == m.PTX, "%s: go generate ./accel/cuda/kernels", m.Name)
	}
}
