//go:build !purego

package kern

// gemmI16 runs the product kernel of that many rows, one of the form's. AVX2's takes count rows of any heights.
func gemmI16(rows int, t *tileI16) {
	switch rows {
	case 0:
		gemmI16x16AVX2(t)
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

// winoI8 runs one of the transforms. That of weights is of one output channel.
func (i isa) winoI8(s winoI8Side, t *winoTileI8) {
	if i == isaAVX2 {
		s += winoI8Sides
	}
	switch s {
	case winoI8In:
		winoInputI8AVX512(t)
	case winoI8Out:
		winoOutputI8AVX512(t)
	case winoI8Weights:
		winoWeightsI8AVX512(t)
	case winoI8Sides + winoI8In:
		winoInputI8AVX2(t)
	case winoI8Sides + winoI8Out:
		winoOutputI8AVX2(t)
	case winoI8Sides + winoI8Weights:
		winoWeightsI8AVX2(t)
	}
}

// See winoInputI8Generic and outputGeneric for what the transforms of a tile compute.

//go:noescape
func winoInputI8AVX512(t *winoTileI8)

//go:noescape
func winoOutputI8AVX512(t *winoTileI8)

//go:noescape
func winoInputI8AVX2(t *winoTileI8)

//go:noescape
func winoOutputI8AVX2(t *winoTileI8)

// See packGeneric for what the transform of weights computes.
//
//go:noescape
func winoWeightsI8AVX512(t *winoTileI8)

//go:noescape
func winoWeightsI8AVX2(t *winoTileI8)

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

//go:noescape
func gemmI16x16AVX2(t *tileI16)
