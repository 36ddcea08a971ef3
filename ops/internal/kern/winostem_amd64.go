//go:build !purego

package kern

func winoStem(t *stemTiles) { winoStemAVX512(t) }

// See winoStemGeneric for what it computes.
//
//go:noescape
func winoStemAVX512(t *stemTiles)
