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

// TestKernels: NVIDIA's assembler takes the committed text for every device that
// it is written for, keeps everything in registers, and lets a block of the
// size that is launched run.
func TestKernels(t *testing.T) {
	path := tool(t)
	for _, m := range kernels.Modules() {
		for _, cc := range Devices(m.Capability) {
			ks, err := Assemble(path, m.PTX, cc)
			require.NoError(t, err, m.Name)
			for _, k := range ks {
				require.Zero(t, k.Spilled, "%s for sm_%d spills", k.Name, cc)
				require.Zero(t, k.Stack, "%s for sm_%d has a stack", k.Name, cc)
				w, _, _ := k.Occupancy(cc, kernels.Block)
				require.GreaterOrEqual(t, w, kernels.Block/32, "a block of %s does not fit sm_%d", k.Name, cc)
			}
		}
	}
}

// TestErrors: what does not assemble is an error that holds the assembler's words.
func TestErrors(t *testing.T) {
	path := tool(t)
	_, err := Assemble(path, ".version 6.0\n.target sm_70\n.address_size 64\n.visible .entry a() { nonsense; }\n", 70)
	require.ErrorContains(t, err, "nonsense")
	_, err = Assemble(path, kernels.PTX, 60)
	require.Error(t, err)
}

// TestTable: the committed table is what the assembler says now. Another version
// of it may say otherwise.
func TestTable(t *testing.T) {
	path := tool(t)
	v, err := Version(path)
	require.NoError(t, err)
	if v != "11.8.89" {
		t.Skipf("the table is from ptxas 11.8.89, this is %s", v)
	}
	want, err := os.ReadFile("../../kernels/RESOURCES.md")
	require.NoError(t, err)
	got, err := Table(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go generate ./accel/cuda/kernels")
}
