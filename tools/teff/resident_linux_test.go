package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBetweenStages: most of the program is no longer counted, and it goes on.
func TestBetweenStages(t *testing.T) {
	before := residentProgram(t)
	betweenStages()
	after := residentProgram(t)
	t.Logf("%d KiB of the program mapped before, %d after", before, after)
	require.Less(t, after, before*2/3)
}

// residentProgram is how much of its own file this process has mapped and touched, in
// KiB: models that other tests still have open do not count.
func residentProgram(t *testing.T) (kib int) {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("this kernel does not tell: ", err)
	}
	exe, err := os.Readlink("/proc/self/exe")
	require.NoError(t, err)
	own, n := false, 0
	for line := range strings.Lines(string(maps)) {
		if key, _, _ := strings.Cut(line, " "); strings.Contains(key, "-") { // 00400000-00827000 r-xp ...
			own = strings.HasSuffix(line, " "+exe+"\n")
		} else if got, _ := fmt.Sscanf(line, "Rss: %d kB", &n); got == 1 && own {
			kib += n
		}
	}
	require.NotZero(t, kib)
	return kib
}
