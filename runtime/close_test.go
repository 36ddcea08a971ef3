package runtime_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/runtime"
)

// TestReplacingUnderLoad: a model that is in use is replaced and closed again and
// again. Runs either succeed or say that the model is closed; a run must never read
// weights that are not mapped any more.
func TestReplacingUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.teff")
	require.NoError(t, format.WriteFile(path, mixed(t), nil))
	var now atomic.Pointer[runtime.Model]
	open := func() *runtime.Model {
		m, err := runtime.Open(path, runtime.WithThreads(2))
		require.NoError(t, err)
		return m
	}
	now.Store(open())
	var stop atomic.Bool
	var runs, closed atomic.Int64
	var users sync.WaitGroup
	for range 3 {
		users.Go(func() {
			for !stop.Load() {
				s, err := now.Load().NewSession()
				for range 3 {
					if err == nil {
						err = s.Run(context.Background())
					}
					if err == nil {
						runs.Add(1)
					}
				}
				if errors.Is(err, runtime.ErrClosed) {
					closed.Add(1)
				} else if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		before := runs.Load()
		old := now.Swap(open())
		require.NoError(t, old.Close())
		for runs.Load() == before && !t.Failed() { // until the new one is in use
			if s, err := now.Load().NewSession(); err == nil && s.Run(context.Background()) == nil {
				runs.Add(1)
			}
		}
	}
	stop.Store(true)
	users.Wait()
	require.NoError(t, now.Load().Close())
	t.Logf("%d runs, %d met a closed model", runs.Load(), closed.Load())
}

// slowContext has a deadline and does not notice when it has passed, as a context
// whose timer finds no processor.
type slowContext struct {
	context.Context
	at time.Time
}

func (c slowContext) Deadline() (time.Time, bool) { return c.at, true }

// TestDeadline: a run ends at its deadline also where the context is late.
func TestDeadline(t *testing.T) {
	s := session(t, mixed(t), 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.ErrorIs(t, s.Run(slowContext{ctx, time.Now()}), context.DeadlineExceeded)
	require.ErrorIs(t, s.Run(slowContext{ctx, time.Now().Add(-time.Hour).Round(0)}), context.DeadlineExceeded) // Round: the wall clock's
	var later context.Context = slowContext{ctx, time.Now().Add(time.Hour)}                                    // made an interface once
	require.NoError(t, s.Run(later))
	require.Zero(t, testing.AllocsPerRun(20, func() { s.Run(later) }))
	cancel()
	require.ErrorIs(t, s.Run(later), context.Canceled)
}
