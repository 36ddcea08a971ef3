//go:build cuda

package cuda

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/accel/cuda/fake"
	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/ops/graph/passes"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tests/randgraph"
)

// TestWholeNetworks goes through the real binding: to a device where there is
// one, else to the library in fake, which runs the kernels' own sources on the
// host. The library is chosen as a program starts, so the test is started again.
func TestWholeNetworks(t *testing.T) {
	onDevice(t, networks)
}

// TestGoldenNetworks runs trained networks there.
func TestGoldenNetworks(t *testing.T) {
	onDevice(t, goldenNetworks)
}

// TestGoldenIntegers runs integer networks there.
func TestGoldenIntegers(t *testing.T) {
	onDevice(t, goldenIntegers)
}

// TestTraining takes training steps there.
func TestTraining(t *testing.T) {
	onDevice(t, training)
}

func onDevice(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if os.Getenv("TEFF_CUDA_NETWORKS") != "" {
		f(t)
		return
	}
	t.Parallel() // processes, each with a driver of its own
	var env []string
	if d, err := driver.Open(); err == nil {
		t.Logf("on %s", d.Name())
		require.NoError(t, d.Close())
	} else {
		lib, err := fake.Library()
		if errors.Is(err, fake.ErrNoCompiler) {
			t.Skipf("no device: %v", err)
		}
		require.NoError(t, err)
		env = append(env, "TEFF_LIBCUDA="+lib)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), "TEFF_CUDA_NETWORKS=1"), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: "+t.Name()+"/")
	t.Logf("%s", out)
}

// networks runs every operator's cases and whole architectures.
func networks(t *testing.T) {
	for _, name := range []string{"resnet8", "dscnn", "mobilenetv1"} {
		t.Run(name, func(t *testing.T) {
			g, err := passes.Infer(small(t, name, 0))
			require.NoError(t, err)
			b, err := Open()
			require.NoError(t, err)
			same(t, b, g, 1, 1e-4)
			for p, within := range precisions {
				same(t, b, g, 2, 2*within, runtime.WithPrecision(p))
			}
			require.NoError(t, b.(*backend).Close())
		})
	}
	t.Run("operators", func(t *testing.T) {
		b, err := Open()
		require.NoError(t, err)
		for _, c := range cases() {
			g := c.graph(t)
			same(t, b, g, 1, 1e-4)
			for p, within := range precisions {
				nums, err := numbersOf(p)
				require.NoError(t, err)
				if _, err := lower(g, nums, machine{}); err == nil { // weights may be computed
					same(t, b, g, 1, within*scale(c.op), runtime.WithPrecision(p))
				}
			}
		}
		require.NoError(t, b.(*backend).Close())
	})
	t.Run("integers", func(t *testing.T) {
		for _, capability := range []string{"70", "80"} { // the fake's
			t.Setenv("TEFF_FAKE_CAPABILITY", capability)
			b, err := Open()
			require.NoError(t, err)
			for _, c := range intCases() {
				sameBits(t, b, c.graph(t), 2)
			}
			require.NoError(t, b.(*backend).Close())
		}
	})
	t.Run("random", func(t *testing.T) {
		ran := 0
		for seed := range uint64(150) {
			g, err := randgraph.New(seed, randgraph.Options{})
			require.NoError(t, err)
			g, err = passes.Infer(g)
			require.NoError(t, err)
			b, err := Open()
			require.NoError(t, err)
			if _, err := lower(g, numbers{element: "f32", size: 4}, machine{}); err == nil {
				same(t, b, g, 1, 1e-4)
				ran++
			}
			require.NoError(t, b.(*backend).Close())
		}
		require.Greater(t, ran, 20)
	})
	t.Run("sessions", func(t *testing.T) {
		// Each goroutine has a session and a stream of its own.
		g, err := passes.Infer(small(t, "dscnn", 0))
		require.NoError(t, err)
		b, err := Open()
		require.NoError(t, err)
		m, err := runtime.New(g, runtime.WithBackend(b), runtime.WithGraphAsIs())
		require.NoError(t, err)
		var all [4]*runtime.Session
		errs := make(chan error, len(all))
		for i := range all {
			all[i], err = m.NewSession()
			require.NoError(t, err)
			for j := range all[i].Input(0).F32() {
				all[i].Input(0).F32()[j] = float32(j%7) - 3
			}
			go func() {
				var err error
				for range 10 {
					err = errors.Join(err, all[i].Run(t.Context()))
				}
				errs <- err
			}()
		}
		for range all {
			require.NoError(t, <-errs)
		}
		for _, s := range all {
			require.Equal(t, all[0].Output(0).F32(), s.Output(0).F32())
		}
		for _, s := range all {
			require.NoError(t, s.Close())
		}
		require.NoError(t, m.Close())
		require.NoError(t, b.(*backend).Close())
	})
	t.Run("allocations", func(t *testing.T) {
		g, err := passes.Infer(small(t, "dscnn", 0))
		require.NoError(t, err)
		b, err := Open()
		require.NoError(t, err)
		_, s := sessionOf(t, b, g, 1)
		ctx := t.Context()
		require.Zero(t, testing.AllocsPerRun(5, func() {
			if err := s.Run(ctx); err != nil {
				panic(err)
			}
		}))
		require.NoError(t, s.Close())
		require.NoError(t, b.(*backend).Close())
	})
}
