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

func narrowPutSteps(t *narrowArgs) {
	if useNarrowAVX512 {
		narrowPutI8AVX512(t)
		return
	}
	narrowPutI8AVX2(t)
}

// See Narrow.put and putSteps for what these compute.

//go:noescape
func narrowPutF16AVX512(t *narrowArgs)

//go:noescape
func narrowPutBF16AVX512(t *narrowArgs)

//go:noescape
func narrowPutF16AVX2(t *narrowArgs)

//go:noescape
func narrowPutBF16AVX2(t *narrowArgs)

//go:noescape
func narrowPutI8AVX512(t *narrowArgs)

//go:noescape
func narrowPutI8AVX2(t *narrowArgs)
