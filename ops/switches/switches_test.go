package switches

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSwitches(t *testing.T) {
	on, off := true, false
	Register("switchestest/a", &on)
	Register("switchestest/b", &off)
	require.Contains(t, Names(), "switchestest/a")
	require.NotContains(t, Names(), "switchestest/b", "a path the processor lacks is not offered")
	restore := Set("switchestest/a", false)
	require.False(t, on)
	require.False(t, Enabled("switchestest/a"))
	restore()
	require.True(t, on)
	Set("switchestest/b", true)()
	require.False(t, off)
	undo := Set("switchestest/b", true)
	require.False(t, off, "Set never exceeds detection")
	undo()
	Set("switchestest/none", true)()
	require.Panics(t, func() { Register("switchestest/a", &on) })
}

func TestDisablePatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"gemm/avx512", "gemm/avx512", true},
		{"gemm", "gemm/avx512", true},
		{"gemm/", "gemm/avx512", true},
		{"*/avx512", "gemm/avx512", true},
		{"*/avx2", "gemm/avx512", false},
		{"", "gemm/avx512", false},
		{"gem", "gemm/avx512", false},
	} {
		require.Equal(t, c.want, matches(c.pattern, c.name), "%q on %q", c.pattern, c.name)
	}
}
