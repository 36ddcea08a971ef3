//go:build !purego

package kern

func (g *GemmF32) strips(n Narrow, t *stripArgs) {
	if g.isa == isaAVX512 {
		switch n {
		case NarrowF16:
			stripF16AVX512(t)
		case NarrowBF16:
			stripBF16AVX512(t)
		case NarrowI8:
			stripI8AVX512(t)
		default:
			stripF32AVX512(t)
		}
		return
	}
	switch n {
	case NarrowF16:
		stripF16AVX2(t)
	case NarrowBF16:
		stripBF16AVX2(t)
	case NarrowI8:
		stripI8AVX2(t)
	default:
		stripF32AVX2(t)
	}
}

// See stripArgs.run for what these compute.

//go:noescape
func stripF32AVX512(t *stripArgs)

//go:noescape
func stripF16AVX512(t *stripArgs)

//go:noescape
func stripBF16AVX512(t *stripArgs)

//go:noescape
func stripF32AVX2(t *stripArgs)

//go:noescape
func stripF16AVX2(t *stripArgs)

//go:noescape
func stripBF16AVX2(t *stripArgs)

//go:noescape
func stripI8AVX512(t *stripArgs)

//go:noescape
func stripI8AVX2(t *stripArgs)
