//go:build !purego

package kern

func winoPhaseInput(t *winoStrip)     { winoPhaseInput2AVX512(t) }
func winoPhaseOutput(t *winoStrip)    { winoPhaseOutput2AVX512(t) }
func winoPhaseInputTile(t *winoTile)  { winoPhaseInput2AVX2(t) }
func winoPhaseOutputTile(t *winoTile) { winoPhaseOutput2AVX2(t) }

// Transforms of a strip, or of one tile; see inputGeneric and outputGeneric of PhaseF32 for what they compute.

//go:noescape
func winoPhaseInput2AVX512(t *winoStrip)

//go:noescape
func winoPhaseOutput2AVX512(t *winoStrip)

//go:noescape
func winoPhaseInput2AVX2(t *winoTile)

//go:noescape
func winoPhaseOutput2AVX2(t *winoTile)
