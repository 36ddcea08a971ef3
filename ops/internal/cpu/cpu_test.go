package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSwitches(t *testing.T) {
	on, off := true, false
	Register("cputest/a", &on)
	Register("cputest/b", &off)
	require.Contains(t, Names(), "cputest/a")
	require.NotContains(t, Names(), "cputest/b", "a path the processor lacks is not offered")
	restore := Set("cputest/a", false)
	require.False(t, on)
	require.False(t, Enabled("cputest/a"))
	restore()
	require.True(t, on)
	Set("cputest/b", true)()
	require.False(t, off)
	undo := Set("cputest/b", true)
	require.False(t, off, "Set never exceeds detection")
	undo()
	Set("cputest/none", true)()
	require.Panics(t, func() { Register("cputest/a", &on) })
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

func TestRelax(t *testing.T) {
	Relax(0)
	Relax(-1)
	Relax(10)
}
