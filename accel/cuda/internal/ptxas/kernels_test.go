package ptxas

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel/cuda/kernels"
)

// tool is the assembler, or the test is skipped.
func tool(t *testing.T) string {
	t.Helper()
	path, err := Find()
	if errors.Is(err, ErrNone) {
		t.Skip(err)
	}
	require.NoError(t, err)
	return path
}

// TestKernels: NVIDIA's assembler takes the committed texts for every device that
// they are written for, keeps everything in registers, and lets a block of the
// size that is launched run; the committed table says what it takes. Another
// version of it may say otherwise.
func TestKernels(t *testing.T) {
	path := tool(t)
	rs, err := Reports(path)
	require.NoError(t, err)
	for _, r := range rs {
		for cc, ks := range r.On {
			require.Len(t, ks, len(r.Names))
			for _, k := range ks {
				require.Zero(t, k.Spilled, "%s for sm_%d spills", k.Name, cc)
				require.Zero(t, k.Stack, "%s for sm_%d has a stack", k.Name, cc)
				w, _, _ := k.Occupancy(cc, kernels.Block)
				require.GreaterOrEqual(t, w, kernels.Block/32, "a block of %s does not fit sm_%d", k.Name, cc)
			}
		}
	}
	v, err := Version(path)
	require.NoError(t, err)
	want, err := os.ReadFile("../../kernels/RESOURCES.md")
	require.NoError(t, err)
	if v != "11.8.89" {
		t.Skipf("the table is from ptxas 11.8.89, this is %s", v)
	}
	require.Equal(t, string(want), Table(v, rs), "go generate ./accel/cuda/kernels")
}

// TestErrors: what does not assemble is an error that holds the assembler's words.
func TestErrors(t *testing.T) {
	path := tool(t)
	_, err := Assemble(path, ".version 6.0\n.target sm_70\n.address_size 64\n.visible .entry a() { nonsense; }\n", 70)
	require.ErrorContains(t, err, "nonsense")
	_, err = Assemble(path, kernels.Modules()[0].PTX, 60)
	require.Error(t, err)
}
