package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAhead: results come in order whatever each takes, none is computed twice,
// few wait, and nothing goes on when nobody takes more.
func TestAhead(t *testing.T) {
	for _, n := range []int{0, 1, 3, 50} {
		calls := make([]int, n)
		next := 0
		for i, v := range ahead(n, func(i int) int {
			time.Sleep(time.Duration(i%3) * time.Millisecond)
			calls[i]++
			return i * i
		}) {
			require.Equal(t, next, i)
			require.Equal(t, i*i, v)
			next++
		}
		require.Equal(t, n, next)
		for i, c := range calls {
			require.Equal(t, 1, c, i)
		}
	}
	calls := make([]int, 50)
	for i := range ahead(50, func(i int) int { calls[i]++; return i }) {
		if i == 10 {
			break
		}
	}
	for i, c := range calls {
		require.True(t, c == 1 || i > 10 && c == 0)
		require.True(t, c == 0 || i <= 10+5)
	}
}
