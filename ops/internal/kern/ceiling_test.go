package kern

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/internal/cpu/cputest"
)

func TestFMACeiling(t *testing.T) {
	cputest.ForEachPath(t, "gemm/", func(t *testing.T) {
		g := FMACeiling(time.Millisecond)
		require.Greater(t, g, 0.01)
		t.Logf("%.1f GFLOP/s", g)
	})
}
