//go:build !purego

package kern

// gemmI16 runs the product kernel of that many rows, one of winoI8Rows.
func gemmI16(rows int, t *tileI16) {
	switch rows {
	case 13:
		gemmI16x13x32AVX512(t)
	case 12:
		gemmI16x12x32AVX512(t)
	case 8:
		gemmI16x8x32AVX512(t)
	case 4:
		gemmI16x4x32AVX512(t)
	case 2:
		gemmI16x2x32AVX512(t)
	case 1:
		gemmI16x1x32AVX512(t)
	}
}

func winoInputI8(t *winoTileI8)  { winoInputI8AVX512(t) }
func winoOutputI8(t *winoTileI8) { winoOutputI8AVX512(t) }

// winoWeightsI8 transforms the weights of one output channel.
func winoWeightsI8(t *winoTileI8) { winoWeightsI8AVX512(t) }

// See winoInputI8Generic and outputGeneric for what the transforms of a tile compute.

//go:noescape
func winoInputI8AVX512(t *winoTileI8)

//go:noescape
func winoOutputI8AVX512(t *winoTileI8)

// See packGeneric for what the transform of weights computes.
//
//go:noescape
func winoWeightsI8AVX512(t *winoTileI8)

// Tile kernels, rows x columns; see gemmI16Generic for what they compute.

//go:noescape
func gemmI16x13x32AVX512(t *tileI16)

//go:noescape
func gemmI16x12x32AVX512(t *tileI16)

//go:noescape
func gemmI16x8x32AVX512(t *tileI16)

//go:noescape
func gemmI16x4x32AVX512(t *tileI16)

//go:noescape
func gemmI16x2x32AVX512(t *tileI16)

//go:noescape
func gemmI16x1x32AVX512(t *tileI16)
