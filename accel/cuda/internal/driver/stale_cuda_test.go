//go:build cuda

package driver

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStaleMemory: what the library left in memory that it gave back is nothing
// to a launch. Addresses of Go's memory lie there; a launch that kept pointers
// in such memory, as Go's own, showed the old ones to a collection under way, which
// ends the program where their memory is free.
func TestStaleMemory(t *testing.T) {
	again(t, "TestLaunchAmidCollections", fake(t), "FAKE_CUDA_STALE=1")
}

func TestLaunchAmidCollections(t *testing.T) {
	inner(t)
	d, err := Open()
	require.NoError(t, err)
	require.NoError(t, d.LoadModule("scale"))
	f, err := d.Function("scale")
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	const n = 2300 // of float32: as much as few other objects take
	x, err := d.Alloc(4 * n)
	require.NoError(t, err)
	params := []uint64{uint64(x), uint64(x), n, 0}
	long := make([]*[4]*int, 1<<18) // what a collection is busy with
	for i := range long {
		long[i] = new([4]*int)
	}
	var stop atomic.Bool
	done := make(chan bool)
	go func() {
		for !stop.Load() {
			runtime.GC()
		}
		close(done)
	}()
	for range 100 {
		require.NoError(t, d.ToHost(s, make([]byte, 4*n), x)) // nobody keeps it
		runtime.GC()
		for range 10 {
			require.NoError(t, d.Launch(s, f, [3]int{2, 3, 4}, [3]int{32, 5, 6}, 48, params))
		}
	}
	stop.Store(true)
	<-done
	runtime.KeepAlive(long)
	require.NoError(t, d.Free(x))
	require.NoError(t, d.CloseStream(s))
	require.NoError(t, d.Close())
}
