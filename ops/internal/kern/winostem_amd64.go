//go:build !purego

package kern

func winoStem(t *stemTiles)       { winoStemAVX512(t) }
func winoStemNarrow(t *stemTiles) { winoStemAVX2(t) }

// See winoStemGeneric for what these compute.

//go:noescape
func winoStemAVX512(t *stemTiles)

//go:noescape
func winoStemAVX2(t *stemTiles)
