package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTrainTimes: --layers has a line for each layer with the times of its run, its gradient and its update.
func TestTrainTimes(t *testing.T) {
	dir, fresh, data := fixture(t, "60")
	args := []string{"train", fresh, "--data", data, "-o", filepath.Join(dir, "out.teff"), "--epochs", "2", "--batch", "8", "--layers"}
	for _, l := range object(t, "epochs layers", args...)["layers"].([]any) {
		l := l.(map[string]any)
		if l["kind"] == "Conv" && l["name"] != "conv1" {
			for _, ms := range []string{"forward_ms", "backward_ms", "update_ms"} {
				require.Positive(t, l[ms], "%v: %v", l["name"], ms)
			}
			require.Contains(t, l["out"], "8x")
		}
	}
	out := ok(t, args...)
	require.Regexp(t, `(?m)^layer +op +result +forward ms +backward ms +update ms$`, out)
	require.Regexp(t, `(?m)^conv1 +Conv +8x\d+x\d+x\d+ +\d+\.\d+ +\d+\.\d+ +\d+\.\d+$`, out)
	require.Regexp(t, `(?m)^all +least of \d+ steps +\d`, out)
	misused(t, "--layers", append(args, "--device", "cuda")...)
	require.NotContains(t, object(t, "epochs", args[:len(args)-1]...), "layers")
}
