//go:build !purego

package kern

func maxI8Run(t *maxI8Tile, signed bool) {
	if signed {
		maxS8NEON(t)
	} else {
		maxU8NEON(t)
	}
}

// See MaxPoolI8 for what these compute.

//go:noescape
func maxU8NEON(t *maxI8Tile)

//go:noescape
func maxS8NEON(t *maxI8Tile)
