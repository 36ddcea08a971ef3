//go:build !purego

package kern

func slopeRun(f Slope, t *vecArgs) {
	wide := useVecAVX512
	switch {
	case f == SlopeHardSwish && wide:
		vecHardSwishGradF32AVX512(t)
	case f == SlopeHardSwish:
		vecHardSwishGradF32AVX2(t)
	case f == SlopeSwish && wide:
		vecSwishGradF32AVX512(t)
	case f == SlopeSwish:
		vecSwishGradF32AVX2(t)
	case f == SlopeGelu && wide:
		vecGeluGradF32AVX512(t)
	case f == SlopeGelu:
		vecGeluGradF32AVX2(t)
	case wide:
		vecGeluTanhGradF32AVX512(t)
	default:
		vecGeluTanhGradF32AVX2(t)
	}
}

// Loops over elements; see slopeGeneric for what they compute.

//go:noescape
func vecHardSwishGradF32AVX512(t *vecArgs)

//go:noescape
func vecSwishGradF32AVX512(t *vecArgs)

//go:noescape
func vecGeluGradF32AVX512(t *vecArgs)

//go:noescape
func vecGeluTanhGradF32AVX512(t *vecArgs)

//go:noescape
func vecHardSwishGradF32AVX2(t *vecArgs)

//go:noescape
func vecSwishGradF32AVX2(t *vecArgs)

//go:noescape
func vecGeluGradF32AVX2(t *vecArgs)

//go:noescape
func vecGeluTanhGradF32AVX2(t *vecArgs)
