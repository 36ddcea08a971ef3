//go:build !purego

package kern

func (g *GemmI8) strips(t *stripI8Args) {
	if g.wide {
		stripPairsAVX2(t)
	} else {
		stripI8VNNI(t)
	}
}

// See stripI8Args.run for what it computes.
//
//go:noescape
func stripI8VNNI(t *stripI8Args)

//go:noescape
func stripPairsAVX2(t *stripI8Args)
