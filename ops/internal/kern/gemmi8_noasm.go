//go:build (!amd64 && !arm64) || purego

package kern

func (g *GemmI8) tile(t *tileI8, mr int, half bool) { panic("kern: BUG: no assembly in this build") }

func (g *GemmI8) widenRows(t *tileI8) { panic("kern: BUG: no assembly in this build") }

func (g *GemmI8) rowSums(t *tileI8) { panic("kern: BUG: no assembly in this build") }
