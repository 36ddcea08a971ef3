//go:build (!amd64 && !arm64) || purego

package kern

const haveAsm, haveNEON = false, false

func (g *GemmF32) tile(t *tileF32, mr int, half bool) { panic("kern: BUG: no assembly in this build") }

func tilesAVX2(*tileF32) { panic("kern: BUG: no assembly in this build") }

func (g *GemmF32) row(t *tileF32) { panic("kern: BUG: no assembly in this build") }
