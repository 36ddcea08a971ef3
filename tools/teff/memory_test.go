//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPeakMemory: a run of a large network holds its weights once, in the form
// that kernels want, and little beside: not the folded ones, not the file.
func TestPeakMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 47 MB")
	}
	model := filepath.Join(t.TempDir(), "r18.teff")
	ok(t, "new", "resnet18", "-o", model)
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), "TEFF_TEST_ARGS="+strings.Join([]string{"bench", model, "--runs", "2", "--json"}, "\n"))
	out, err := c.Output()
	require.NoError(t, err)
	var r benchResult
	require.NoError(t, json.Unmarshal(out, &r))
	t.Logf("peak %d, packed %d, arena %d", r.RSS, r.Packed, r.Arena)
	require.Positive(t, r.RSS)
	require.Less(t, r.RSS, int64(r.Packed+r.Arena+24<<20)) // the program, ends of huge pages; the weights are 47 MB
}
