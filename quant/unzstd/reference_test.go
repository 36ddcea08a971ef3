package unzstd

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReference: what the reference implementation's command writes decodes,
// at levels and with options that klauspost's encoder does not have: optimal
// parsing, far offsets, literals' tables of earlier blocks, many short matches.
func TestReference(t *testing.T) {
	zstd, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("no zstd command here")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	program, err := os.ReadFile(self)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(8, 8))
	bases := make([]byte, 300_000) // four symbols: as many short matches as there can be
	for i := range bases {
		bases[i] = "acgt"[rng.IntN(4)]
	}
	for name, want := range map[string][]byte{
		"program": program[:min(len(program), 1<<20)], "bases": bases, "noise": text(1, 200_000), "exponents": text(7, 200_000),
		"words": text(4, 200_000), "far": text(6, 700_000), "nothing": nil, "one": {1},
	} {
		for _, args := range [][]string{
			{"--fast=5"}, {"-1", "--no-check"}, {"-3"}, {"-9", "--long=27"}, {"-15", "-B50000"}, {"-19", "--no-check"}, {"--ultra", "-22"},
		} {
			cmd := exec.Command(zstd, append(args, "-q", "-c", "--single-thread")...)
			cmd.Stdin = bytes.NewReader(want)
			src, err := cmd.Output()
			require.NoError(t, err, args)
			got := make([]byte, len(want))
			_, err = Decode(got, src)
			require.NoError(t, err, "%s %v", name, args)
			require.True(t, bytes.Equal(want, got), "%s %v", name, args)
		}
	}
}
