//go:build !purego

package kern

func (g *GemmF32) strips(n Narrow, t *stripArgs) {
	switch n {
	case NarrowF16:
		stripF16NEON(t)
	case NarrowBF16:
		stripBF16NEON(t)
	case NarrowI8:
		stripI8NEON(t)
	default:
		stripF32NEON(t)
	}
}

// See stripArgs.run for what these compute.

//go:noescape
func stripF32NEON(t *stripArgs)

//go:noescape
func stripF16NEON(t *stripArgs)

//go:noescape
func stripBF16NEON(t *stripArgs)

//go:noescape
func stripI8NEON(t *stripArgs)
