package runtime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops/switches"
	"github.com/teff-ml/teff/runtime"
)

// TestSmallChains: what one core's cache holds is a chain for several workers alone, with the bits of one, by the choices
// for any cores.
func TestSmallChains(t *testing.T) {
	for _, core := range []string{"intel", "zen4"} {
		t.Run(core, func(t *testing.T) {
			defer switches.As(core)()
			testSmallChains(t)
		})
	}
}

func testSmallChains(t *testing.T) {
	for _, c := range []block{
		{h: 25, w: 5, in: 64, out: 64, k: 3, stride: 1, padLo: 1, padHi: 1, project: true},
		{h: 24, w: 24, in: 32, out: 64, k: 3, stride: 2, padLo: 0, padHi: 1, project: true},
		{h: 13, w: 11, in: 49, out: 90, k: 3, stride: 1, padLo: 1, padHi: 1, project: true, swish: true},
		{h: 14, w: 14, in: 64, out: 64, k: 5, stride: 1, padLo: 2, padHi: 2, project: true, residual: true},
		{h: 20, w: 20, in: 64, out: 33, k: 3, stride: 1, padLo: 2, padHi: 2, project: true, dilated: true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			g := c.graph(t)
			for _, batch := range []int{1, 2, 9} {
				one := session(t, g, batch, runtime.WithThreads(1))
				require.Len(t, one.Layers(), 2)
				want := outputs(t, one)
				for threads := 2; threads <= 5; threads++ {
					s := session(t, g, batch, runtime.WithThreads(threads))
					if rooms := strings.HasPrefix(one.Layers()[1].Path, "pairs/"); batch == 1 && threads <= 4 && !rooms { // room for rows in pairs may lack
						require.Len(t, s.Layers(), 1)
						require.True(t, strings.HasPrefix(s.Layers()[0].Path, "chain/"), s.Layers()[0].Path)
					}
					require.Equal(t, want, outputs(t, s), "batch %d, %d threads", batch, threads)
				}
			}
		})
	}
}
