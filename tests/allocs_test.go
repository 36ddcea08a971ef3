package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// allocations is how often two runs of f in a row allocate, at the least of five
// tries: the count is that of the whole process, and Go's own goroutines, too,
// allocate now and then on a busy machine. What f itself does is in every try.
func allocations(f func()) float64 {
	least := testing.AllocsPerRun(1, func() { f(); f() })
	for range 4 {
		if least == 0 {
			break
		}
		least = min(least, testing.AllocsPerRun(1, func() { f(); f() }))
	}
	return least
}

// TestAllocations: one allocation a run is seen, even if only every second run
// makes it, and those of some runs alone are not.
func TestAllocations(t *testing.T) {
	var kept []byte
	runs := 0
	when := func(yes func() bool) func() {
		runs = 0
		return func() {
			if runs++; yes() {
				kept = make([]byte, 32)
			}
		}
	}
	require.Equal(t, 2.0, allocations(when(func() bool { return true })))
	for odd := range 2 {
		require.Equal(t, 1.0, allocations(when(func() bool { return runs%2 == odd })), "runs with remainder %d", odd)
	}
	require.Zero(t, allocations(when(func() bool { return runs <= 8 })), "two tries of four runs with an allocation")
	require.NotZero(t, allocations(when(func() bool { return runs <= 20 })), "all tries")
	require.Len(t, kept, 32)
}
