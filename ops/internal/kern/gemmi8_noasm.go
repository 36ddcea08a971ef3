//go:build !amd64 || purego

package kern

func (g *GemmI8) tile(t *tileI8, mr int, half bool) { panic("kern: BUG: no assembly in this build") }

func sumU8(x []byte, flip uint32) int32 { return sumU8Generic(x, flip) }
