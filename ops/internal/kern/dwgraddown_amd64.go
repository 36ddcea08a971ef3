//go:build !purego

package kern

func tapDown(t *tapDownArgs, stride int) {
	if stride == 1 {
		tapDown1AVX2(t)
	} else {
		tapDown2AVX2(t)
	}
}

// All nine taps of a vector of channels; see TapRows.runGeneric for what they compute.

//go:noescape
func tapDown1AVX2(t *tapDownArgs)

//go:noescape
func tapDown2AVX2(t *tapDownArgs)
