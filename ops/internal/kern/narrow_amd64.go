//go:build !purego

package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

var haveF16C = cpu.F16C

func narrowPut(n Narrow, t *narrowArgs) {
	switch {
	case useNarrowAVX512 && n == NarrowF16:
		narrowPutF16AVX512(t)
	case useNarrowAVX512:
		narrowPutBF16AVX512(t)
	case n == NarrowF16:
		narrowPutF16AVX2(t)
	default:
		narrowPutBF16AVX2(t)
	}
}

// See Narrow.put for what these compute.

//go:noescape
func narrowPutF16AVX512(t *narrowArgs)

//go:noescape
func narrowPutBF16AVX512(t *narrowArgs)

//go:noescape
func narrowPutF16AVX2(t *narrowArgs)

//go:noescape
func narrowPutBF16AVX2(t *narrowArgs)
