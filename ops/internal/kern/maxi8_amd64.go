//go:build !purego

package kern

// maxI8Run takes blocks of 32 channels, or of 16 where there are no 32.
func maxI8Run(t *maxI8Tile, signed bool) {
	switch wide := t.channels >= 32; {
	case wide && signed:
		maxS8x32AVX2(t)
	case wide:
		maxU8x32AVX2(t)
	case signed:
		maxS8x16AVX2(t)
	default:
		maxU8x16AVX2(t)
	}
}

// See MaxPoolI8 for what these compute.

//go:noescape
func maxU8x32AVX2(t *maxI8Tile)

//go:noescape
func maxS8x32AVX2(t *maxI8Tile)

//go:noescape
func maxU8x16AVX2(t *maxI8Tile)

//go:noescape
func maxS8x16AVX2(t *maxI8Tile)
