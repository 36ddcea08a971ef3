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

func TestCores(t *testing.T) {
	defer func(m string) { likeCore = m }(likeCore)
	likeCore = ""
	mine, theirs, none := true, true, false
	RegisterFor("switchestest/mine", &mine, "a", "a", "b")
	RegisterFor("switchestest/theirs", &theirs, "a", "b")
	RegisterFor("switchestest/none", &none, "a", "a")
	on := func() [3]bool { return [3]bool{mine, theirs, none} }
	require.Equal(t, [3]bool{true, false, false}, on())
	require.Contains(t, Names(), "switchestest/theirs", "it is there, and may be switched on")
	restore := As("b")
	require.Equal(t, [3]bool{true, true, false}, on())
	As("c")()
	require.Equal(t, [3]bool{true, true, false}, on())
	As("c")
	require.Equal(t, [3]bool{}, on())
	restore()
	require.Equal(t, [3]bool{true, false, false}, on())
	undo := Set("switchestest/theirs", true)
	require.Equal(t, [3]bool{true, true, false}, on())
	undo()
	require.Equal(t, [3]bool{true, false, false}, on())
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
