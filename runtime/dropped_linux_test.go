package runtime_test

import (
	"context"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// mapped reports whether a map of the file is there.
func mapped(t *testing.T, path string) bool {
	b, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return strings.Contains(string(b), path)
}

// collected waits until the collector has unmapped the file, for a while.
func collected(t *testing.T, path string) bool {
	for range 100 {
		goruntime.GC()
		if !mapped(t, path) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// TestDroppedModel: what nobody closed is unmapped once nobody can use it, and not
// before.
func TestDroppedModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dropped.teff")
	require.NoError(t, format.WriteFile(path, mixed(t), nil))
	open := func() *runtime.Model {
		m, err := runtime.Open(path, runtime.WithThreads(2))
		require.NoError(t, err)
		return m
	}

	s, err := open().NewSession()
	require.NoError(t, err)
	require.True(t, mapped(t, path))
	require.False(t, func() bool { goruntime.GC(); goruntime.GC(); return !mapped(t, path) }())
	require.NoError(t, s.Run(context.Background())) // the session holds its model
	require.True(t, collected(t, path))

	g := open().Graph() // whose weights are in the map
	for range 3 {
		goruntime.GC()
		time.Sleep(5 * time.Millisecond)
	}
	require.True(t, mapped(t, path))
	m, err := runtime.New(g)
	require.NoError(t, err)
	s, err = m.NewSession()
	require.NoError(t, err)
	require.NoError(t, s.Run(context.Background()))
	require.NoError(t, m.Close())
}

// TestDroppedUnderLoad: models are dropped with their sessions right after, or
// amid, runs while the collector works.
func TestDroppedUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "load.teff")
	require.NoError(t, format.WriteFile(path, mixed(t), nil))
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range rounds {
				m, err := runtime.Open(path, runtime.WithThreads(1))
				if err != nil {
					t.Error(err)
					return
				}
				s, err := m.NewSession()
				for range 3 {
					if err == nil {
						err = s.Run(context.Background())
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			goruntime.GC()
		}
	}
	require.True(t, collected(t, path))
}

// TestDroppedConstant: an output that is a weight stays readable.
func TestDroppedConstant(t *testing.T) {
	path := filepath.Join(t.TempDir(), "constant.teff")
	b := graph.NewBuilder("constant")
	x := b.Input("x", mixed(t).Node(0).Out, true)
	b.Output("x", x)
	w := tensor.New(tensor.F32Spec(1, 5000))
	w.F32()[4999] = 7
	b.Output("w", b.Const("w", w))
	g, err := b.Build()
	require.NoError(t, err)
	require.NoError(t, format.WriteFile(path, g, nil))
	m, err := runtime.Open(path)
	require.NoError(t, err)
	s, err := m.NewSession()
	require.NoError(t, err)
	require.NoError(t, s.Run(context.Background()))
	got := s.Output(1).F32() // all that is left of model and session
	for range 3 {
		goruntime.GC()
		time.Sleep(5 * time.Millisecond)
	}
	require.Equal(t, float32(7), got[len(got)-1])
}
