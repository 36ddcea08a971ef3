//go:build !purego

package kern

func sumsI8Run(t *sumsI8Tile) { sumsI8AVX2(t) }

// See sumsI8 for what this computes.
//
//go:noescape
func sumsI8AVX2(t *sumsI8Tile)
