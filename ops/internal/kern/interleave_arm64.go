//go:build !purego

package kern

func interleaveRun(t *interleaveArgs) {
	switch {
	case t.size == 1 && t.rows == 2:
		interleaveB16x2NEON(t)
	case t.size == 1 && t.rows == 3:
		interleaveB16x3NEON(t)
	case t.size == 1:
		interleaveB16x4NEON(t)
	case t.rows == 2:
		interleaveS4x2NEON(t)
	case t.rows == 3:
		interleaveS4x3NEON(t)
	default:
		interleaveS4x4NEON(t)
	}
}

// See Interleave for what these compute: lanes of an element's size, then the number of rows.

//go:noescape
func interleaveB16x2NEON(t *interleaveArgs)

//go:noescape
func interleaveB16x3NEON(t *interleaveArgs)

//go:noescape
func interleaveB16x4NEON(t *interleaveArgs)

//go:noescape
func interleaveS4x2NEON(t *interleaveArgs)

//go:noescape
func interleaveS4x3NEON(t *interleaveArgs)

//go:noescape
func interleaveS4x4NEON(t *interleaveArgs)
