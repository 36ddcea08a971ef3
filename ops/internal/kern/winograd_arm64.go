//go:build !purego

package kern

func winoInput(m int, t *winoTile) {
	if m == 4 {
		winoInput4NEON(t)
	} else {
		winoInput2NEON(t)
	}
}

func winoOutput(m int, t *winoTile) {
	if m == 4 {
		winoOutput4NEON(t)
	} else {
		winoOutput2NEON(t)
	}
}

// Transforms of one tile; see winoInputGeneric and outputGeneric for what they compute.

//go:noescape
func winoInput2NEON(t *winoTile)

//go:noescape
func winoInput4NEON(t *winoTile)

//go:noescape
func winoOutput2NEON(t *winoTile)

//go:noescape
func winoOutput4NEON(t *winoTile)
