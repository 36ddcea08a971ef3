//go:build cuda

package driver

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	emulated "github.com/teff-ml/teff/accel/cuda/fake"
	"github.com/teff-ml/teff/accel/cuda/kernels"
)

// TestEmulated runs the repository's own kernels on the library of accel/cuda/fake,
// which is strict about contexts, addresses and recording, and does work only
// when something waits for it.
func TestEmulated(t *testing.T) {
	lib, err := emulated.Library()
	require.NoError(t, err)
	for _, test := range []string{"TestKernels", "TestFault"} {
		again(t, test, "TEFF_LIBCUDA="+lib)
	}
	again(t, "TestOpenFails", "TEFF_LIBCUDA="+lib, "TEFF_FAKE_DEVICES=0", "WANT=cuda: no device: ")
	again(t, "TestOutOfMemory", "TEFF_LIBCUDA="+lib, "TEFF_FAKE_MEMORY=65536")
}

// ready opens the device with the repository's kernels.
func ready(t *testing.T) (Driver, Stream) {
	inner(t)
	d, err := Open()
	require.NoError(t, err)
	for _, m := range kernels.Modules() {
		require.NoError(t, d.LoadModule(m.PTX))
	}
	s, err := d.NewStream()
	require.NoError(t, err)
	return d, s
}

func TestKernels(t *testing.T) {
	d, s := ready(t)
	for _, name := range kernels.Names() {
		f, err := d.Function(name)
		require.NoError(t, err)
		require.NotZero(t, f, name)
		require.LessOrEqual(t, kernels.Params(name), maxParams, name)
	}
	f, err := d.Function("unary_f32")
	require.NoError(t, err)

	const n, twiceAndOne = 1000, 13
	x, err := d.Alloc(4 * n)
	require.NoError(t, err)
	y, err := d.Alloc(4 * n)
	require.NoError(t, err)
	host, err := d.AllocHost(4 * n)
	require.NoError(t, err)
	back, err := d.AllocHost(4 * n)
	require.NoError(t, err)
	grid, block := [3]int{(n + kernels.Block - 1) / kernels.Block, 1, 1}, [3]int{kernels.Block, 1, 1}
	params := []uint64{uint64(x), uint64(y), n, twiceAndOne, math.Float64bits(2), math.Float64bits(1)}

	require.NoError(t, d.BeginCapture(s))
	require.NoError(t, d.ToDevice(s, x, host))
	require.NoError(t, d.Launch(s, f, grid, block, 0, params))
	require.NoError(t, d.ToHost(s, back, y))
	g, err := d.EndCapture(s)
	require.NoError(t, err)

	// The record reads what host holds when it is launched.
	for _, offset := range []int{0, 7} {
		for i := range n {
			binary.LittleEndian.PutUint32(host[4*i:], math.Float32bits(float32(i+offset)))
		}
		require.NoError(t, d.LaunchGraph(g, s))
		require.NoError(t, d.Sync(s))
		for i := range n {
			require.Equal(t, float32(2*(i+offset)+1), math.Float32frombits(binary.LittleEndian.Uint32(back[4*i:])), "element %d", i)
		}
	}

	require.NoError(t, d.CloseGraph(g))
	require.NoError(t, d.FreeHost(back))
	require.NoError(t, d.FreeHost(host))
	require.NoError(t, d.Free(y))
	require.NoError(t, d.Free(x))
	require.NoError(t, d.CloseStream(s))
	require.NoError(t, d.Close())
}

// TestFault: a kernel that touches memory it has not is an error of the call
// that waits for it, and the program lives.
func TestFault(t *testing.T) {
	d, s := ready(t)
	f, err := d.Function("fill_f32")
	require.NoError(t, err)
	require.NoError(t, d.Launch(s, f, [3]int{1, 1, 1}, [3]int{kernels.Block, 1, 1}, 0, []uint64{64, 10, 0}))
	require.ErrorContains(t, d.Sync(s), "cuda: wait: IllegalAddress")
}

func TestOutOfMemory(t *testing.T) {
	d, _ := ready(t)
	_, err := d.Alloc(1 << 20)
	require.ErrorContains(t, err, "cuda: allocate 1048576 bytes: OutOfMemory")
}
