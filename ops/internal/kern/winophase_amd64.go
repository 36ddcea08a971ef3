//go:build !purego

package kern

func winoPhaseInput(t *winoStrip)  { winoPhaseInput2AVX512(t) }
func winoPhaseOutput(t *winoStrip) { winoPhaseOutput2AVX512(t) }

// Transforms of a strip; see inputGeneric and outputGeneric of PhaseF32 for what they compute.

//go:noescape
func winoPhaseInput2AVX512(t *winoStrip)

//go:noescape
func winoPhaseOutput2AVX512(t *winoStrip)
