package ops

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParts(t *testing.T) {
	for _, c := range [][3]int{ // multiply-adds, threads, parts
		{1 << 30, 1, 1}, {0, 2, 1}, {2*taskMACs - 1, 2, 1}, {2 * taskMACs, 2, 2}, {15 * taskMACs, 2, 2}, {16 * taskMACs, 2, 4},
		{1 << 30, 2, 8}, {3 * taskMACs, 8, 3}, {8 * taskMACs, 8, 8}, {1 << 30, 8, 32}, {40 * taskMACs, 3, 9},
	} {
		require.Equal(t, c[2], parts(c[0], taskMACs, c[1]), "%v", c)
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct{ n, each, threads, want int }{
		{10, 2, 2, 1}, {20, 3, 2, 2}, {64, 8, 2, 8}, {7, 7, 1, 7}, {5, 5, 4, 2}, {1, 1, 2, 1}, {0, 0, 2, 0},
	} {
		if got := alike(c.n, c.each, c.threads); got != c.want {
			t.Errorf("%d in parts of %d for %d threads: %d each, want %d", c.n, c.each, c.threads, got, c.want)
		}
	}
}
