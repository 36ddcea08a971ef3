//go:build cuda

package driver

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel"
)

// A library is opened once, while the program starts, so each case is this
// test's program again with another library; it lists the one test that runs
// there.
func again(t *testing.T, test string, env ...string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), append(env, "DRIVER_TEST=1")...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: "+test)
}

// inner skips a test that another starts.
func inner(t *testing.T) {
	t.Helper()
	if os.Getenv("DRIVER_TEST") == "" {
		t.Skip("run by another test")
	}
}

// fake compiles the library in testdata.
func fake(t *testing.T) string {
	t.Helper()
	lib := filepath.Join(t.TempDir(), "libcuda.so.1")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-O1", "-o", lib, "testdata/fake.c").CombinedOutput()
	require.NoError(t, err, string(out))
	return "TEFF_LIBCUDA=" + lib
}

// TestUnavailable: the program starts whatever the machine lacks, and Open says
// what it is.
func TestUnavailable(t *testing.T) {
	lib := fake(t)
	for _, c := range []struct {
		name, want string
		env        []string
	}{
		{"no driver", "cuda: no driver: ", []string{"TEFF_LIBCUDA=/nonexistent/libcuda.so.1"}},
		{"a file that is no library", "cuda: no driver: ", []string{"TEFF_LIBCUDA=testdata/fake.c"}},
		{"another library", "cuda: the driver does not start: ", []string{"TEFF_LIBCUDA=libc.so.6"}},
		{"no device", "cuda: no device: ", []string{lib, "FAKE_CUDA_INIT=100"}},
		{"none counted", "cuda: no device: ", []string{lib, "FAKE_CUDA_COUNT=0"}},
		{"unknown", "cuda: the driver does not start: CUDA_ERROR_UNKNOWN: ", []string{lib, "FAKE_CUDA_INIT=999"}},
	} {
		t.Run(c.name, func(t *testing.T) { again(t, "TestOpenFails", append(c.env, "WANT="+c.want)...) })
	}
}

func TestOpenFails(t *testing.T) {
	inner(t)
	d, err := Open()
	require.Nil(t, d)
	require.ErrorIs(t, err, accel.ErrUnavailable)
	require.ErrorContains(t, err, os.Getenv("WANT"))
}

// TestDevice runs a kernel from end to end on the fake library.
func TestDevice(t *testing.T) { again(t, "TestLaunch", fake(t)) }

func TestLaunch(t *testing.T) {
	inner(t)
	d, err := Open()
	require.NoError(t, err)
	require.Equal(t, "Fake", d.Name())
	major, minor := d.Capability()
	require.Equal(t, [2]int{7, 5}, [2]int{major, minor})
	free, total, err := d.Memory()
	require.NoError(t, err)
	require.Equal(t, [2]int{1 << 20, 1 << 30}, [2]int{free, total})

	_, err = d.Function("scale")
	require.ErrorContains(t, err, "scale: no module")
	require.ErrorContains(t, d.LoadModule("nothing"), "load module: InvalidPtx")
	require.NoError(t, d.LoadModule("scale"))
	require.NoError(t, d.LoadModule("scale"), "another one")
	_, err = d.Function("other")
	require.ErrorContains(t, err, "kernel other: NotFound")
	f, err := d.Function("scale")
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)

	const n = 100
	host, err := d.AllocHost(4 * n)
	require.NoError(t, err)
	require.Len(t, host, 4*n)
	back := make([]byte, 4*n)
	x, err := d.Alloc(4 * n)
	require.NoError(t, err)
	y, err := d.Alloc(4 * n)
	require.NoError(t, err)
	_, err = d.Alloc(1 << 30)
	require.ErrorContains(t, err, "allocate 1073741824 bytes: OutOfMemory")
	for i := range n {
		binary.LittleEndian.PutUint32(host[4*i:], math.Float32bits(float32(i)))
	}
	grid, block := [3]int{2, 3, 4}, [3]int{32, 5, 6}
	params := []uint64{uint64(x), uint64(y), n, math.Float64bits(2)}
	require.NoError(t, d.ToDevice(s, x, host))
	require.NoError(t, d.Launch(s, f, grid, block, 48, params))
	require.NoError(t, d.ToHost(s, back, y))
	require.NoError(t, d.Sync(s))
	scaled := func(a float32) {
		t.Helper()
		for i := range n {
			require.Equal(t, a*float32(i), math.Float32frombits(binary.LittleEndian.Uint32(back[4*i:])))
		}
	}
	scaled(2)

	// A launch that is recorded happens when the record is launched.
	require.NoError(t, d.BeginCapture(s))
	params[3] = math.Float64bits(3)
	require.NoError(t, d.Launch(s, f, grid, block, 48, params))
	g, err := d.EndCapture(s)
	require.NoError(t, err)
	require.NoError(t, d.ToHost(s, back, y))
	scaled(2)
	require.NoError(t, d.LaunchGraph(g, s))
	require.NoError(t, d.ToHost(s, back, y))
	require.NoError(t, d.Sync(s))
	scaled(3)

	// What the library would truncate or the list cannot hold is refused.
	require.ErrorContains(t, d.Launch(s, f, [3]int{1<<32 + 2, 3, 4}, block, 48, params), "grid")
	require.ErrorContains(t, d.Launch(s, f, grid, [3]int{0, 5, 6}, 48, params), "block")
	require.ErrorContains(t, d.Launch(s, f, grid, block, -1, params), "shared")
	require.ErrorContains(t, d.Launch(s, f, grid, block, 48, make([]uint64, maxParams+1)), "65 parameters")
	require.ErrorContains(t, d.Launch(s, f, grid, block, 47, params), "launch: CUDA_ERROR_INVALID_VALUE")

	// Another thread has no context of its own yet.
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- d.Launch(s, f, grid, block, 48, params)
	}()
	require.NoError(t, <-done)

	for name, call := range map[string]func() error{
		"Launch":      func() error { return d.Launch(s, f, grid, block, 48, params) },
		"ToDevice":    func() error { return d.ToDevice(s, x, host) },
		"ToHost":      func() error { return d.ToHost(s, back, y) },
		"LaunchGraph": func() error { return d.LaunchGraph(g, s) },
		"Sync":        func() error { return d.Sync(s) },
	} {
		var err error
		require.Zero(t, testing.AllocsPerRun(100, func() { err = call() }), name)
		require.NoError(t, err, name)
	}

	require.NoError(t, d.CloseGraph(g))
	require.NoError(t, d.Free(x))
	require.NoError(t, d.Free(y))
	require.NoError(t, d.FreeHost(host))
	require.NoError(t, d.CloseStream(s))
	require.NoError(t, d.Close())
}

// BenchmarkLaunch is the cost of a call beside the library's own, on whatever
// library TEFF_LIBCUDA names that has the kernel scale.
func BenchmarkLaunch(b *testing.B) {
	d, err := Open()
	if err != nil {
		b.Skip(err)
	}
	require.NoError(b, d.LoadModule("scale"))
	f, err := d.Function("scale")
	require.NoError(b, err)
	s, err := d.NewStream()
	require.NoError(b, err)
	params := []uint64{0, 0, 0, 0}
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Launch(s, f, [3]int{2, 3, 4}, [3]int{32, 5, 6}, 48, params); err != nil {
			b.Fatal(err)
		}
	}
}
