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
	before := residentFile(t)
	betweenStages()
	after := residentFile(t)
	t.Logf("%d KiB of files mapped before, %d after", before, after)
	require.Less(t, after, before*2/3)
}

// residentFile is how much of files this process has mapped and touched, in KiB.
func residentFile(t *testing.T) (kib int) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &kib); n == 1 {
			return kib
		}
	}
	t.Skip("this kernel does not tell")
	return 0
}
