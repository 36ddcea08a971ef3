package ptxas

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	ks, err := report(`ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'a_f32' for 'sm_90'
ptxas info    : Function properties for a_f32
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 25 registers, 1024 bytes smem, 552 bytes cmem[0]
ptxas info    : Compiling entry function 'b' for 'sm_90'
ptxas info    : Function properties for b
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 64 registers
`)
	require.NoError(t, err)
	require.Equal(t, []Kernel{{"a_f32", 25, 1024, 16, 20}, {"b", 64, 0, 0, 0}}, ks)
	_, err = report("nothing")
	require.Error(t, err)
}

// TestOccupancy: cases worked out by hand from the programming guide's rules.
func TestOccupancy(t *testing.T) {
	for _, c := range []struct {
		registers, shared, cc, warps int
		limit                        string
	}{
		{32, 0, 80, 64, "warps"},
		{33, 0, 80, 48, "registers"}, // 40 a thread, 1280 a warp, 10240 a block: 6 blocks
		{64, 8704, 75, 32, "warps"},
		{64, 0, 90, 32, "registers"},
		{128, 49152, 80, 16, "registers"},
		{32, 49152, 80, 24, "shared memory"}, // 49 KiB of 164: 3 blocks
		{32, 49152, 70, 16, "shared memory"},
		{255, 0, 86, 8, "registers"},
	} {
		w, _, limit := Kernel{Registers: c.registers, Shared: c.shared}.Occupancy(c.cc, 256)
		require.Equal(t, c.warps, w, "%+v", c)
		require.Equal(t, c.limit, limit, "%+v", c)
	}
}

func TestDevices(t *testing.T) {
	require.Equal(t, []int{70, 75, 80, 86, 90}, Devices(70))
	require.Equal(t, []int{86, 90}, Devices(86))
	for _, c := range Devices(0) {
		require.Contains(t, devices, c)
	}
}
